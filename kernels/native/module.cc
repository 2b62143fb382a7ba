// headrace_kernels.native._forest: arrays in, arrays out. Described in `headrace_kernels/native/forest.py`.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "arrays.h"
#include "bindings.h"
#include "forest.h"

namespace nb = nanobind;

namespace headrace::forest {
namespace {

template <typename T, typename Array>
std::span<const T> span_of(const Array& array) {
  return {array.data(), array.size()};
}

Method method_of(const std::string& name) {
  if (name.empty()) return Method::kAutomatic;
  if (name == "blocks") return Method::kBlocks;
  if (name == "walk") return Method::kWalk;
  throw std::invalid_argument("method is '" + name + "'; allowed: blocks, walk, or nothing");
}

const Instructions& instructions_of(const std::string& name) {
  const Instructions* const found = find_instructions(name);
  if (found == nullptr) throw std::invalid_argument("instructions '" + name + "' are not on this processor");
  return *found;
}

std::vector<std::string> available_instructions() {
  std::vector<std::string> names;
  for (const char* name : {"plain", "avx2", "avx512"}) {
    if (find_instructions(name) != nullptr) names.emplace_back(name);
  }
  return names;
}

// A forest as Python holds it, with the number of its features and targets for checking.
template <typename Sum>
struct Scorer {
  std::size_t n_features;
  std::size_t n_targets;
  const Instructions* instructions;
  Method method;
  Forest<Sum> forest;

  void score(const Matrix<float>& rows, const Out<Sum>& scores) const {
    if (rows.shape(1) != n_features || scores.shape(1) != n_targets || scores.shape(0) != rows.shape(0)) {
      throw std::invalid_argument("rows must be [n, " + std::to_string(n_features) + "] and scores [n, " +
                                  std::to_string(n_targets) + "]");
    }
    const std::size_t n = rows.shape(0);
    if (n <= kShort) return forest.score(rows.data(), n, scores.data(), *instructions, method);
    nb::gil_scoped_release release;
    forest.score(rows.data(), n, scores.data(), *instructions, method);
  }
};

template <typename Sum>
void bind_forest(nb::module_& module, const char* name) {
  nb::class_<Scorer<Sum>>(module, name)
      .def(
          "__init__",
          [](Scorer<Sum>* self, std::int64_t n_features, std::int64_t n_targets, Vector<std::int32_t> column_feature,
             Vector<std::uint8_t> column_kind, Vector<std::int64_t> table_start, Vector<std::uint8_t> tables,
             Vector<std::int32_t> node_column, Vector<float> node_split, Vector<bool> node_nan_left,
             Vector<std::int32_t> node_left, Vector<std::int32_t> node_right, Vector<std::int32_t> tree_root,
             Matrix<std::int32_t> tree_targets, Matrix<Sum> leaf_values, Vector<Sum> base,
             const std::string& instructions, const std::string& method) {
            const nb::gil_scoped_release released;  // a server goes on answering while it loads a forest
            const Arrays arrays{n_features,
                                n_targets,
                                span_of<std::int32_t>(column_feature),
                                span_of<std::uint8_t>(column_kind),
                                span_of<std::int64_t>(table_start),
                                span_of<std::uint8_t>(tables),
                                span_of<std::int32_t>(node_column),
                                span_of<float>(node_split),
                                {reinterpret_cast<const std::uint8_t*>(node_nan_left.data()), node_nan_left.size()},
                                span_of<std::int32_t>(node_left),
                                span_of<std::int32_t>(node_right),
                                span_of<std::int32_t>(tree_root),
                                span_of<std::int32_t>(tree_targets),
                                static_cast<std::int64_t>(leaf_values.shape(0)),
                                static_cast<std::int64_t>(leaf_values.shape(1))};
            new (self) Scorer<Sum>{static_cast<std::size_t>(n_features), static_cast<std::size_t>(n_targets),
                                   &instructions_of(instructions), method_of(method),
                                   Forest<Sum>(arrays, span_of<Sum>(leaf_values), span_of<Sum>(base))};
          },
          nb::kw_only(), nb::arg("n_features"), nb::arg("n_targets"), nb::arg("column_feature"),
          nb::arg("column_kind"), nb::arg("table_start"), nb::arg("tables"), nb::arg("node_column"),
          nb::arg("node_split"), nb::arg("node_nan_left"), nb::arg("node_left"), nb::arg("node_right"),
          nb::arg("tree_root"), nb::arg("tree_targets"), nb::arg("leaf_values"), nb::arg("base"),
          nb::arg("instructions"), nb::arg("method"))
      .def("score", &Scorer<Sum>::score, nb::arg("rows").noconvert(), nb::arg("scores").noconvert());
}

}  // namespace
}  // namespace headrace::forest

NB_MODULE(_forest, module) {
  nb::set_leak_warnings(false);  // threads that the interpreter does not wait for may hold objects when it ends
  using namespace headrace::forest;
  module.attr("__doc__") = "Forest kernels.";
  bind_forest<double>(module, "Forest64");
  bind_forest<float>(module, "Forest32");
  module.def("available_instructions", &available_instructions);
  bind_links(module);
}
