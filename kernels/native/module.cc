#include <nanobind/nanobind.h>

NB_MODULE(_forest, module) { module.attr("__doc__") = "Forest kernels."; }
