// Which lane answers a request that names a model: the fleet as the native door sees it, swapped whole.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "blake2b.h"
#include "lane.h"

namespace headrace {

/// One model. A lane that is null stands for a version whose requests the Python service answers.
struct Route {
  std::map<std::string, std::shared_ptr<Lane>, std::less<>> versions;
  std::shared_ptr<Lane> champion;
  std::shared_ptr<Lane> candidate;
  std::uint64_t share = 0;  // of `kBuckets`, to the candidate
  std::string salt;

  /// Lane of the version asked for, else of the one that the key falls to; null: Python answers.
  [[nodiscard]] std::shared_ptr<Lane> pick(std::string_view version, std::string_view key) const {
    if (!version.empty()) {
      const auto found = versions.find(version);
      return found == versions.end() ? nullptr : found->second;
    }
    return share != 0 && bucket(key) < share ? candidate : champion;
  }

  static constexpr std::uint64_t kBuckets = 10'000;

 private:
  /// As `headrace.core.hashing.stable_bucket`.
  [[nodiscard]] std::uint64_t bucket(std::string_view key) const {
    std::string content = salt;
    content.push_back('\0');
    content.append(key);
    return blake2b_64(content) % kBuckets;
  }
};

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

using Routes = std::unordered_map<std::string, Route, TextHash, std::equal_to<>>;

}  // namespace headrace
