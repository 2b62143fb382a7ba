#include "connection.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "callbacks.h"
#include "clock.h"

namespace headrace::load {

namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kOutputBytes = 64 * 1024;  // that wait for the socket before nghttp2 is asked for more
constexpr std::int32_t kWindowBytes = 16 * 1024 * 1024;

// gRPC wants at most eight digits and a unit.
std::string timeout_text(double timeout_ms) {
  const auto microseconds = static_cast<long long>(std::llround(timeout_ms * 1000));
  if (microseconds < 100'000'000) return std::to_string(microseconds) + "u";
  return std::to_string(std::min(microseconds / 1000, 99'999'999LL)) + "m";
}

// Which gRPC status a reset stream is. Reference: gRPC over HTTP/2, "Errors".
std::uint8_t status_of_reset(std::uint32_t http2_error) {
  switch (http2_error) {
    case NGHTTP2_REFUSED_STREAM:
      return kUnavailable;
    case NGHTTP2_CANCEL:
      return 1;
    case NGHTTP2_ENHANCE_YOUR_CALM:
      return 8;
    case NGHTTP2_INADEQUATE_SECURITY:
      return 7;
    default:
      return 13;
  }
}

// Which gRPC status an HTTP status without one is. Reference: gRPC, "HTTP to gRPC status code mapping".
std::uint8_t status_of_http(int http_status) {
  switch (http_status) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return kUnavailable;
    default:
      return kUnknown;
  }
}

}  // namespace

RequestHead::RequestHead(const Settings& settings) {
  texts_ = {{":method", "POST"},
            {":scheme", settings.tls ? "https" : "http"},
            {":path", settings.path},
            {":authority", settings.authority},
            {"te", "trailers"},
            {"content-type", "application/grpc"},
            {"user-agent", "headrace-load"}};
  if (settings.timeout_ms > 0) texts_.emplace_back("grpc-timeout", timeout_text(settings.timeout_ms));
  texts_.insert(texts_.end(), settings.metadata.begin(), settings.metadata.end());
  constexpr std::uint8_t kFlags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
  for (auto& [name, value] : texts_) {
    fields_.push_back({reinterpret_cast<std::uint8_t*>(name.data()), reinterpret_cast<std::uint8_t*>(value.data()),
                       name.size(), value.size(), kFlags});
  }
}

Connection::Connection(const Settings& settings, const RequestHead& head, std::unique_ptr<Socket> socket,
                       Listener& listener)
    : settings_(settings),
      head_(head),
      listener_(listener),
      socket_(std::move(socket)),
      limit_(settings.streams),
      keep_answers_(!settings.expected.empty()) {
  session_ = open_session(*this);
  const std::array<nghttp2_settings_entry, 3> entries{{{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                                       {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0},
                                                       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindowBytes}}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kWindowBytes);
}

Connection::~Connection() { nghttp2_session_del(session_); }

void Connection::submit(std::size_t body, const Times& times, bool again) {
  if (free_.empty()) {
    streams_.push_back(std::make_unique<Stream>());
    free_.push_back(streams_.back().get());
  }
  Stream& stream = *free_.back();
  free_.pop_back();
  stream.body = body;
  stream.offset = 0;
  stream.again = again;
  stream.times = times;
  stream.http_status = 0;
  stream.grpc_status = -1;
  stream.grpc_message.clear();
  stream.answer.clear();
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = read_body;
  ++in_flight_;
  dirty_ = true;
  const auto fields = head_.fields();
  if (nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(), &provider, &stream) < 0) {
    going_ = true;  // out of stream numbers, or told to go: what is open may finish, new requests go elsewhere
    close_stream(stream, NGHTTP2_REFUSED_STREAM);
  }
}

void Connection::read() {
  std::array<std::uint8_t, kReadBytes> buffer;
  while (!lost_) {
    std::size_t count = 0;
    const Io outcome = socket_->read(buffer, count);
    if (outcome == Io::again) return;
    if (outcome == Io::closed) return lose(socket_->failure());
    dirty_ = true;
    const ssize_t taken = nghttp2_session_mem_recv(session_, buffer.data(), count);
    if (taken < 0) return lose(std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(taken)));
    if (!settings_.tls && count < buffer.size()) return;  // the socket is empty; the next arrival wakes us again
  }
}

bool Connection::fill_output() {
  while (output_.size() - output_at_ < kOutputBytes) {
    const std::uint8_t* data = nullptr;
    const ssize_t count = nghttp2_session_mem_send(session_, &data);
    if (count <= 0) return false;
    output_.insert(output_.end(), data, data + count);
  }
  return true;
}

void Connection::flush() {
  dirty_ = false;
  bool more = true;
  while (!lost_ && (more || output_at_ < output_.size())) {
    more = fill_output();
    while (output_at_ < output_.size()) {
      std::size_t count = 0;
      const Io outcome = socket_->write(std::span(output_).subspan(output_at_), count);
      if (outcome == Io::again) return;  // the socket says when it takes more
      if (outcome == Io::closed) return lose(socket_->failure());
      output_at_ += count;
    }
    output_.clear();
    output_at_ = 0;
  }
}

void Connection::close_stream(Stream& stream, std::uint32_t http2_error) {
  --in_flight_;
  free_.push_back(&stream);
  if (http2_error == NGHTTP2_REFUSED_STREAM && stream.grpc_status < 0 && !stream.again) return listener_.on_refused(stream);
  stream.times.answered = now_ns();
  std::string_view message = stream.grpc_message;
  std::uint8_t status = kUnknown;
  if (stream.grpc_status >= 0) {
    status = stream.grpc_status < static_cast<int>(kStatuses) ? static_cast<std::uint8_t>(stream.grpc_status) : kUnknown;
  } else if (http2_error != NGHTTP2_NO_ERROR) {
    status = status_of_reset(http2_error);
    message = nghttp2_http2_strerror(http2_error);
  } else {
    status = status_of_http(stream.http_status);
    message = "an answer without grpc-status";
  }
  listener_.on_answer(stream, status, message);
}

void Connection::lose(const std::string& why) {
  lost_ = true;
  failure_ = why;
  const std::string message = "connection lost: " + why;
  const std::int64_t now = now_ns();
  for (const auto& owned : streams_) {
    if (std::find(free_.begin(), free_.end(), owned.get()) != free_.end()) continue;
    --in_flight_;
    owned->times.answered = now;
    listener_.on_answer(*owned, kUnavailable, message);
  }
}

void Connection::apply_remote_settings() {
  settled_ = true;
  const std::uint32_t allowed = nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  limit_ = std::min<std::size_t>(settings_.streams, allowed);
}

}  // namespace headrace::load
