// The Python face of the generator: settings in, plain numbers out. Percentiles are computed in Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <memory>
#include <tuple>

#include "generator.h"

namespace nb = nanobind;
using namespace headrace::load;

namespace {

std::vector<std::string> copy_all(const std::vector<nb::bytes>& parts) {
  std::vector<std::string> copies;
  copies.reserve(parts.size());
  for (const nb::bytes& part : parts) copies.emplace_back(part.c_str(), part.size());
  return copies;
}

void add(std::map<std::uint32_t, std::uint64_t>& into, const Histogram::Sparse& from) {
  for (const auto& [bucket, count] : from) into[bucket] += count;
}

Histogram::Sparse flat(const std::map<std::uint32_t, std::uint64_t>& counts) { return {counts.begin(), counts.end()}; }

struct Outcomes {
  std::uint64_t answers = 0;
  std::uint64_t in_window = 0;
  std::int64_t max_response = 0;
  std::int64_t max_service = 0;
  std::map<std::uint32_t, std::uint64_t> response;
  std::map<std::uint32_t, std::uint64_t> service;
};

nb::dict outcomes_of(const Generator& generator) {
  nb::dict found;
  for (std::size_t status = 0; status < kStatuses; ++status) {
    Outcomes sum;
    for (const auto& loop : generator.loops()) {
      const Outcome* outcome = loop->recorder().outcome(status);
      if (outcome == nullptr) continue;
      sum.answers += outcome->answers;
      sum.in_window += outcome->in_window;
      sum.max_response = std::max(sum.max_response, outcome->response.max());
      sum.max_service = std::max(sum.max_service, outcome->service.max());
      add(sum.response, outcome->response.sparse());
      add(sum.service, outcome->service.sparse());
    }
    if (sum.answers == 0 && sum.in_window == 0) continue;
    found[nb::int_(status)] = nb::make_tuple(sum.answers, sum.in_window, flat(sum.response), sum.max_response,
                                             flat(sum.service), sum.max_service);
  }
  return found;
}

nb::list messages_of(const Generator& generator) {
  Messages sum;
  for (const auto& loop : generator.loops()) {
    for (const auto& [key, message] : loop->recorder().messages()) {
      sum.try_emplace(key, Message{message.text, 0}).first->second.count += message.count;
    }
  }
  nb::list found;
  for (const auto& [key, message] : sum) {
    // A server may send what is no UTF-8.
    found.append(nb::make_tuple(int{key.first}, nb::bytes(message.text.data(), message.text.size()), message.count));
  }
  return found;
}

nb::dict result_of(const Generator& generator) {
  nb::dict found;
  std::map<std::uint32_t, std::uint64_t> lag;
  std::int64_t max_lag = 0;
  std::int64_t last = 0;
  std::int64_t first_mismatch = -1;
  std::uint64_t unanswered = 0, unsent = 0, checked = 0, mismatches = 0, reconnects = 0;
  double worst = 0;
  std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t>> usage;
  nb::list samples;
  for (const auto& loop : generator.loops()) {
    const Recorder& recorder = loop->recorder();
    add(lag, recorder.lag().sparse());
    max_lag = std::max(max_lag, recorder.lag().max());
    last = std::max(last, recorder.last_answer() - recorder.measure_start());
    unanswered += recorder.unanswered();
    unsent += recorder.unsent();
    checked += loop->check().checked();
    mismatches += loop->check().mismatches();
    worst = std::max(worst, loop->check().worst());
    if (first_mismatch < 0) first_mismatch = loop->check().first_mismatch();
    reconnects += loop->reconnects();
    usage.emplace_back(loop->usage().wall, loop->usage().cpu, loop->usage().delayed);
    for (const Sample& sample : recorder.samples()) {
      samples.append(nb::make_tuple(sample.due, sample.response, sample.service, sample.status));
    }
  }
  found["outcomes"] = outcomes_of(generator);
  found["messages"] = messages_of(generator);
  found["lag"] = nb::make_tuple(flat(lag), max_lag);
  found["last_answer_ns"] = last;
  found["unanswered"] = unanswered;
  found["unsent"] = unsent;
  found["checked"] = checked;
  found["mismatches"] = mismatches;
  found["worst_difference"] = worst;
  found["first_mismatch"] = first_mismatch;
  found["reconnects"] = reconnects;
  found["usage"] = nb::cast(usage);
  found["samples"] = samples;
  return found;
}

// Intervals that every thread has closed, added up: (answers by status, sent, in flight, max, latencies).
nb::list intervals_of(const Generator& generator, std::size_t since) {
  std::vector<std::vector<Interval>> parts;
  std::size_t count = SIZE_MAX;
  for (const auto& loop : generator.loops()) {
    parts.push_back(loop->recorder().intervals(since));
    count = std::min(count, parts.back().size());
  }
  nb::list found;
  for (std::size_t at = 0; at < count && !parts.empty(); ++at) {
    std::vector<std::uint64_t> answers(kStatuses);
    std::uint64_t sent = 0, in_flight = 0;
    std::int64_t max = 0;
    std::map<std::uint32_t, std::uint64_t> latencies;
    for (const auto& part : parts) {
      const Interval& interval = part[at];
      for (std::size_t status = 0; status < kStatuses; ++status) answers[status] += interval.answers[status];
      sent += interval.sent;
      in_flight += interval.in_flight;
      max = std::max(max, interval.max_ns);
      add(latencies, interval.latencies);
    }
    found.append(nb::make_tuple(answers, sent, in_flight, max, flat(latencies)));
  }
  return found;
}

}  // namespace

NB_MODULE(_load, module) {
  module.attr("NGHTTP2_VERSION") = nghttp2_version(0)->version_str;
#ifdef HEADRACE_TLS
  module.attr("TLS") = true;
#else
  module.attr("TLS") = false;
#endif
  module.def("bucket", [](std::uint64_t nanoseconds) { return Histogram::index(nanoseconds); });
  module.def("arrivals", [](const std::vector<std::tuple<double, double, double>>& stages, bool poisson,
                            std::uint64_t seed, std::size_t count) {
    std::vector<Stage> made;
    for (const auto& [seconds, from, to] : stages) made.push_back({seconds, from, to});
    Schedule schedule(made, poisson, seed);
    std::vector<std::int64_t> due;
    for (std::int64_t at = schedule.next(); at != Schedule::kNever && due.size() < count; at = schedule.next()) {
      due.push_back(at);
    }
    return due;
  });
  nb::class_<Settings>(module, "Settings")
      .def(nb::init<>())
      .def_rw("host", &Settings::host)
      .def_rw("port", &Settings::port)
      .def_rw("authority", &Settings::authority)
      .def_rw("path", &Settings::path)
      .def_rw("metadata", &Settings::metadata)
      .def_rw("timeout_ms", &Settings::timeout_ms)
      .def_rw("tls", &Settings::tls)
      .def_rw("ca_file", &Settings::ca_file)
      .def_rw("certificate_file", &Settings::certificate_file)
      .def_rw("key_file", &Settings::key_file)
      .def_rw("server_name", &Settings::server_name)
      .def_rw("value_bytes", &Settings::value_bytes)
      .def_rw("tolerance", &Settings::tolerance)
      .def_rw("connections", &Settings::connections)
      .def_rw("streams", &Settings::streams)
      .def_rw("threads", &Settings::threads)
      .def_rw("poisson", &Settings::poisson)
      .def_rw("seed", &Settings::seed)
      .def_rw("warmup_s", &Settings::warmup_s)
      .def_rw("duration_s", &Settings::duration_s)
      .def_rw("max_requests", &Settings::max_requests)
      .def_rw("drain_s", &Settings::drain_s)
      .def_rw("connect_s", &Settings::connect_s)
      .def_rw("interval_s", &Settings::interval_s)
      .def_rw("max_samples", &Settings::max_samples)
      .def("set_bodies", [](Settings& self, const std::vector<nb::bytes>& bodies) { self.bodies = copy_all(bodies); })
      .def("set_expected", [](Settings& self, const std::vector<nb::bytes>& raw) { self.expected = copy_all(raw); })
      .def("set_stages", [](Settings& self, const std::vector<std::tuple<double, double, double>>& stages) {
        self.stages.clear();
        for (const auto& [seconds, from, to] : stages) self.stages.push_back({seconds, from, to});
      });
  nb::class_<Generator>(module, "Generator")
      .def("__init__", [](Generator* self, const Settings& settings) { new (self) Generator(settings); })
      .def("start", &Generator::start, nb::call_guard<nb::gil_scoped_release>())
      .def("wait", &Generator::wait, nb::call_guard<nb::gil_scoped_release>())
      .def("stop", &Generator::stop)
      .def("intervals", &intervals_of)
      .def("result", &result_of);
}
