// One client's HTTP/2 connection: nghttp2 between a socket and the calls that are made over it.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "client_limits.h"
#include "list.h"
#include "pool.h"
#include "socket.h"
#include "stream.h"

namespace headrace {

/// What a connection tells about its calls, from within `read`.
class CallHandler {
 public:
  virtual ~CallHandler() = default;
  /// The header fields of a call are there.
  virtual void began(Stream& stream) = 0;
  /// A message is there: the only one of a unary call, which the client has ended, or one of a conversation.
  virtual void received(Stream& stream, std::string_view message, bool compressed) = 0;
  /// The client sends nothing more on a conversation.
  virtual void half_closed(Stream& stream) = 0;
  /// The stream is over and about to be gone.
  virtual void closed(Stream& stream) = 0;
  /// May so many bytes more be held for this stream?
  virtual bool reserve(std::size_t bytes) = 0;
  virtual void release(std::size_t bytes) = 0;
  /// Memory for sessions; it outlives them.
  virtual Pool& pool() = 0;
  /// Streams for connections; it outlives them.
  virtual StreamStore& streams() = 0;
};

/// Not locked: the front is. Invariant: every stream of the session is in `streams_` once and owned by it.
class Connection {
 public:
  Connection(std::unique_ptr<Socket> socket, std::string peer, std::uint64_t serial, const Limits& limits,
             CallHandler& handler, Nanos now);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Read what is there and act on it; false where the connection is over.
  bool read(Nanos now);
  /// Write what is to be said, as far as the socket takes it; false where the connection is over.
  bool flush(Nanos now);
  /// Look at the clock: keepalive, age, idleness, stalls; false where the connection is over.
  bool tick(Nanos now);
  /// Tell the client to go elsewhere with new calls (GOAWAY); calls in flight go on.
  void go_away();

  /// Answer a unary call: `stream.out` holds the framed message, or the status and its text are set.
  void answer(Stream& stream);
  /// Send what was added to `stream.out` or its end to a conversation.
  void resume(Stream& stream);
  /// Answer with a status before the request is complete, and read no more of it.
  void refuse(Stream& stream, Status status, std::string_view message);
  /// Answer what is no gRPC call at all.
  void refuse_http(Stream& stream, const char* status);
  /// A conversation's message, of so many bytes with its frame's head, was worked on: the client may send as many more.
  void consume(Stream& stream, std::size_t bytes);

  [[nodiscard]] Nanos arrived() const { return arrived_; }
  [[nodiscard]] bool wants_write() const { return out_at_ < out_.size() || socket_->wants_write(); }
  [[nodiscard]] bool wants_read_again() const { return socket_->pending(); }
  [[nodiscard]] int fd() const { return socket_->fd(); }
  [[nodiscard]] std::size_t open_streams() const { return open_; }
  [[nodiscard]] const List<Stream>& streams() const { return streams_; }

  const std::string peer;
  const std::uint64_t serial;
  bool touched = false;         // in the list of those to flush
  bool watching_write = false;  // epoll tells when the socket takes bytes

 private:
  static nghttp2_session* open_session(Connection* self);
  static int on_begin_headers(nghttp2_session*, const nghttp2_frame*, void*);
  static int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t, const std::uint8_t*,
                       std::size_t, std::uint8_t, void*);
  static int on_frame(nghttp2_session*, const nghttp2_frame*, void*);
  static int on_sent(nghttp2_session*, const nghttp2_frame*, void*);
  static int on_invalid_frame(nghttp2_session*, const nghttp2_frame*, int, void*);
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t*, std::size_t, void*);
  static int on_close(nghttp2_session*, std::int32_t, std::uint32_t, void*);
  static ssize_t read_answer(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t, std::uint32_t*,
                             nghttp2_data_source*, void*);

  void take_header(Stream& stream, std::string_view name, std::string_view value);
  void take_data(Stream& stream, std::string_view chunk, bool last);
  void take_end(Stream& stream);
  bool hold(Stream& stream, std::string_view chunk);
  bool hold_answer(Stream& stream);
  void release_answer(Stream& stream);
  void forget(Stream* stream);
  void take_messages(Stream& stream);
  bool refuse_oversized(Stream& stream);
  void submit_trailers(Stream& stream);
  void flooded();
  bool fill();

  std::unique_ptr<Socket> socket_;
  const Limits& limits_;
  CallHandler& handler_;
  nghttp2_session* session_;
  List<Stream> streams_;
  std::size_t open_ = 0;
  std::string out_;
  std::size_t out_at_ = 0;
  std::size_t unread_ = 0;  // bytes of answers that wait in the streams
  TokenBucket guard_ = flood_guard();
  Nanos now_;
  Nanos arrived_;  // when the bytes came that are acted on now
  const Nanos opened_;
  Nanos last_read_;
  Nanos last_write_;
  Nanos last_call_;
  Nanos pinged_ = 0;
  bool spoke_ = false;
  int going_ = 0;  // 0: stays; 1: notice sent; 2: last stream named
  bool over_ = false;
};

}  // namespace headrace
