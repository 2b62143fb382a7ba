#include "lane.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace headrace {
namespace {

constexpr std::size_t kSpareSlabs = 4;

bool same_shape(const TensorView& tensor, const TensorSpec& spec) {
  return tensor.dimensions == spec.trailing.size() + 1 &&
         std::equal(spec.trailing.begin(), spec.trailing.end(), tensor.shape.begin() + 1);
}

/// Whether a text is exactly one id a row, none of them empty, joined by newlines.
bool are_ids(std::string_view text, std::size_t rows) {
  std::size_t count = 0;
  while (true) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    if (length == 0) return false;
    ++count;
    if (length == text.size()) return count == rows;
    text.remove_prefix(length + 1);
  }
}

std::string escaped(std::string_view text) {
  std::string out;
  escape_message(text, out);
  return out;
}

}  // namespace

Slab::Slab(const LaneSpec& spec, std::size_t rows) : capacity(rows) {
  for (const auto& input : spec.inputs) {
    width.push_back(input.row_bytes);
    data.push_back(std::make_unique_for_overwrite<char[]>(rows * input.row_bytes));
  }
}

Lane::Lane(LaneSpec given)
    : spec(std::move(given)),
      full_message(escaped(spec.full_text)),
      late_message(escaped(spec.late_text)),
      statistics(spec.bounds),
      levels_(spec.levels) {}

Lane::~Lane() {
  for (auto& level : levels_) {
    while (auto* request = level.first()) withdraw(request);
  }
}

bool Lane::fits(const InferRequest& read, std::size_t& rows, std::array<std::uint8_t, kMaxTensors>& order) const {
  if (read.input_count != spec.inputs.size() || read.raw_count != read.input_count) return false;
  for (std::size_t position = 0; position < spec.inputs.size(); ++position) {
    const TensorSpec& expected = spec.inputs[position];
    std::size_t found = position;  // clients send the inputs in the model's order, nearly always
    if (read.inputs[found].name != expected.name) {
      for (found = 0; found < read.input_count && read.inputs[found].name != expected.name;) ++found;
      if (found == read.input_count) return false;
    }
    const TensorView& tensor = read.inputs[found];
    if (tensor.datatype != expected.datatype || !same_shape(tensor, expected)) return false;
    const std::int64_t extent = tensor.shape[0];
    if (extent < 1 || static_cast<std::size_t>(extent) > spec.max_request_rows) return false;
    if (position == 0) rows = static_cast<std::size_t>(extent);
    if (static_cast<std::size_t>(extent) != rows || read.raw[found].size() != rows * expected.row_bytes) return false;
    order[position] = static_cast<std::uint8_t>(found);
  }
  return true;
}

/// Outputs asked for as positions, four bits each; nothing where one is not there, or asked for twice.
std::optional<std::uint32_t> Lane::wanted_outputs(const InferRequest& read) const {
  std::uint32_t wanted = 0;
  std::uint32_t seen = 0;
  for (std::size_t i = 0; i < read.output_count; ++i) {
    const auto found = std::find_if(spec.outputs.begin(), spec.outputs.end(),
                                    [&](const TensorSpec& output) { return output.name == read.outputs[i]; });
    if (found == spec.outputs.end() || i == 8) return std::nullopt;
    const auto position = static_cast<std::uint32_t>(found - spec.outputs.begin());
    if (seen & (1U << position)) return std::nullopt;
    seen |= 1U << position;
    wanted |= position << (4 * i);
  }
  return wanted;
}

std::optional<Admission> Lane::submit(const InferRequest& read, Stream* stream, Nanos arrived, Nanos now) {
  std::size_t rows = 0;
  std::array<std::uint8_t, kMaxTensors> order{};
  if (!fits(read, rows, order) || read.priority > spec.levels) return std::nullopt;
  if (!read.ids.empty() && !are_ids(read.ids, rows)) return std::nullopt;
  const std::optional<std::uint32_t> wanted = wanted_outputs(read);
  if (!wanted) return std::nullopt;
  arrived_rows_ += rows;
  const Admission admission = admits(parameters, rows, waiting_rows_, running_, now - arrived);
  if (admission != Admission::kTaken) {
    statistics.drop(admission == Admission::kShed ? Drop::kOverTarget : Drop::kQueueFull);
    return admission;
  }
  auto request = std::make_unique<Request>();
  request->stream = stream;
  request->rows = rows;
  request->enqueued = arrived;
  request->level = (read.priority != 0 ? static_cast<std::size_t>(read.priority) : spec.default_level) - 1;
  request->wanted = *wanted;
  request->wanted_count = static_cast<std::uint8_t>(read.output_count);
  request->id = read.id;
  if (spec.members) request->ids = read.ids;
  request->slab = room(rows);
  request->first = request->slab->used;
  request->slab->used += rows;
  for (std::size_t position = 0; position < spec.inputs.size(); ++position) {
    const std::string_view raw = read.raw[order[position]];
    std::memcpy(request->slab->row(position, request->first), raw.data(), raw.size());
  }
  waiting_rows_ += rows;
  last = request.release();
  levels_[last->level].push_back(last);
  return Admission::kTaken;
}

std::unique_ptr<Request> Lane::withdraw(Request* request) {
  levels_[request->level].remove(request);
  waiting_rows_ -= request->rows;
  return std::unique_ptr<Request>(request);
}

Nanos Lane::oldest() const {
  Nanos oldest = kNever;
  for (const auto& level : levels_) {
    if (!level.empty()) oldest = std::min(oldest, level.first()->enqueued);
  }
  return oldest;
}

Nanos Lane::fires() const {
  return waiting_rows_ == 0 ? kNever : fires_at(parameters, waiting_rows_, oldest(), running_);
}

std::unique_ptr<Batch> Lane::take(Nanos now) {
  auto batch = std::make_unique<Batch>();
  batch->lane = shared_from_this();
  batch->taken = now;
  batch->oldest = oldest();
  batch->arrived_rows = arrived_rows_;
  for (std::size_t level = next_level(levels_); level != levels_.size(); level = next_level(levels_)) {
    Request* request = levels_[level].first();
    if (batch->rows != 0 && batch->rows + request->rows > parameters.max_batch_rows) break;
    statistics.queue.observe(now - request->enqueued);
    request->taken = now;
    batch->rows += request->rows;
    batch->members.push_back(withdraw(request));
  }
  ++running_;
  lay_together(*batch);
  return batch;
}

std::pair<std::unique_ptr<Batch>, std::unique_ptr<Batch>> Lane::halve(std::unique_ptr<Batch> batch) {
  auto rest = std::make_unique<Batch>();
  rest->lane = batch->lane;
  rest->slab = batch->slab;
  rest->taken = batch->taken;
  rest->oldest = batch->oldest;
  rest->arrived_rows = batch->arrived_rows;
  const std::size_t half = batch->members.size() / 2;
  std::move(batch->members.begin() + static_cast<std::ptrdiff_t>(half), batch->members.end(),
            std::back_inserter(rest->members));
  batch->members.resize(half);
  batch->rows = 0;
  for (const auto& member : batch->members) batch->rows += member->rows;
  for (const auto& member : rest->members) rest->rows += member->rows;
  rest->first = batch->first + batch->rows;
  ++running_;
  return {std::move(batch), std::move(rest)};
}

/// The members' rows lie one after the other already, unless somebody left the queue, priorities changed the order, or
/// a slab ended in between: then they are copied together.
void Lane::lay_together(Batch& batch) {
  const auto& members = batch.members;
  batch.slab = members.front()->slab;
  batch.first = members.front()->first;
  std::size_t next = batch.first;
  const bool together = std::all_of(members.begin(), members.end(), [&](const auto& member) {
    const bool here = member->slab == batch.slab && member->first == next;
    next += member->rows;
    return here;
  });
  if (together) return;
  auto slab = std::make_shared<Slab>(spec, batch.rows);
  for (const auto& member : members) {
    for (std::size_t input = 0; input < spec.inputs.size(); ++input) {
      std::memcpy(slab->row(input, slab->used), member->slab->row(input, member->first),
                  member->rows * spec.inputs[input].row_bytes);
    }
    member->slab = slab;
    member->first = slab->used;
    slab->used += member->rows;
  }
  batch.slab = std::move(slab);
  batch.first = 0;
}

/// A slab with room for rows: the open one, else one that nobody reads any more, else a new one.
std::shared_ptr<Slab> Lane::room(std::size_t rows) {
  if (rows > spec.slab_rows) return std::make_shared<Slab>(spec, rows);
  if (open_ && open_.use_count() == 1) open_->used = 0;
  if (open_ && open_->used + rows <= open_->capacity) return open_;
  if (open_ && spare_.size() < kSpareSlabs) spare_.push_back(open_);
  const auto free = std::find_if(spare_.begin(), spare_.end(), [this](const auto& slab) {
    return slab.use_count() == (slab == open_ ? 2 : 1);
  });
  if (free != spare_.end()) {
    open_ = *free;
    spare_.erase(free);
    open_->used = 0;
  } else {
    open_ = std::make_shared<Slab>(spec, spec.slab_rows);
  }
  return open_;
}

}  // namespace headrace
