#include "connection.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace headrace {
namespace {

constexpr std::size_t kReadBytes = 128 << 10;
constexpr std::size_t kTurnBytes = 128 << 10;  // then others are read, however much one client has sent
constexpr std::size_t kFlushBytes = 128 << 10;
constexpr std::int32_t kStreamWindow = 1 << 20;
constexpr std::int32_t kConnectionWindow = 16 << 20;

template <std::size_t N>
nghttp2_nv constant(const char (&name)[N], std::string_view value, std::uint8_t flags = NGHTTP2_NV_FLAG_NO_COPY_VALUE) {
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name)),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), N - 1, value.size(),
          static_cast<std::uint8_t>(NGHTTP2_NV_FLAG_NO_COPY_NAME | flags)};
}

constexpr std::array<std::string_view, kStatusCount> kStatusTexts = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                                                     "9", "10", "11", "12", "13", "14", "15", "16"};
constexpr std::string_view kPushbackMs = "10";

}  // namespace

Connection::Connection(std::unique_ptr<Socket> socket, std::string from, std::uint64_t number, const Limits& limits,
                       CallHandler& handler, Nanos now)
    : peer(std::move(from)),
      serial(number),
      socket_(std::move(socket)),
      limits_(limits),
      handler_(handler),
      session_(open_session(this)),
      now_(now),
      arrived_(now),
      opened_(now),
      last_read_(now),
      last_write_(now),
      last_call_(now) {
  const std::array<nghttp2_settings_entry, 3> settings = {
      {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.max_streams},
       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(kStreamWindow)},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.max_header_bytes)}}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  out_.reserve(kFlushBytes);
}

Connection::~Connection() {
  while (auto* stream = streams_.first()) {
    handler_.closed(*stream);
    forget(stream);
  }
  nghttp2_session_del(session_);
}

nghttp2_session* Connection::open_session(Connection* self) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
#ifdef HEADRACE_NGHTTP2_RESET_LIMIT
  nghttp2_option_set_stream_reset_rate_limit(option, UINT64_MAX, UINT64_MAX);  // our flood_guard counts resets
#endif
  nghttp2_session* session = nullptr;
  nghttp2_session_server_new3(&session, callbacks, self, option, self->handler_.pool().interface());
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  return session;
}

bool Connection::read(Nanos now) {
  thread_local std::vector<char> buffer(kReadBytes);
  now_ = now;
  std::size_t taken = 0;
  while (!over_) {
    std::size_t got = 0;
    arrived_ = now;
    switch (socket_->read(buffer.data(), buffer.size(), got, arrived_)) {
      case Transfer::kAgain:
        return true;
      case Transfer::kClosed:
        return false;
      case Transfer::kDone:
        break;
    }
    last_read_ = now;
    pinged_ = 0;
    const ssize_t used =
        nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(buffer.data()), got);
    if (used < 0) {  // no HTTP/2, or a fatal violation of it: what nghttp2 has to say about it is sent, then the end
      flush(now);
      return false;
    }
    taken += got;
    if ((got < buffer.size() || taken >= kTurnBytes) && !socket_->pending()) return true;
  }
  return true;
}

/// Take frames from the session until there are enough for one write; false where there are none.
bool Connection::fill() {
  if (out_at_ == out_.size()) {
    out_.clear();
    out_at_ = 0;
  }
  while (out_.size() < kFlushBytes) {
    const std::uint8_t* frame = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &frame);
    if (size <= 0) break;
    out_.append(reinterpret_cast<const char*>(frame), static_cast<std::size_t>(size));
  }
  return out_at_ < out_.size();
}

bool Connection::flush(Nanos now) {
  now_ = now;
  while (fill()) {
    std::size_t sent = 0;
    switch (socket_->write(out_.data() + out_at_, out_.size() - out_at_, sent)) {
      case Transfer::kClosed:
        return false;
      case Transfer::kAgain:
        return true;
      case Transfer::kDone:
        out_at_ += sent;
        last_write_ = now;
    }
  }
  last_write_ = now;
  return nghttp2_session_want_read(session_) != 0 || nghttp2_session_want_write(session_) != 0;
}

bool Connection::tick(Nanos now) {
  now_ = now;
  if (!spoke_ && now - opened_ > limits_.handshake) return false;
  if (wants_write() && now - last_write_ > kStalled) return false;  // a client that does not read its answers
  if (pinged_ != 0 && now - pinged_ > std::min(limits_.keepalive, 20 * kSecond)) return false;
  if (pinged_ == 0 && now - last_read_ > limits_.keepalive) {
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
    pinged_ = now;
  }
  for (auto* stream = streams_.first(); stream != nullptr; stream = stream->link.after) {
    if (stream->owner == Owner::kNobody && !stream->finished && !stream->refused && !stream->conversation() &&
        now - stream->began > kStalled) {
      refuse(*stream, Status::kDeadlineExceeded, "the request was not complete after 30 seconds");
    } else if (stream->message_started && !stream->deferred && now - stream->moved > kStalled) {
      stream->moved = now;  // a window that never opens: nobody wants this answer
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
    }
  }
  const bool old = limits_.max_connection_age != kNever && now - opened_ > limits_.max_connection_age;
  const bool idle = limits_.max_connection_idle != kNever && open_ == 0 && now - last_call_ > limits_.max_connection_idle;
  if (old || idle || going_ == 1) go_away();
  return true;
}

/// First a notice that leaves room for calls on their way, then, a tick later, the number of the last one taken.
void Connection::go_away() {
  if (going_ == 0) {
    nghttp2_submit_shutdown_notice(session_);
  } else if (going_ == 1) {
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                          NGHTTP2_NO_ERROR, nullptr, 0);
  } else {
    return;
  }
  ++going_;
}

void Connection::flooded() {
  if (over_) return;
  over_ = true;
  nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
}

/// Count what waits for the client to read it; false where that is too much for one client, or for all of them.
bool Connection::hold_answer(Stream& stream) {
  const std::size_t more = stream.out.size() - stream.out_held;
  if (more == 0) return true;
  if (unread_ + more > limits_.max_message_bytes + kUnreadBytes || !handler_.reserve(more)) return false;
  stream.out_held += more;
  unread_ += more;
  return true;
}

void Connection::release_answer(Stream& stream) {
  handler_.release(stream.out_held);
  unread_ -= stream.out_held;
  stream.out_held = 0;
}

/// Let go of a stream that is over.
void Connection::forget(Stream* stream) {
  handler_.release(stream->body.size());
  release_answer(*stream);
  streams_.remove(stream);
  handler_.streams().give(stream);
}

void Connection::answer(Stream& stream) {
  stream.finished = true;
  if (stream.headers_sent) return resume(stream);
  if (!hold_answer(stream)) {
    stream.out.clear();
    stream.status = Status::kResourceExhausted;
    stream.message = "too many answers wait for the client to read them";
  }
  stream.headers_sent = true;
  if (stream.out.empty()) {  // an error says all in one HEADERS frame
    const std::array<nghttp2_nv, 5> fields = {
        constant(":status", "200"), constant("content-type", "application/grpc"),
        constant("grpc-status", kStatusTexts[static_cast<std::size_t>(stream.status)]),
        constant("grpc-message", stream.message, NGHTTP2_NV_FLAG_NONE), constant("grpc-retry-pushback-ms", kPushbackMs)};
    nghttp2_submit_response(session_, stream.id, fields.data(), stream.pushback ? 5 : 4, nullptr);
    return;
  }
  resume(stream);
}

void Connection::resume(Stream& stream) {
  if (!hold_answer(stream)) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_ENHANCE_YOUR_CALM);
    return;
  }
  if (stream.deferred) {
    stream.moved = now_;
    stream.deferred = false;
    nghttp2_session_resume_data(session_, stream.id);
    return;
  }
  if (stream.headers_sent && stream.message_started) return;
  stream.headers_sent = true;
  stream.message_started = true;
  stream.moved = now_;
  const std::array<nghttp2_nv, 2> fields = {constant(":status", "200"), constant("content-type", "application/grpc")};
  nghttp2_data_provider provider;
  provider.source.ptr = &stream;
  provider.read_callback = read_answer;
  nghttp2_submit_response(session_, stream.id, fields.data(), fields.size(), &provider);
}

ssize_t Connection::read_answer(nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t size,
                                std::uint32_t* flags, nghttp2_data_source* source, void* self) {
  auto& stream = *static_cast<Stream*>(source->ptr);
  const std::size_t count = std::min(size, stream.out.size() - stream.out_at);
  std::memcpy(to, stream.out.data() + stream.out_at, count);
  stream.out_at += count;
  auto& connection = *static_cast<Connection*>(self);
  stream.moved = connection.now_;
  if (stream.out_at == stream.out.size()) {
    stream.out.clear();
    stream.out_at = 0;
    connection.release_answer(stream);
    if (stream.finished) {
      *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      connection.submit_trailers(stream);
    } else if (count == 0) {
      stream.deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
  }
  return static_cast<ssize_t>(count);
}

void Connection::submit_trailers(Stream& stream) {
  const std::string_view status = kStatusTexts[static_cast<std::size_t>(stream.status)];
  const std::array<nghttp2_nv, 2> fields = {constant("grpc-status", status),
                                            constant("grpc-message", stream.message, NGHTTP2_NV_FLAG_NONE)};
  nghttp2_submit_trailer(session_, stream.id, fields.data(), stream.message.empty() ? 1 : 2);
}

void Connection::refuse(Stream& stream, Status status, std::string_view message) {
  if (stream.finished) return;
  stream.refused = true;
  stream.status = status;
  escape_message(message, stream.message);
  if (!stream.message_started) stream.out.clear();  // else what was begun is ended first
  answer(stream);
}

void Connection::refuse_http(Stream& stream, const char* status) {
  stream.refused = true;
  stream.finished = true;
  stream.headers_sent = true;
  const std::array<nghttp2_nv, 1> fields = {constant(":status", std::string_view(status))};
  nghttp2_submit_response(session_, stream.id, fields.data(), fields.size(), nullptr);
}

void Connection::consume(Stream& stream, std::size_t bytes) {
  std::size_t early = 0;
  if (!stream.talk->opened_early.empty()) {
    early = std::min(bytes, stream.talk->opened_early.front());
    stream.talk->opened_early.pop_front();
  }
  if (bytes > early) nghttp2_session_consume_stream(session_, stream.id, bytes - early);
}

}  // namespace headrace
