#include "columns.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

namespace headrace::forest {
namespace {

constexpr std::size_t kBlock = 16;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> padded(const std::vector<float>& values) {
  std::vector<float> result = values;
  result.resize((values.size() / kBlock + 1) * kBlock, kInfinity);
  return result;
}

std::vector<float> tops_of(const std::vector<float>& thresholds) {
  std::vector<float> tops;
  for (std::size_t last = kBlock - 1; last < thresholds.size(); last += kBlock) tops.push_back(thresholds[last]);
  tops.resize((tops.size() + kBlock - 1) / kBlock * kBlock, kInfinity);
  return tops;
}

}  // namespace

Columns::Columns(const Arrays& arrays) : tests_(arrays.node_column.size()) {
  add_bins(arrays);
  add_lookups(arrays);
}

void Columns::add_bins(const Arrays& arrays) {
  std::vector<std::vector<float>> splits(arrays.column_kind.size());
  std::vector<bool> goes_left(splits.size()), goes_right(splits.size());  // NaN, at some node
  for (std::size_t node = 0; node < arrays.node_column.size(); ++node) {
    const std::size_t column = static_cast<std::size_t>(arrays.node_column[node]);
    splits[column].push_back(arrays.node_split[node]);
    (arrays.node_nan_left[node] ? goes_left : goes_right)[column] = true;
  }
  std::vector<const Bins*> of_column(splits.size(), nullptr);
  bins_.reserve(splits.size());
  for (std::size_t column = 0; column < splits.size(); ++column) {
    if (static_cast<Kind>(arrays.column_kind[column]) == Kind::kTable || splits[column].empty()) continue;
    std::vector<float>& sorted = splits[column];
    std::sort(sorted.begin(), sorted.end());
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    const std::vector<float>& thresholds = floats_.emplace_back(padded(sorted));
    Bins bins{};
    bins.feature = static_cast<std::uint32_t>(arrays.column_feature[column]);
    bins.kind = static_cast<Kind>(arrays.column_kind[column]);
    bins.low = goes_left[column] ? static_cast<std::int32_t>(count_++) : -1;
    bins.high = goes_right[column] ? static_cast<std::int32_t>(count_++) : -1;
    bins.n = static_cast<std::uint32_t>(sorted.size());
    bins.blocks = static_cast<std::uint32_t>(thresholds.size() / kBlock);
    bins.thresholds = thresholds.data();
    bins.tops = floats_.emplace_back(tops_of(thresholds)).data();
    highest_rank_ = std::max(highest_rank_, bins.n);
    bins_.push_back(bins);
    of_column[column] = &bins_.back();
  }
  for (std::size_t node = 0; node < arrays.node_column.size(); ++node) {
    const Bins* bins = of_column[static_cast<std::size_t>(arrays.node_column[node])];
    if (bins == nullptr) continue;
    const float* place = std::lower_bound(bins->thresholds, bins->thresholds + bins->n, arrays.node_split[node]);
    const std::int32_t column = arrays.node_nan_left[node] ? bins->low : bins->high;
    tests_[node] = {static_cast<std::uint32_t>(column), static_cast<std::uint32_t>(place - bins->thresholds)};
  }
}

void Columns::add_lookups(const Arrays& arrays) {
  // One run of rank columns a feature and table length, so that a row copies its entries in one go.
  std::map<std::pair<std::int32_t, std::int64_t>, std::vector<std::size_t>> runs;
  for (std::size_t column = 0; column < arrays.column_kind.size(); ++column) {
    if (static_cast<Kind>(arrays.column_kind[column]) != Kind::kTable) continue;
    const std::int64_t length = arrays.table_start[column + 1] - arrays.table_start[column];
    runs[{arrays.column_feature[column], length}].push_back(column);
  }
  std::vector<std::uint32_t> place(arrays.column_kind.size());
  for (const auto& [key, columns] : runs) {
    const std::size_t n_rows = static_cast<std::size_t>(key.second);
    std::vector<std::uint8_t>& rows = bytes_.emplace_back(n_rows * columns.size());
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::uint8_t* table = arrays.tables.data() + arrays.table_start[columns[i]];
      for (std::size_t row = 0; row < n_rows; ++row) rows[row * columns.size() + i] = table[row] != 0;
      place[columns[i]] = count_ + static_cast<std::uint32_t>(i);
    }
    lookups_.push_back({static_cast<std::uint32_t>(key.first), count_, static_cast<std::uint32_t>(columns.size()),
                        static_cast<std::uint32_t>(n_rows), rows.data()});
    count_ += static_cast<std::uint32_t>(columns.size());
  }
  for (std::size_t node = 0; node < arrays.node_column.size(); ++node) {
    const std::size_t column = static_cast<std::size_t>(arrays.node_column[node]);
    if (static_cast<Kind>(arrays.column_kind[column]) == Kind::kTable) tests_[node] = {place[column], 0};
  }
}

}  // namespace headrace::forest
