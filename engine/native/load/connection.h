// One HTTP/2 connection to the server and the calls that are open on it.
//
// Invariants: a stream is either free, or open with nghttp2 and counted by `in_flight`; every open stream is reported to
// the listener exactly once, also when the connection is lost. No callback of nghttp2 throws.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "recorder.h"
#include "settings.h"
#include "socket.h"

namespace headrace::load {

struct Stream {
  std::size_t body = 0;
  std::size_t offset = 0;  // of the body, sent so far
  bool again = false;      // was refused before, unseen by the server
  Times times{};
  int http_status = 0;
  int grpc_status = -1;
  std::string grpc_message;
  std::string answer;  // kept only where answers are checked
};

// The fields of every request of a run; nghttp2 reads them where they are.
class RequestHead {
 public:
  explicit RequestHead(const Settings& settings);
  std::span<const nghttp2_nv> fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> texts_;
  std::vector<nghttp2_nv> fields_;
};

class Connection {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void on_answer(const Stream& stream, std::uint8_t status, std::string_view message) = 0;
    // The server never looked at it. gRPC's clients send such a request once more, unseen by their callers.
    virtual void on_refused(const Stream& stream) = 0;
  };

  Connection(const Settings& settings, const RequestHead& head, std::unique_ptr<Socket> socket, Listener& listener);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return socket_->fd(); }
  bool ready() const { return settled_ && !going_ && !lost_; }  // takes requests
  bool going() const { return going_; }                         // told to go: finishes what is open
  bool lost() const { return lost_; }
  const std::string& failure() const { return failure_; }
  std::size_t in_flight() const { return in_flight_; }
  bool has_room() const { return ready() && in_flight_ < limit_; }

  void submit(std::size_t body, const Times& times, bool again);
  void read();   // everything that is there
  void flush();  // everything that may be written
  bool wants_flush() const { return dirty_ && !lost_; }

 private:
  friend struct Callbacks;

  void close_stream(Stream& stream, std::uint32_t http2_error);
  void lose(const std::string& why);
  void apply_remote_settings();
  bool fill_output();

  const Settings& settings_;
  const RequestHead& head_;
  Listener& listener_;
  std::unique_ptr<Socket> socket_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<Stream*> free_;
  std::vector<std::uint8_t> output_;
  std::size_t output_at_ = 0;
  std::size_t in_flight_ = 0;
  std::size_t limit_;
  bool keep_answers_;
  bool settled_ = false;
  bool going_ = false;
  bool lost_ = false;
  bool dirty_ = true;
  std::string failure_;
};

}  // namespace headrace::load
