#include "links.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace headrace::forest {
namespace {

template <typename Sum, typename Each>
void map_scores(const Sum* scores, std::size_t n, float* predictions, double divisor, Each each) {
  for (std::size_t i = 0; i < n; ++i) {
    predictions[i] = static_cast<float>(each(static_cast<double>(scores[i]) / divisor));
  }
}

template <typename Sum>
void soft_max_f64(const Sum* scores, std::size_t width, const LinkRule& rule, float* predictions) {
  const auto score = [&](std::size_t i) { return static_cast<double>(scores[i]) / rule.divisor; };
  double highest = score(0);
  for (std::size_t i = 1; i < width; ++i) highest = std::max(highest, score(i));
  const auto power = [&](std::size_t i) { return std::pow(rule.base, score(i) - highest); };
  double total = power(0);
  for (std::size_t i = 1; i < width; ++i) total += power(i);
  for (std::size_t i = 0; i < width; ++i) predictions[i] = static_cast<float>(power(i) / total);
}

float logistic_f32(float value) {
  const float upper = 1.0f / (1.0f + std::exp(-std::fabs(value)));
  return value < 0.0f ? 1.0f - upper : upper;
}

void soft_max_f32(const float* scores, std::size_t width, float* probabilities) {
  float highest = std::numeric_limits<float>::lowest();
  for (std::size_t i = 0; i < width; ++i) highest = scores[i] > highest ? scores[i] : highest;
  float total = 0.0f;
  for (std::size_t i = 0; i < width; ++i) {
    probabilities[i] = std::exp(scores[i] - highest);
    total += probabilities[i];
  }
  for (std::size_t i = 0; i < width; ++i) probabilities[i] /= total;
}

std::int64_t classify_one_score(float score, const ClassRule& rule, float* probabilities) {
  if (rule.all_positive) {
    probabilities[0] = 1.0f - score;
    probabilities[1] = score;
    return rule.labels[score > 0.5f ? 1 : 0];
  }
  const bool logistic = rule.transform == Transform::kLogistic;
  probabilities[0] = logistic ? logistic_f32(-score) : -score;
  probabilities[1] = logistic ? logistic_f32(score) : score;
  return rule.labels[score > 0.0f ? 1 : 0];
}

std::int64_t classify_many_scores(const float* scores, const ClassRule& rule, float* probabilities) {
  const std::size_t width = rule.labels.size();
  std::size_t best = 0;
  for (std::size_t i = 1; i < width; ++i) best = scores[i] > scores[best] ? i : best;
  if (rule.transform == Transform::kSoftmax) {
    soft_max_f32(scores, width, probabilities);
  } else {
    for (std::size_t i = 0; i < width; ++i) {
      probabilities[i] = rule.transform == Transform::kLogistic ? logistic_f32(scores[i]) : scores[i];
    }
  }
  return rule.labels[best];
}

}  // namespace

template <typename Sum>
void link_scores(const Sum* scores, std::size_t n_rows, std::size_t width, const LinkRule& rule, float* predictions) {
  const std::size_t n = n_rows * width;
  const double base = rule.base;
  switch (rule.link) {
    case Link::kIdentity:
      return map_scores(scores, n, predictions, rule.divisor, [](double x) { return x; });
    case Link::kSquare:
      return map_scores(scores, n, predictions, rule.divisor, [](double x) { return std::fabs(x) * x; });
    case Link::kExponential:
      return map_scores(scores, n, predictions, rule.divisor, [base](double x) { return std::pow(base, x); });
    case Link::kLogistic:
      return map_scores(scores, n, predictions, rule.divisor,
                        [base](double x) { return 1.0 / (std::pow(base, x) + 1.0); });
    case Link::kSoftmax:
      for (std::size_t row = 0; row < n_rows; ++row) {
        soft_max_f64(scores + row * width, width, rule, predictions + row * width);
      }
  }
}

template void link_scores(const double*, std::size_t, std::size_t, const LinkRule&, float*);
template void link_scores(const float*, std::size_t, std::size_t, const LinkRule&, float*);

void classify_scores(const float* scores, std::size_t n_rows, std::size_t width, const ClassRule& rule,
                     std::int64_t* labels, float* probabilities) {
  const std::size_t n_labels = rule.labels.size();
  for (std::size_t row = 0; row < n_rows; ++row) {
    float* const own = probabilities + row * n_labels;
    labels[row] = width == 1 ? classify_one_score(scores[row], rule, own)
                             : classify_many_scores(scores + row * width, rule, own);
  }
}

}  // namespace headrace::forest
