// The door's rules and readers one by one, for the tests that hold them against Python's.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "grpc.h"
#include "infer_request.h"
#include "lane.h"
#include "policy.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace headrace {
namespace {

Nanos nanos(double seconds) { return static_cast<Nanos>(std::llround(seconds * 1e9)); }

const char* admits_text(std::size_t rows, std::size_t waiting_rows, std::size_t running, std::size_t admit_rows,
                        std::size_t max_queue_rows, std::size_t parallel, double unread_s,
                        double unread_bound_s) {
  BatchParameters parameters;
  parameters.admit_rows = admit_rows;
  parameters.max_queue_rows = max_queue_rows;
  parameters.parallel = parallel;
  parameters.unread = nanos(unread_bound_s);
  switch (admits(parameters, rows, waiting_rows, running, nanos(unread_s))) {
    case Admission::kTaken:
      return "taken";
    case Admission::kFull:
      return "full";
    default:
      return "shed";
  }
}

/// Minus infinity: now. Nothing: not before a running batch ends.
std::optional<double> fires_at_s(std::size_t rows, double oldest_at, std::size_t running, std::size_t max_batch_rows,
                                 double window_s, std::size_t parallel) {
  BatchParameters parameters;
  parameters.max_batch_rows = max_batch_rows;
  parameters.window = nanos(window_s);
  parameters.parallel = parallel;
  const Nanos time = fires_at(parameters, rows, nanos(oldest_at), running);
  if (time == kNever) return std::nullopt;
  return time == kFiresNow ? -std::numeric_limits<double>::infinity() : static_cast<double>(time) / 1e9;
}

/// Positions of those (rows, priority, arrival in seconds) that a lane puts into its next batch.
std::vector<std::size_t> next_batch(const std::vector<std::tuple<std::size_t, std::uint64_t, double>>& waiting,
                                    std::size_t max_batch_rows) {
  LaneSpec spec;
  spec.inputs = {{"x", "UINT8", {}, 1}};
  spec.max_request_rows = spec.slab_rows = 4096;
  spec.levels = 8;
  const auto lane = std::make_shared<Lane>(std::move(spec));
  lane->parameters.max_batch_rows = max_batch_rows;
  const std::string content(4096, 'x');
  for (std::size_t position = 0; position < waiting.size(); ++position) {
    const auto& [rows, priority, arrival] = waiting[position];
    const std::string id = std::to_string(position);
    InferRequest request;
    request.id = id;
    request.priority = priority;
    request.inputs[0] = {"x", "UINT8", {static_cast<std::int64_t>(rows)}, 1};
    request.raw[0] = std::string_view(content).substr(0, rows);
    request.input_count = request.raw_count = 1;
    if (lane->submit(request, nullptr, nanos(arrival), nanos(arrival)) != Admission::kTaken) throw std::invalid_argument("not taken");
  }
  std::vector<std::size_t> taken;
  const auto batch = lane->take(0);
  for (const auto& member : batch->members) taken.push_back(std::stoul(member->id));
  return taken;
}

nb::bytes to_bytes(std::string_view text) { return nb::bytes(text.data(), text.size()); }

nb::object read_request(const nb::bytes& message) {
  InferRequest request;
  if (!read_plain({message.c_str(), message.size()}, request)) return nb::none();
  nb::list inputs;
  for (std::size_t i = 0; i < request.input_count; ++i) {
    const TensorView& tensor = request.inputs[i];
    nb::list shape;
    for (std::size_t d = 0; d < tensor.dimensions; ++d) shape.append(tensor.shape[d]);
    inputs.append(nb::make_tuple(to_bytes(tensor.name), to_bytes(tensor.datatype), shape));
  }
  nb::list raw;
  for (std::size_t i = 0; i < request.raw_count; ++i) raw.append(to_bytes(request.raw[i]));
  nb::list outputs;
  for (std::size_t i = 0; i < request.output_count; ++i) outputs.append(to_bytes(request.outputs[i]));
  nb::dict found;
  found["model"] = to_bytes(request.model);
  found["version"] = to_bytes(request.version);
  found["id"] = to_bytes(request.id);
  found["inputs"] = inputs;
  found["raw"] = raw;
  found["outputs"] = outputs;
  found["priority"] = request.priority;
  found["timeout_us"] = request.timeout_us;
  found["routing_key"] = to_bytes(request.routing_key);
  found["ids"] = to_bytes(request.ids);
  return found;
}

}  // namespace
}  // namespace headrace

NB_MODULE(_rules, m) {
  using namespace headrace;
  m.def("admits", &admits_text, "rows"_a, "waiting_rows"_a, "running"_a, "admit_rows"_a, "max_queue_rows"_a,
        "parallel"_a, "unread_s"_a, "unread_bound_s"_a);
  m.def("fires_at", &fires_at_s, "rows"_a, "oldest_at"_a, "running"_a, "max_batch_rows"_a, "window_s"_a, "parallel"_a);
  m.def("select", &next_batch, "waiting"_a, "max_batch_rows"_a);
  m.def("read_plain", &read_request, "message"_a);
  m.def("parse_timeout", [](const nb::bytes& text) -> std::optional<std::int64_t> {
    return parse_timeout({text.c_str(), text.size()});
  });
  m.def("escape_message", [](const nb::bytes& text) {
    std::string out;
    escape_message({text.c_str(), text.size()}, out);
    return out;
  });
}
