// From sums to predictions, in the arithmetic ONNX Runtime uses for the same graphs, so that the bits are the same:
// `pow` and `expf` of the C library, everything else exactly rounded, each row by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace headrace::forest {

enum class Link : std::uint8_t { kIdentity = 0, kSquare = 1, kExponential = 2, kLogistic = 3, kSoftmax = 4 };

struct LinkRule {
  Link link;
  double base;     // of the powers that stand for exponentials
  double divisor;  // of the sums, before all else
};

// predictions: float[n_rows, width], from sums Sum[n_rows, width]; float64 in between.
template <typename Sum>
void link_scores(const Sum* scores, std::size_t n_rows, std::size_t width, const LinkRule& rule, float* predictions);

// A TreeEnsembleClassifier's own transformations.
enum class Transform : std::uint8_t { kNone = 0, kLogistic = 1, kSoftmax = 2 };

struct ClassRule {
  Transform transform;
  bool all_positive;                      // no leaf weighs below zero: a single score is a probability
  std::span<const std::int64_t> labels;   // at least two
};

// scores: float[n_rows, width], width 1 for two classes told apart by one score, else one a class;
// labels: int64[n_rows]; probabilities: float[n_rows, n_labels].
void classify_scores(const float* scores, std::size_t n_rows, std::size_t width, const ClassRule& rule,
                     std::int64_t* labels, float* probabilities);

}  // namespace headrace::forest
