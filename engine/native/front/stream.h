// One HTTP/2 stream of a client: a gRPC call.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grpc.h"
#include "lane.h"
#include "monotonic.h"
#include "pool.h"
#include "protobuf.h"

namespace headrace {

class Connection;
struct Stream;

inline constexpr std::size_t kNotInHeap = SIZE_MAX;

/// Who works on a call.
enum class Owner : std::uint8_t {
  kNobody,  // its request is still being read, or its answer is known
  kLane,    // waits or runs in a lane
  kPython,  // the Python service has it
};

/// Header fields one after the other in one piece of memory: most are never looked at.
class HeaderFields {
 public:
  void clear() { bytes_.clear(); }
  [[nodiscard]] std::size_t kept() const { return bytes_.capacity(); }

  void add(std::string_view name, std::string_view value) {
    if (bytes_.capacity() < kUsual) bytes_.reserve(kUsual);
    append_varint(bytes_, name.size());
    append_varint(bytes_, value.size());
    bytes_.append(name).append(value);
  }

  template <typename Each>
  void for_each(Each each) const {
    for (std::size_t at = 0; at < bytes_.size();) {
      const std::size_t name = read_size(at);
      const std::size_t value = read_size(at);
      const std::string_view bytes(bytes_);
      each(bytes.substr(at, name), bytes.substr(at + name, value));
      at += name + value;
    }
  }

 private:
  [[nodiscard]] std::size_t read_size(std::size_t& at) const {
    std::size_t size = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = static_cast<std::uint8_t>(bytes_[at++]);
      size |= static_cast<std::size_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return size;
    }
  }

  static constexpr std::size_t kUsual = 128;
  std::string bytes_;
};

/// A conversation's messages on their way to Python, one at a time.
struct Talk {
  std::deque<std::pair<std::string, bool>> inbox;  // message, compressed
  std::size_t opened = 0;                // bytes of the incomplete message for which the window was opened already
  std::deque<std::size_t> opened_early;  // the same of each complete one that is not yet handled
  bool half_close_told = false;
};

/// What a call starts with, but for its texts.
struct StreamState {
  Link<Stream> link;
  Connection* connection = nullptr;
  std::int32_t id = 0;

  // The request.
  std::size_t header_bytes = 0;
  bool post = false;
  bool grpc = false;
  bool bad_timeout = false;
  bool refused = false;  // answered before its request was complete: the rest is not read
  bool half_closed = false;
  Nanos began = 0;
  Nanos deadline = kNever;
  std::size_t heap_index = kNotInHeap;

  // Who works on it.
  Owner owner = Owner::kNobody;
  std::shared_ptr<Lane> lane;
  Request* waiting = nullptr;  // in the lane's queue
  Request* running = nullptr;  // in a batch that was taken
  std::uint64_t call = 0;      // the Python service's number

  std::unique_ptr<Talk> talk;  // of a conversation
  bool python_busy = false;

  // The answer.
  bool headers_sent = false;
  bool message_started = false;  // the frame writer asks for bytes of `out`
  bool finished = false;         // nothing more will be added
  bool deferred = false;         // the frame writer waits for more bytes
  Status status = Status::kOk;
  bool pushback = false;
  std::size_t out_at = 0;
  std::size_t out_held = 0;  // bytes of `out` that are counted as unread
  Nanos moved = 0;           // when bytes of `out` last went to the client
};

struct Stream : StreamState {
  [[nodiscard]] bool conversation() const { return talk != nullptr; }

  /// Start as a call that nobody knows anything about yet.
  void start(Connection* of, std::int32_t number) {
    static_cast<StreamState&>(*this) = StreamState{};
    connection = of;
    id = number;
    path.clear();
    credential.clear();
    encoding.clear();
    metadata.clear();
    body.clear();
    message.clear();
    out.clear();
  }
  /// Bytes that it keeps for the next call.
  [[nodiscard]] std::size_t kept() const { return body.capacity() + message.capacity() + out.capacity() + metadata.kept(); }

  std::string path;
  std::string credential;  // header field that says who calls: name, colon, value
  std::string encoding;
  HeaderFields metadata;
  std::string body;     // bytes of messages not yet complete
  std::string message;  // of an error, percent-encoded
  std::string out;
};

/// Streams that are over, kept for the next calls: the memory of their texts with them. Not locked: the front is.
class StreamStore {
 public:
  Stream* take(Connection* connection, std::int32_t id) {
    std::unique_ptr<Stream> stream;
    if (spare_.empty()) {
      stream = std::make_unique<Stream>();
    } else {
      stream = std::move(spare_.back());
      spare_.pop_back();
    }
    stream->start(connection, id);
    return stream.release();
  }

  void give(Stream* stream) {
    std::unique_ptr<Stream> over(stream);
    over->lane.reset();
    over->talk.reset();
    if (kPooled && spare_.size() < kSpare && over->kept() <= kKeptBytes) spare_.push_back(std::move(over));
  }

 private:
  static constexpr std::size_t kSpare = 4096;
  static constexpr std::size_t kKeptBytes = 4096;
  std::vector<std::unique_ptr<Stream>> spare_;
};

/// Streams by deadline: the earliest first, constant-time look, logarithmic change.
class DeadlineHeap {
 public:
  [[nodiscard]] Nanos earliest() const { return heap_.empty() ? kNever : heap_.front()->deadline; }
  [[nodiscard]] Stream* first() const { return heap_.front(); }

  void add(Stream* stream) {
    heap_.push_back(stream);
    rise(heap_.size() - 1);
  }

  void remove(Stream* stream) {
    const std::size_t hole = stream->heap_index;
    if (hole == kNotInHeap) return;
    stream->heap_index = kNotInHeap;
    Stream* moved = heap_.back();
    heap_.pop_back();
    if (moved == stream) return;
    heap_[hole] = moved;
    rise(hole);
    sink(moved->heap_index);
  }

 private:
  void place(std::size_t index, Stream* stream) {
    heap_[index] = stream;
    stream->heap_index = index;
  }

  void rise(std::size_t index) {
    Stream* stream = heap_[index];
    while (index > 0 && stream->deadline < heap_[(index - 1) / 2]->deadline) {
      place(index, heap_[(index - 1) / 2]);
      index = (index - 1) / 2;
    }
    place(index, stream);
  }

  void sink(std::size_t index) {
    Stream* stream = heap_[index];
    for (std::size_t child = 2 * index + 1; child < heap_.size(); child = 2 * index + 1) {
      if (child + 1 < heap_.size() && heap_[child + 1]->deadline < heap_[child]->deadline) ++child;
      if (stream->deadline <= heap_[child]->deadline) break;
      place(index, heap_[child]);
      index = child;
    }
    place(index, stream);
  }

  std::vector<Stream*> heap_;
};

}  // namespace headrace
