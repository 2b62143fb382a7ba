#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>

#include "bindings.h"
#include "links.h"

namespace nb = nanobind;

namespace headrace::forest {
namespace {

template <typename Sum>
void link(const Matrix<Sum>& scores, std::uint8_t kind, double base, double divisor, const Out<float>& predictions) {
  if (predictions.shape(0) != scores.shape(0) || predictions.shape(1) != scores.shape(1)) {
    throw std::invalid_argument("predictions must have the shape of scores");
  }
  if (kind > static_cast<std::uint8_t>(Link::kSoftmax)) throw std::invalid_argument("no such link");
  const LinkRule rule{static_cast<Link>(kind), base, divisor};
  const std::size_t n = scores.shape(0);
  if (n <= kShort) return link_scores(scores.data(), n, scores.shape(1), rule, predictions.data());
  nb::gil_scoped_release release;
  link_scores(scores.data(), n, scores.shape(1), rule, predictions.data());
}

void classify(const Matrix<float>& scores, std::uint8_t transform, bool all_positive,
              const Vector<std::int64_t>& classes, const OutVector<std::int64_t>& labels,
              const Out<float>& probabilities) {
  const std::size_t n = scores.shape(0), width = scores.shape(1), n_classes = classes.shape(0);
  if (labels.shape(0) != n || probabilities.shape(0) != n || probabilities.shape(1) != n_classes || n_classes < 2 ||
      (width == 1 ? n_classes != 2 : width != n_classes)) {
    throw std::invalid_argument("labels must be [n], probabilities [n, n_classes], scores [n, n_classes] or [n, 1]");
  }
  if (transform > static_cast<std::uint8_t>(Transform::kSoftmax)) throw std::invalid_argument("no such transform");
  const ClassRule rule{static_cast<Transform>(transform), all_positive, {classes.data(), n_classes}};
  if (n <= kShort) return classify_scores(scores.data(), n, width, rule, labels.data(), probabilities.data());
  nb::gil_scoped_release release;
  classify_scores(scores.data(), n, width, rule, labels.data(), probabilities.data());
}

}  // namespace

void bind_links(nb::module_& module) {
  module.def("link_scores", &link<double>, nb::arg("scores").noconvert(), nb::arg("kind"), nb::arg("base"),
             nb::arg("divisor"), nb::arg("predictions").noconvert());
  module.def("link_scores", &link<float>, nb::arg("scores").noconvert(), nb::arg("kind"), nb::arg("base"),
             nb::arg("divisor"), nb::arg("predictions").noconvert());
  module.def("classify_scores", &classify, nb::arg("scores").noconvert(), nb::arg("transform"),
             nb::arg("all_positive"), nb::arg("classes").noconvert(), nb::arg("labels").noconvert(),
             nb::arg("probabilities").noconvert());
}

}  // namespace headrace::forest
