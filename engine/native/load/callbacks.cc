#include "callbacks.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include "connection.h"

namespace headrace::load {

namespace {

Stream* stream_of(nghttp2_session* session, std::int32_t stream_id) {
  return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, stream_id));
}

std::string_view text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

int number(std::string_view digits, int otherwise) {
  int value = otherwise;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc{} && end == digits.data() + digits.size() ? value : otherwise;
}

}  // namespace

// The only friend of Connection: nghttp2 calls plain functions.
struct Callbacks {
  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t /*flags*/,
                       void* /*connection*/) {
    const std::string_view field = text(name, name_size);
    if (field.size() < 7 || (field[0] != 'g' && field[0] != ':')) return 0;
    Stream* stream = stream_of(session, frame->hd.stream_id);
    if (stream == nullptr) return 0;
    if (field == ":status") {
      stream->http_status = number(text(value, value_size), 0);
    } else if (field == "grpc-status") {
      stream->grpc_status = number(text(value, value_size), kUnknown);
    } else if (field == "grpc-message") {
      stream->grpc_message = text(value, value_size);
    }
    return 0;
  }

  static int on_data(nghttp2_session* session, std::uint8_t /*flags*/, std::int32_t stream_id, const std::uint8_t* data,
                     std::size_t size, void* connection) {
    if (!static_cast<Connection*>(connection)->keep_answers_) return 0;
    if (Stream* stream = stream_of(session, stream_id)) stream->answer.append(text(data, size));
    return 0;
  }

  static int on_frame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* connection) {
    auto& self = *static_cast<Connection*>(connection);
    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) self.apply_remote_settings();
    if (frame->hd.type == NGHTTP2_GOAWAY) self.going_ = true;
    return 0;
  }

  static int on_close(nghttp2_session* session, std::int32_t stream_id, std::uint32_t error, void* connection) {
    if (Stream* stream = stream_of(session, stream_id)) static_cast<Connection*>(connection)->close_stream(*stream, error);
    return 0;
  }

  static int on_unsent(nghttp2_session* session, const nghttp2_frame* frame, int /*error*/, void* connection) {
    // A request that nghttp2 could not send any more, because the server told it to go in the meantime.
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    auto& self = *static_cast<Connection*>(connection);
    if (Stream* stream = stream_of(session, frame->hd.stream_id)) {
      nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, nullptr);
      self.close_stream(*stream, NGHTTP2_REFUSED_STREAM);
    }
    return 0;
  }

  static std::size_t copy_body(Connection& self, Stream& stream, std::uint8_t* into, std::size_t size, bool& last) {
    const std::string& body = self.settings_.bodies[stream.body];
    const std::size_t count = std::min(size, body.size() - stream.offset);
    std::memcpy(into, body.data() + stream.offset, count);
    stream.offset += count;
    last = stream.offset == body.size();
    return count;
  }
};

nghttp2_session* open_session(Connection& connection) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::on_close);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, Callbacks::on_unsent);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_http_messaging(option, 1);  // the server is under test: its answers are judged by grpc-status
  nghttp2_session* session = nullptr;
  nghttp2_session_client_new2(&session, callbacks, &connection, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  return session;
}

ssize_t read_body(nghttp2_session* /*session*/, std::int32_t /*stream_id*/, std::uint8_t* into, std::size_t size,
                  std::uint32_t* flags, nghttp2_data_source* source, void* connection) {
  bool last = false;
  auto& stream = *static_cast<Stream*>(source->ptr);
  const std::size_t count = Callbacks::copy_body(*static_cast<Connection*>(connection), stream, into, size, last);
  if (last) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(count);
}

}  // namespace headrace::load
