// A small lane that the fuzz targets serve: `late@1`, FP32 rows of four in, one FP32 score a row out.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "answer.h"
#include "lane.h"
#include "routes.h"

/// An invariant that holds in every build.
#define HEADRACE_MUST(condition)                                                            \
  do {                                                                                      \
    if (!(condition)) {                                                                     \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);   \
      std::abort();                                                                         \
    }                                                                                       \
  } while (false)

namespace headrace::fuzz {

inline std::shared_ptr<Lane> small_lane(std::uint64_t version = 1) {
  LaneSpec spec;
  spec.key = version;
  spec.model = "late";
  spec.version = std::to_string(version);
  spec.inputs = {{"features", "FP32", {4}, 16}};
  spec.outputs = {{"score", "FP32", {}, 0}, {"leaf", "INT64", {}, 0}};
  spec.max_request_rows = 64;
  spec.slab_rows = 64;
  spec.levels = 3;
  spec.default_level = 2;
  spec.bounds = {kMillisecond, kSecond};
  return std::make_shared<Lane>(std::move(spec));
}

inline Routes small_routes(const std::vector<std::shared_ptr<Lane>>& lanes) {
  Route route;
  for (const auto& lane : lanes) route.versions.emplace(lane->spec.version, lane);
  route.champion = lanes.front();
  route.candidate = lanes.back();
  route.share = lanes.size() > 1 ? Route::kBuckets / 2 : 0;
  route.salt = "salt";
  Routes routes;
  routes.insert_or_assign("late", std::move(route));
  return routes;
}

/// Outputs for a batch: memory that lives as long as this.
class Outputs {
 public:
  explicit Outputs(std::size_t rows) : scores_(rows, 1.5F), leaves_(rows, 7) {}
  [[nodiscard]] std::vector<OutputView> views() const {
    const std::size_t rows = scores_.size();
    return {{reinterpret_cast<const char*>(scores_.data()), rows, 4, {1}},
            {reinterpret_cast<const char*>(leaves_.data()), rows, 8, {}}};
  }

 private:
  std::vector<float> scores_;
  std::vector<std::int64_t> leaves_;
};

}  // namespace headrace::fuzz
