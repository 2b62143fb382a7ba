// The native front door as Python sees it: `headrace.serving.transport.native` is its only user.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/unordered_set.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <system_error>

#include "front.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace headrace {
namespace {

using Output = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;

/// Python's hold on a batch, until it is completed or failed.
struct BatchHandle {
  std::unique_ptr<Batch> batch;

  std::unique_ptr<Batch> give_up() {
    if (!batch) throw std::runtime_error("the batch was answered already");
    return std::move(batch);
  }
};

/// Do something that takes the front's lock. Whoever holds that lock may wait for Python's (the last reference to a lane
/// that Python made is Python's to drop), so nobody may wait for it with Python's in hand.
template <typename Work>
auto unlocked(Work&& work) {
  const nb::gil_scoped_release released;
  return work();
}

nb::dlpack::dtype dtype_of(const std::string& datatype) {
  using nb::dlpack::dtype_code;
  const auto code = datatype.starts_with("FP")     ? dtype_code::Float
                    : datatype.starts_with("UINT") ? dtype_code::UInt
                    : datatype == "BOOL"           ? dtype_code::Bool
                                                   : dtype_code::Int;
  const std::size_t digits = datatype.find_first_of("0123456789");
  const int bits = digits == std::string::npos ? 8 : std::stoi(datatype.substr(digits));
  return {static_cast<std::uint8_t>(code), static_cast<std::uint8_t>(bits), 1};
}

nb::tuple inputs_of(const BatchHandle& handle) {
  if (!handle.batch) throw std::runtime_error("the batch was answered already");
  const Batch& batch = *handle.batch;
  nb::list arrays;
  for (std::size_t i = 0; i < batch.lane->spec.inputs.size(); ++i) {
    const TensorSpec& spec = batch.lane->spec.inputs[i];
    std::vector<std::size_t> shape{batch.rows};
    for (const auto extent : spec.trailing) shape.push_back(static_cast<std::size_t>(extent));
    nb::capsule owner(new std::shared_ptr<Slab>(batch.slab),
                      [](void* held) noexcept { delete static_cast<std::shared_ptr<Slab>*>(held); });
    arrays.append(nb::cast(nb::ndarray<nb::numpy>(batch.slab->row(i, batch.first), shape.size(), shape.data(), owner,
                                                  nullptr, dtype_of(spec.datatype))));
  }
  return nb::tuple(arrays);
}

std::vector<OutputView> views_of(const Batch& batch, const std::vector<Output>& outputs) {
  if (outputs.size() != batch.lane->spec.outputs.size()) throw std::invalid_argument("another number of outputs");
  std::vector<OutputView> views;
  for (const auto& output : outputs) {
    if (output.ndim() == 0 || output.shape(0) != batch.rows) throw std::invalid_argument("another number of rows");
    OutputView view{static_cast<const char*>(output.data()), batch.rows, output.nbytes() / batch.rows, {}};
    for (std::size_t i = 1; i < output.ndim(); ++i) view.trailing.push_back(static_cast<std::int64_t>(output.shape(i)));
    views.push_back(std::move(view));
  }
  return views;
}

/// kind, call, path, message, encoding, metadata, seconds left, peer
nb::object to_tuple(const Event& event) {
  nb::list metadata;
  for (const auto& [name, value] : event.metadata)
    metadata.append(nb::make_tuple(nb::bytes(name.data(), name.size()), nb::bytes(value.data(), value.size())));
  return nb::make_tuple(static_cast<int>(event.kind), event.call, nb::bytes(event.path.data(), event.path.size()),
                        nb::bytes(event.message.data(), event.message.size()), event.encoding, metadata,
                        event.time_left_s, event.peer);
}

nb::dict to_dict(const LaneStatistics& statistics) {
  const auto histogram = [](const Histogram& of) {
    return nb::make_tuple(of.counts(), static_cast<double>(of.total()) / 1e9);
  };
  nb::dict dict;
  dict["requests"] = std::vector<std::uint64_t>(statistics.requests.begin(), statistics.requests.end());
  dict["dropped"] = std::vector<std::uint64_t>(statistics.dropped.begin(), statistics.dropped.end());
  dict["rows"] = statistics.rows;
  dict["batches"] = statistics.batches;
  dict["latency"] = histogram(statistics.latency);
  dict["failed_latency"] = histogram(statistics.failed_latency);
  dict["queue"] = histogram(statistics.queue);
  return dict;
}

double seconds(Nanos time) { return static_cast<double>(time) / 1e9; }

Nanos nanos(double seconds) { return seconds < 0 || seconds > 9e9 ? kNever : static_cast<Nanos>(seconds * 1e9); }

}  // namespace
}  // namespace headrace

NB_MODULE(_front, m) {
  nb::set_leak_warnings(false);  // threads that the interpreter does not wait for may hold objects when it ends
  using namespace headrace;
  m.attr("NGHTTP2_VERSION") = nghttp2_version(0)->version_str;
  m.attr("TLS") = TlsContext::available();

  nb::exception<std::system_error>(m, "DoorError", PyExc_OSError);

  nb::class_<TensorSpec>(m, "TensorSpec")
      .def(nb::init<std::string, std::string, std::vector<std::int64_t>, std::size_t>(), "name"_a, "datatype"_a,
           "trailing"_a, "row_bytes"_a);
  nb::class_<LaneSpec>(m, "LaneSpec")
      .def(nb::init<>())
      .def_rw("key", &LaneSpec::key)
      .def_rw("model", &LaneSpec::model)
      .def_rw("version", &LaneSpec::version)
      .def_rw("inputs", &LaneSpec::inputs)
      .def_rw("outputs", &LaneSpec::outputs)
      .def_rw("max_request_rows", &LaneSpec::max_request_rows)
      .def_rw("slab_rows", &LaneSpec::slab_rows)
      .def_rw("levels", &LaneSpec::levels)
      .def_rw("default_level", &LaneSpec::default_level)
      .def_rw("members", &LaneSpec::members)
      .def_rw("full_text", &LaneSpec::full_text)
      .def_rw("late_text", &LaneSpec::late_text)
      .def_prop_rw(
          "bounds_s", [](const LaneSpec&) { return nb::none(); },
          [](LaneSpec& spec, const std::vector<double>& bounds) {
            spec.bounds.clear();
            for (const double bound : bounds) spec.bounds.push_back(nanos(bound));
          });
  nb::class_<BatchParameters>(m, "BatchParameters")
      .def("__init__",
           [](BatchParameters* made, std::size_t max_batch_rows, std::size_t max_queue_rows, std::size_t admit_rows,
              double window_s, std::size_t parallel, double unread_s) {
             new (made) BatchParameters{max_batch_rows,   max_queue_rows, admit_rows,
                                        nanos(window_s), parallel,       nanos(unread_s)};
           }, "max_batch_rows"_a, "max_queue_rows"_a, "admit_rows"_a, "window_s"_a, "parallel"_a, "unread_s"_a);
  nb::class_<Lane>(m, "Lane").def(nb::init<LaneSpec>());
  nb::class_<Route>(m, "Route")
      .def(nb::init<>())
      .def_rw("champion", &Route::champion, nb::arg().none())
      .def_rw("candidate", &Route::candidate, nb::arg().none())
      .def_rw("share", &Route::share)
      .def_rw("salt", &Route::salt)
      .def("add", [](Route& route, const std::string& version, std::shared_ptr<Lane> lane) {
        route.versions.insert_or_assign(version, std::move(lane));
      });
  nb::class_<BatchHandle>(m, "Batch")
      .def_prop_ro("key", [](const BatchHandle& handle) { return handle.batch->lane->spec.key; })
      .def_prop_ro("rows", [](const BatchHandle& handle) { return handle.batch->rows; })
      .def_prop_ro("requests", [](const BatchHandle& handle) { return handle.batch->members.size(); })
      .def_prop_ro("taken_s", [](const BatchHandle& handle) { return seconds(handle.batch->taken); })
      .def_prop_ro("oldest_s", [](const BatchHandle& handle) { return seconds(handle.batch->oldest); })
      .def_prop_ro("arrived_rows", [](const BatchHandle& handle) { return handle.batch->arrived_rows; })
      .def("inputs", &inputs_of);
  nb::class_<Limits>(m, "Limits")
      .def(nb::init<>())
      .def_rw("max_message_bytes", &Limits::max_message_bytes)
      .def_rw("max_header_bytes", &Limits::max_header_bytes)
      .def_rw("max_connections", &Limits::max_connections)
      .def_rw("max_streams", &Limits::max_streams)
      .def("set_times",
           [](Limits& limits, double age_s, double idle_s, double keepalive_s, double handshake_s) {
             limits.max_connection_age = nanos(age_s);
             limits.max_connection_idle = nanos(idle_s);
             limits.keepalive = nanos(keepalive_s);
             limits.handshake = nanos(handshake_s);
           });
  nb::class_<FrontOptions>(m, "FrontOptions")
      .def(nb::init<>())
      .def_rw("limits", &FrontOptions::limits)
      .def_rw("infer_path", &FrontOptions::infer_path)
      .def_rw("unary_paths", &FrontOptions::unary_paths)
      .def_rw("conversation_paths", &FrontOptions::conversation_paths)
      .def_rw("id_prefix", &FrontOptions::id_prefix)
      .def_rw("note_share", &FrontOptions::note_share)
      .def_rw("authorize", &FrontOptions::authorize)
      .def("set_tls", [](FrontOptions& options, const std::string& certificate, const std::string& key,
                         const std::string& client_ca) { options.tls = {certificate, key, client_ca}; });

  const auto free = nb::call_guard<nb::gil_scoped_release>();
  nb::class_<Front>(m, "Front")
      .def(nb::init<FrontOptions>())
      .def("listen", &Front::listen, "host"_a, "port"_a, "reuse_port"_a, free)
      .def("publish",
           [](Front& front, const std::vector<std::pair<std::string, Route>>& given) {
             Routes routes;
             for (const auto& [model, route] : given) routes.insert_or_assign(model, route);
             const nb::gil_scoped_release released;
             front.publish(std::move(routes));
           })
      .def("set_parameters",
           [](Front& front, Lane& lane, const BatchParameters& parameters) {
             const nb::gil_scoped_release released;
             front.set_parameters(lane, parameters);
           })
      .def("trust", &Front::trust, free)
      .def("distrust", &Front::distrust, free)
      .def("take",
           [](Front& front) -> nb::object {
             std::unique_ptr<Batch> batch;
             {
               const nb::gil_scoped_release released;
               batch = front.take();
             }
             return batch ? nb::cast(BatchHandle{std::move(batch)}) : nb::none();
           })
      .def("complete",
           [](Front& front, BatchHandle& handle, const std::vector<Output>& outputs) {
             if (!handle.batch) throw std::runtime_error("the batch was answered already");
             const auto views = views_of(*handle.batch, outputs);
             auto batch = handle.give_up();
             std::vector<Member> answered;
             {
               const nb::gil_scoped_release released;
               answered = front.complete(std::move(batch), views);
             }
             nb::list members;
             for (const Member& member : answered)
               members.append(nb::make_tuple(member.id, member.ids, member.first, member.rows));
             return members;
           })
      .def("halve",
           [](Front& front, BatchHandle& handle) {
             auto batch = handle.give_up();
             if (batch->members.size() < 2) {
               handle.batch = std::move(batch);
               throw std::invalid_argument("a batch of one request cannot be divided");
             }
             auto [first, second] = unlocked([&] { return front.halve(std::move(batch)); });
             return nb::make_tuple(BatchHandle{std::move(first)}, BatchHandle{std::move(second)});
           })
      .def("fail",
           [](Front& front, BatchHandle& handle, int status, const std::string& text) {
             auto batch = handle.give_up();
             const nb::gil_scoped_release released;
             front.fail(std::move(batch), static_cast<Status>(status), text);
           })
      .def("next_event",
           [](Front& front) -> nb::object {
             std::optional<Event> event;
             {
               const nb::gil_scoped_release released;
               event = front.next_event();
             }
             return event ? to_tuple(*event) : nb::none();
           })
      .def("next_withdrawn", &Front::next_withdrawn, free)
      .def("reply",
           [](Front& front, std::uint64_t call, const nb::bytes& message) {
             const std::string_view bytes(message.c_str(), message.size());
             const nb::gil_scoped_release released;
             front.reply(call, bytes);
           })
      .def("finish",
           [](Front& front, std::uint64_t call, int status, const std::string& text, bool pushback) {
             const nb::gil_scoped_release released;
             front.finish(call, static_cast<Status>(status), text, pushback);
           })
      .def("handled", &Front::handled, free)
      .def("drain", &Front::drain, free)
      .def("close", &Front::close, free)
      .def("load", &Front::load, free)
      .def("statistics",
           [](Front& front, Lane& lane) {
             return to_dict(unlocked([&] { return front.statistics(lane); }));
           })
      .def("take_notes",
           [](Front& front) {
             nb::list list;
             for (const Note& note : unlocked([&] { return front.take_notes(); })) {
               list.append(nb::make_tuple(note.key, static_cast<int>(note.status), note.text, note.rows,
                                          seconds(note.queued), seconds(note.total), note.id, note.peer,
                                          nb::bytes(note.credential.data(), note.credential.size()), note.kept_back));
             }
             return list;
           })
      .def("counts", [](Front& front) {
        const FrontCounts counts = unlocked([&] { return front.counts(); });
        nb::dict dict;
        dict["connections"] = counts.connections;
        dict["accepted"] = counts.accepted;
        dict["refused_connections"] = counts.refused_connections;
        dict["native_requests"] = counts.native_requests;
        dict["python_calls"] = counts.python_calls;
        dict["lost_notes"] = counts.lost_notes;
        return dict;
      });
}
