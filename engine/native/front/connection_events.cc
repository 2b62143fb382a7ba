// What nghttp2 tells a connection while bytes are read: header fields, data, ends of streams.
#include <algorithm>
#include <utility>

#include "connection.h"

namespace headrace {
namespace {

Stream* stream_of(nghttp2_session* session, std::int32_t id) {
  return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
}

std::string_view text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

bool is_grpc(std::string_view content_type) {
  static constexpr std::string_view kGrpc = "application/grpc";
  return content_type.starts_with(kGrpc) &&
         (content_type.size() == kGrpc.size() || content_type[kGrpc.size()] == '+' || content_type[kGrpc.size()] == ';');
}

bool is_request(const nghttp2_frame* frame) {
  return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

}  // namespace

int Connection::on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* data) {
  if (!is_request(frame)) return 0;
  auto& self = *static_cast<Connection*>(data);
  auto* stream = self.handler_.streams().take(&self, frame->hd.stream_id);
  stream->began = self.arrived_;
  self.streams_.push_back(stream);
  ++self.open_;
  self.spoke_ = true;
  nghttp2_session_set_stream_user_data(session, stream->id, stream);
  return 0;
}

int Connection::on_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                          std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                          void* data) {
  if (!is_request(frame)) return 0;  // trailers of a request mean nothing in gRPC
  if (auto* stream = stream_of(session, frame->hd.stream_id))
    static_cast<Connection*>(data)->take_header(*stream, text(name, name_size), text(value, value_size));
  return 0;
}

void Connection::take_header(Stream& stream, std::string_view name, std::string_view value) {
  stream.header_bytes += name.size() + value.size() + 32;  // as HTTP/2 counts them, RFC 9113 section 6.5.2
  if (stream.header_bytes > limits_.max_header_bytes) return;
  if (name == ":path") {
    stream.path = value;
  } else if (name == ":method") {
    stream.post = value == "POST";
  } else if (name == "content-type") {
    stream.grpc = is_grpc(value);
  } else if (name == "grpc-timeout") {
    const auto timeout = parse_timeout(value);
    stream.bad_timeout = !timeout;
    if (timeout && *timeout < kNever - arrived_) stream.deadline = arrived_ + *timeout;
  } else if (name == "grpc-encoding") {
    stream.encoding = value;
  } else if (name.front() != ':' && name != "te" && name != "grpc-accept-encoding" && name != "content-length") {
    if (name == "authorization" || name == "x-api-key") stream.credential.assign(name).append(":").append(value);
    stream.metadata.add(name, value);
  }
}

int Connection::on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* data) {
  auto& self = *static_cast<Connection*>(data);
  const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA: {
      if (frame->hd.type == NGHTTP2_DATA && frame->hd.length == 0 && !ends && !self.guard_.take(self.now_))
        self.flooded();
      auto* stream = stream_of(session, frame->hd.stream_id);
      if (stream == nullptr) return 0;
      if (is_request(frame)) self.handler_.began(*stream);
      if (ends) self.take_end(*stream);
      return 0;
    }
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_PRIORITY:
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PING:
      self.spoke_ = true;
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0 && !self.guard_.take(self.now_)) self.flooded();
      return 0;
    default:
      return 0;
  }
}

/// A client that was answered before it had sent everything is told to stop, after the answer: RFC 9113 section 8.1.
int Connection::on_sent(nghttp2_session* session, const nghttp2_frame* frame, void*) {
  if (frame->hd.type != NGHTTP2_HEADERS || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  const auto* stream = stream_of(session, frame->hd.stream_id);
  if (stream != nullptr && !stream->half_closed)
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
  return 0;
}

int Connection::on_invalid_frame(nghttp2_session*, const nghttp2_frame*, int, void* data) {
  auto& self = *static_cast<Connection*>(data);
  if (!self.guard_.take(self.now_)) self.flooded();
  return 0;
}

int Connection::on_data(nghttp2_session* session, std::uint8_t flags, std::int32_t id, const std::uint8_t* bytes,
                        std::size_t size, void* data) {
  auto& self = *static_cast<Connection*>(data);
  auto* stream = stream_of(session, id);
  if (stream == nullptr) {
    nghttp2_session_consume_connection(session, size);
    return 0;
  }
  if (stream->conversation() && !stream->refused) {
    nghttp2_session_consume_connection(session, size);  // the stream's own window opens as its messages are handled
  } else {
    nghttp2_session_consume(session, id, size);
  }
  self.take_data(*stream, text(bytes, size), (flags & NGHTTP2_FLAG_END_STREAM) != 0);
  return 0;
}

int Connection::on_close(nghttp2_session* session, std::int32_t id, std::uint32_t, void* data) {
  auto& self = *static_cast<Connection*>(data);
  auto* stream = stream_of(session, id);
  if (stream == nullptr) return 0;
  nghttp2_session_set_stream_user_data(session, id, nullptr);
  self.handler_.closed(*stream);
  --self.open_;
  self.last_call_ = self.now_;
  self.forget(stream);
  return 0;
}

void Connection::take_data(Stream& stream, std::string_view chunk, bool last) {
  if (stream.refused || stream.half_closed) return;
  const bool whole = chunk.size() >= kFrameHeaderBytes && frame_length(chunk.data()) == chunk.size() - kFrameHeaderBytes;
  if (!stream.conversation() && last && whole && stream.body.empty() &&
      chunk.size() - kFrameHeaderBytes <= limits_.max_message_bytes) {
    stream.half_closed = true;  // handled here, from the bytes as they came
    handler_.received(stream, chunk.substr(kFrameHeaderBytes), chunk.front() != 0);
    return;
  }
  if (!hold(stream, chunk)) return;
  if (stream.conversation()) take_messages(stream);
}

/// Keep bytes of a message that is not complete; false where the stream was refused for its size.
bool Connection::hold(Stream& stream, std::string_view chunk) {
  if (!handler_.reserve(chunk.size())) {
    refuse(stream, Status::kResourceExhausted, "the server's memory for requests is full; try again in a moment");
    return false;
  }
  stream.body.append(chunk);
  return !refuse_oversized(stream);
}

bool Connection::refuse_oversized(Stream& stream) {
  if (stream.body.size() < kFrameHeaderBytes) return false;
  const std::size_t length = frame_length(stream.body.data());
  if (length <= limits_.max_message_bytes) return false;
  refuse(stream, Status::kResourceExhausted,
         "a message of " + std::to_string(length) + " bytes came; at most " + std::to_string(limits_.max_message_bytes) +
             " are allowed");
  return true;
}

void Connection::take_messages(Stream& stream) {
  std::size_t at = 0;
  while (!stream.refused && stream.body.size() - at >= kFrameHeaderBytes) {
    const std::size_t length = frame_length(stream.body.data() + at);
    if (length > limits_.max_message_bytes || stream.body.size() - at - kFrameHeaderBytes < length) break;
    const bool compressed = stream.body[at] != 0;
    stream.talk->opened_early.push_back(std::exchange(stream.talk->opened, 0));
    handler_.received(stream, std::string_view(stream.body).substr(at + kFrameHeaderBytes, length), compressed);
    at += kFrameHeaderBytes + length;
  }
  handler_.release(at);
  stream.body.erase(0, at);
  if (stream.refused || refuse_oversized(stream)) return;
  // A message may be larger than the window: what is here of one that is not complete makes room for the rest.
  nghttp2_session_consume_stream(session_, stream.id, stream.body.size() - stream.talk->opened);
  stream.talk->opened = stream.body.size();
}

void Connection::take_end(Stream& stream) {
  if (stream.half_closed || stream.refused) {
    stream.half_closed = true;
    return;
  }
  stream.half_closed = true;
  if (stream.conversation()) {
    if (!stream.body.empty()) return refuse(stream, Status::kInternal, "the stream ended within a message");
    handler_.half_closed(stream);
    return;
  }
  const std::size_t size = stream.body.size();
  if (size < kFrameHeaderBytes || frame_length(stream.body.data()) > size - kFrameHeaderBytes)
    return refuse(stream, Status::kInternal, "the request ended within its message");
  const std::string body = std::move(stream.body);
  stream.body.clear();
  handler_.release(size);
  handler_.received(stream, std::string_view(body).substr(kFrameHeaderBytes, frame_length(body.data())),
                    body.front() != 0);
}

}  // namespace headrace
