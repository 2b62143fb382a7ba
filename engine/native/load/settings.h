// What a run is told: where to, what to send, how fast, for how long. Filled from Python, constant while a run lasts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace headrace::load {

// A stretch of the schedule: the rate goes from `from_rate` to `to_rate` (requests a second) in a straight line.
struct Stage {
  double seconds;
  double from_rate;
  double to_rate;
};

struct Settings {
  // Where to. `authority` is what the :authority field says; `path` is the method's.
  std::string host;
  std::string port;
  std::string authority;
  std::string path;
  std::vector<std::pair<std::string, std::string>> metadata;
  double timeout_ms = 0;  // sent as grpc-timeout; 0: no deadline

  // TLS, where this was built with it: files are PEM; an empty CA file means the system's authorities.
  bool tls = false;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string server_name;

  // What to send, in turn: whole gRPC messages with their five-byte prefix.
  std::vector<std::string> bodies;

  // What must come back: the raw output of each body, or nothing. `value_bytes` 4 and 8 are floats compared within
  // `tolerance`; 1 is compared byte by byte.
  std::vector<std::string> expected;
  std::size_t value_bytes = 4;
  double tolerance = 0;

  // How. Without stages it is a closed loop: every stream of every connection always has a request in flight.
  std::size_t connections = 1;
  std::size_t streams = 1;
  std::size_t threads = 1;
  std::vector<Stage> stages;
  bool poisson = false;
  std::uint64_t seed = 0;

  // How long. Requests that are due (closed loop: sent) within the warm-up are not measured.
  double warmup_s = 0;
  double duration_s = 0;
  std::uint64_t max_requests = 0;  // measured and unmeasured; 0: only the duration ends the run
  double drain_s = 5;
  double connect_s = 5;
  double interval_s = 0.1;
  std::size_t max_samples = 0;  // single measured requests that are kept, for whoever wants to look at them
};

}  // namespace headrace::load
