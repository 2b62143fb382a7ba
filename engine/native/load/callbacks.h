// What nghttp2 calls while it reads and writes one connection.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>

namespace headrace::load {

class Connection;

// A client session whose events go to `connection`, which owns it.
nghttp2_session* open_session(Connection& connection);

// Gives nghttp2 the body of a request, piece by piece.
ssize_t read_body(nghttp2_session* session, std::int32_t stream_id, std::uint8_t* into, std::size_t size,
                  std::uint32_t* flags, nghttp2_data_source* source, void* connection);

}  // namespace headrace::load
