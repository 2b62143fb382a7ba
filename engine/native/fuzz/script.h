// What a hostile client does, step by step: any bytes are a script, so that a fuzzer reaches deep states by luck.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "grpc.h"
#include "protobuf.h"

namespace headrace::fuzz {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
inline constexpr std::string_view kInferPath = "/inference.GRPCInferenceService/ModelInfer";
inline constexpr std::string_view kStreamPath = "/inference.GRPCInferenceService/ModelStreamInfer";
inline constexpr std::string_view kReadyPath = "/inference.GRPCInferenceService/ServerReady";

/// A plain request of `rows` rows for the lane of lane_world.h; `id` may be empty.
inline std::string plain_request(std::uint32_t rows, std::string_view id) {
  std::string tensor;
  append_bytes(tensor, 1, "features");
  append_bytes(tensor, 2, "FP32");
  const char shape[2] = {static_cast<char>(rows & 0x7f), 4};
  append_bytes(tensor, 3, {shape, 2});
  std::string message;
  append_bytes(message, 1, "late");
  if (!id.empty()) append_bytes(message, 3, id);
  append_bytes(message, 5, tensor);
  append_bytes(message, 7, std::string((rows & 0x7f) * 16, 'f'));
  return message;
}

inline std::string framed(std::string_view message, bool compressed = false) {
  std::string out;
  append_frame_header(out, message.size());
  out[0] = compressed ? 1 : 0;
  return out.append(message);
}

struct Step {
  enum class Kind { kSend, kWait, kRoom, kAnswer, kTalk };
  Kind kind = Kind::kSend;
  std::string bytes;        // kSend
  std::uint32_t amount = 0;  // of time, of room in the socket, of rows answered
};

/// Reads steps from a fuzzer's bytes until they are used up.
class Script {
 public:
  explicit Script(std::string_view input) : input_(input) {}

  bool next(Step& step) {
    if (input_.empty()) return false;
    step = {};
    if (!begun_) {
      begun_ = true;
      if ((byte() & 15) != 15) {  // else without a preface
        step.bytes = std::string(kPreface);
        frame(step.bytes, 4, 0, 0, {});
        return true;
      }
    }
    act(byte(), step);
    return true;
  }

 private:
  std::uint8_t byte() {
    if (input_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(input_.front());
    input_.remove_prefix(1);
    return value;
  }

  std::string_view bytes(std::size_t size) {
    const std::string_view found = input_.substr(0, std::min(size, input_.size()));
    input_.remove_prefix(found.size());
    return found;
  }

  void act(std::uint8_t choice, Step& step) {
    std::string& out = step.bytes;
    switch (choice & 15) {
      case 0:
        out = bytes(byte());
        break;
      case 1:
        headers(out, byte());
        break;
      case 2:
        frame(out, 0, choice >> 7, stream(), framed(plain_request(byte(), bytes(choice >> 4 & 3))));
        break;
      case 3:
        frame(out, 0, choice >> 7, stream(), framed(bytes(byte()), (choice & 64) != 0));
        break;
      case 4:
        frame(out, 0, choice >> 7, stream(), std::string_view(framed(plain_request(3, "cut"))).substr(byte() % 60, byte()));
        break;
      case 5:
        frame(out, 3, 0, stream(), std::string("\0\0\0", 3) + static_cast<char>(byte()));
        break;
      case 6:
        frame(out, 8, 0, choice & 128 ? 0 : stream(), number(choice & 64 ? 0x7fffffff : byte()));
        break;
      case 7:
        control(out, choice >> 4);
        break;
      case 8:
        step.kind = Step::Kind::kWait;
        step.amount = byte();
        break;
      case 9:
        step.kind = Step::Kind::kRoom;
        step.amount = byte();
        break;
      case 10:
        step.kind = Step::Kind::kAnswer;
        step.amount = byte();
        break;
      case 11:
        step.kind = Step::Kind::kTalk;
        step.amount = byte();
        break;
      case 12:
        frame(out, 1, choice >> 4 & 5, next_stream(), bytes(byte()));
        for (unsigned i = 0; i < (choice >> 6); ++i) frame(out, 9, i == 2 ? 4 : 0, newest_, bytes(byte()));
        break;
      case 13:
        frame(out, 1, 5, stream(), literal("x-trailer", "1"));
        break;
      case 14:
        frame(out, byte(), byte(), stream(), bytes(byte()));
        break;
      default:
        headers(out, static_cast<std::uint8_t>(choice >> 4));
        frame(out, 0, 1, newest_, framed(plain_request(1 + (choice >> 4), {})));
    }
  }

  void headers(std::string& out, std::uint8_t choice) {
    const std::string_view path = (choice & 3) < 2 ? kInferPath : (choice & 3) == 2 ? kStreamPath : kReadyPath;
    std::string block = literal(":method", choice == 99 ? "GET" : "POST") + literal(":scheme", "http") +
                        literal(":path", choice == 98 ? "/nobody" : path) + literal(":authority", "x") +
                        literal("content-type", choice == 97 ? "text/html" : "application/grpc") + literal("te", "trailers");
    if (choice & 16) block += literal("grpc-timeout", std::string(1, static_cast<char>('0' + (choice >> 5))) + "m");
    if (choice & 8) block += literal("grpc-encoding", "gzip");
    if (choice & 4) block += literal("x-data-bin", bytes(byte() & 63));
    frame(out, 1, 4, next_stream(), block);
  }

  void control(std::string& out, unsigned choice) {
    switch (choice & 3) {
      case 0:
        return frame(out, 6, choice >> 2 & 1, 0, "12345678");
      case 1:
        return frame(out, 4, choice >> 2 & 1, 0, std::string("\0\4", 2) + number(byte()));  // INITIAL_WINDOW_SIZE
      case 2:
        return frame(out, 4, 0, 0, std::string("\0\1", 2) + number(byte()));  // HEADER_TABLE_SIZE
      default:
        return frame(out, 7, 0, 0, std::string(8, '\0'));
    }
  }

  static std::string number(std::uint32_t value) {
    return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
            static_cast<char>(value)};
  }

  static std::string literal(std::string_view name, std::string_view value) {
    std::string out(1, '\0');
    out.push_back(static_cast<char>(name.size() & 0x7f));
    out.append(name);
    out.push_back(static_cast<char>(value.size() & 0x7f));
    return out.append(value.substr(0, 0x7f));
  }

  static void frame(std::string& out, unsigned type, unsigned flags, std::uint32_t stream, std::string_view payload) {
    const std::size_t size = payload.size();
    const char head[5] = {static_cast<char>(size >> 16), static_cast<char>(size >> 8), static_cast<char>(size),
                          static_cast<char>(type), static_cast<char>(flags)};
    out.append(head, 5).append(number(stream)).append(payload);
  }

  std::uint32_t next_stream() { return newest_ = newest_ == 0 ? 1 : newest_ + 2; }

  /// Nearly always one of the newest streams.
  std::uint32_t stream() {
    const std::uint32_t back = byte() & 7;
    return newest_ > 2 * back ? newest_ - 2 * back : newest_;
  }

  std::string_view input_;
  std::uint32_t newest_ = 0;
  bool begun_ = false;
};

}  // namespace headrace::fuzz
