// Target: one connection over a socket in memory, with a clock that only the script moves.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "connection.h"
#include "lane_world.h"
#include "script.h"

namespace headrace::fuzz {
namespace {

struct Line {
  std::string in;
  std::size_t room = 1 << 20;
  std::size_t written = 0;
};

class MemorySocket : public Socket {
 public:
  explicit MemorySocket(Line& line) : Socket(-1), line_(line) {}
  Transfer read(char* to, std::size_t size, std::size_t& got, Nanos&) override {
    if (line_.in.empty()) return Transfer::kAgain;
    got = std::min(size, line_.in.size());
    std::memcpy(to, line_.in.data(), got);
    line_.in.erase(0, got);
    return Transfer::kDone;
  }
  Transfer write(const char*, std::size_t size, std::size_t& sent) override {
    if (line_.room == 0) return Transfer::kAgain;
    sent = std::min(size, line_.room);
    line_.room -= sent;
    line_.written += sent;
    return Transfer::kDone;
  }

 private:
  Line& line_;
};

/// Stands where the front stands. Invariants: a stream is told of once before it closes, and never after.
class Calls : public CallHandler {
 public:
  Pool& pool() override { return pool_; }
  StreamStore& streams() override { return streams_; }
  void began(Stream& stream) override {
    HEADRACE_MUST(open_.insert(&stream).second);
    if (!stream.grpc) return stream.connection->refuse_http(stream, "415");
    if (!stream.post) return stream.connection->refuse_http(stream, "405");
    if (stream.bad_timeout) return stream.connection->refuse(stream, Status::kInvalidArgument, "timeout \xff %");
    if (stream.path == kStreamPath) stream.talk = std::make_unique<Talk>();
    if (stream.path == "/nobody") stream.connection->refuse(stream, Status::kUnimplemented, "no such method");
  }
  void received(Stream& stream, std::string_view message, bool) override {
    HEADRACE_MUST(open_.contains(&stream));
    HEADRACE_MUST(stream.conversation() || stream.half_closed);
    stream.owner = Owner::kPython;
    bytes_ += message.size();
    waiting_.push_back(&stream);
  }
  void half_closed(Stream& stream) override { HEADRACE_MUST(open_.contains(&stream) && stream.conversation()); }
  void closed(Stream& stream) override {
    open_.erase(&stream);
    std::erase(waiting_, &stream);
  }
  bool reserve(std::size_t bytes) override {
    if (held + bytes > (1 << 20)) return false;
    held += bytes;
    return true;
  }
  void release(std::size_t bytes) override {
    HEADRACE_MUST(bytes <= held);
    held -= bytes;
  }

  void answer(std::uint32_t amount) {
    if (waiting_.empty()) return;
    Stream& stream = *waiting_[amount % waiting_.size()];
    if (stream.finished) return;
    if (amount & 1) stream.out = framed(std::string(amount * 100, 'a'));
    if (!(amount & 1)) stream.status = Status::kNotFound;
    stream.message = amount & 1 ? "" : "nobody by that name";
    stream.connection->answer(stream);
  }

  void talk(std::uint32_t amount) {
    for (Stream* stream : waiting_) {
      if (!stream->conversation() || stream->finished || (amount & 1)) continue;
      stream->out.append(framed(std::string(amount, 'c')));
      stream->connection->resume(*stream);
      stream->connection->consume(*stream, amount & 2 ? 5 : 0);
    }
  }

  std::size_t held = 0;

 private:
  Pool pool_;
  StreamStore streams_;
  std::unordered_set<Stream*> open_;
  std::vector<Stream*> waiting_;
  std::size_t bytes_ = 0;
};

bool act(const Step& step, Connection& connection, Line& line, Calls& calls, Nanos& now) {
  switch (step.kind) {
    case Step::Kind::kSend:
      line.in = step.bytes;
      if (!connection.read(now)) return false;
      break;
    case Step::Kind::kWait:
      now += step.amount * step.amount * kMillisecond;
      if (!connection.tick(now)) return false;
      break;
    case Step::Kind::kRoom:
      line.room = step.amount * 16;
      break;
    case Step::Kind::kAnswer:
      if (step.amount == 255) connection.go_away();
      calls.answer(step.amount);
      break;
    case Step::Kind::kTalk:
      calls.talk(step.amount);
  }
  return connection.flush(now);
}

}  // namespace
}  // namespace headrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headrace;
  using namespace headrace::fuzz;
  Limits limits;
  limits.max_message_bytes = 4096;
  limits.max_header_bytes = 1024;
  limits.max_streams = 8;
  limits.max_connection_age = 100 * kSecond;
  Line line;
  Calls calls;
  Nanos now = kSecond;
  {
    Connection connection(std::make_unique<MemorySocket>(line), "memory", 16, limits, calls, now);
    Script script({reinterpret_cast<const char*>(data), size});
    Step step;
    while (script.next(step) && act(step, connection, line, calls, now)) {
    }
    HEADRACE_MUST(connection.open_streams() <= 2 * limits.max_streams);
  }
  HEADRACE_MUST(calls.held == 0);
  return 0;
}
