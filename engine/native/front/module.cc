#include <nanobind/nanobind.h>
#include <nghttp2/nghttp2.h>

NB_MODULE(_front, module) { module.attr("NGHTTP2_VERSION") = nghttp2_version(0)->version_str; }
