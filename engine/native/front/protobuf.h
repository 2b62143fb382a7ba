// Reading and writing the protobuf wire format: varints, tags and lengths, nothing else.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace headrace {

enum class WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

/// Walks over the fields of one message. After any malformed byte `ok()` is false and `next` gives nothing more.
class FieldReader {
 public:
  explicit FieldReader(std::string_view message) : at_(message.data()), end_(at_ + message.size()) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::uint32_t number() const { return number_; }
  [[nodiscard]] WireType type() const { return type_; }
  /// Value of a varint field.
  [[nodiscard]] std::uint64_t varint() const { return varint_; }
  /// Content of a length-delimited field.
  [[nodiscard]] std::string_view bytes() const { return bytes_; }

  /// Go to the next field; false at the end, and where the bytes are malformed or of a wire type not in use here.
  bool next() {
    if (!ok_ || at_ == end_) return false;
    std::uint64_t tag = 0;
    if (!read_varint(tag) || tag > UINT32_MAX || (tag >> 3) == 0) return fail();
    number_ = static_cast<std::uint32_t>(tag >> 3);
    switch (tag & 7) {
      case 0:
        type_ = WireType::kVarint;
        return read_varint(varint_) || fail();
      case 2: {
        type_ = WireType::kBytes;
        std::uint64_t length = 0;
        if (!read_varint(length) || length > static_cast<std::uint64_t>(end_ - at_)) return fail();
        bytes_ = {at_, static_cast<std::size_t>(length)};
        at_ += length;
        return true;
      }
      default:
        return fail();
    }
  }

 private:
  bool fail() {
    ok_ = false;
    return false;
  }

  bool read_varint(std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) return false;
      const auto byte = static_cast<std::uint8_t>(*at_++);
      if (shift == 63 && byte > 1) return false;
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  const char* at_;
  const char* end_;
  bool ok_ = true;
  std::uint32_t number_ = 0;
  WireType type_ = WireType::kVarint;
  std::uint64_t varint_ = 0;
  std::string_view bytes_;
};

inline std::size_t varint_size(std::uint64_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

inline void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

inline void append_tag(std::string& out, std::uint32_t number, WireType type) {
  append_varint(out, (static_cast<std::uint64_t>(number) << 3) | static_cast<std::uint64_t>(type));
}

inline void append_bytes(std::string& out, std::uint32_t number, std::string_view bytes) {
  append_tag(out, number, WireType::kBytes);
  append_varint(out, bytes.size());
  out.append(bytes);
}

}  // namespace headrace
