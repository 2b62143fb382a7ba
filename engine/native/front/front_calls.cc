// What becomes of a call: a place in a lane, a way to the Python service, or an answer at once.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <utility>

#include "front.h"
#include "infer_request.h"

namespace headrace {
namespace {

constexpr std::size_t kInboxMessages = 16;

std::string too_late(Nanos waited) {
  char text[80];
  std::snprintf(text, sizeof text, "the deadline passed after %.1f ms in the queue", static_cast<double>(waited) / 1e6);
  return text;
}

/// Id of a request that came without one.
class NewId {
 public:
  std::string_view write(std::string_view prefix, std::uint64_t number) {
    const std::size_t size = std::min(prefix.size(), kPrefix);
    std::copy_n(prefix.begin(), size, text_.begin());
    const auto [end, error] = std::to_chars(text_.data() + size, text_.data() + text_.size(), number);
    return {text_.data(), end};
  }

 private:
  static constexpr std::size_t kPrefix = 32;
  std::array<char, kPrefix + 20> text_;
};

}  // namespace

void Front::began(Stream& stream) {
  Connection& connection = *stream.connection;
  touch(connection);
  if (!stream.grpc) return connection.refuse_http(stream, "415");
  if (!stream.post) return connection.refuse_http(stream, "405");
  if (stream.header_bytes > options_.limits.max_header_bytes) {
    return connection.refuse(stream, Status::kResourceExhausted,
                             "header fields of " + std::to_string(stream.header_bytes) + " bytes came; at most " +
                                 std::to_string(options_.limits.max_header_bytes) + " are allowed");
  }
  if (stream.bad_timeout)
    return connection.refuse(stream, Status::kInvalidArgument, "grpc-timeout is no duration such as 100m or 2S");
  if (draining_) return connection.refuse(stream, Status::kUnavailable, "the server is draining");
  if (stream.path != options_.infer_path && options_.conversation_paths.contains(stream.path))
    stream.talk = std::make_unique<Talk>();
  if (stream.path != options_.infer_path && !stream.conversation() && !options_.unary_paths.contains(stream.path))
    return connection.refuse(stream, Status::kUnimplemented, std::string(stream.path).append(" is no method of this server"));
  if (stream.deadline != kNever) deadlines_.add(&stream);
  if (stream.conversation()) to_python(stream, {}, false);
}

void Front::received(Stream& stream, std::string_view message, bool compressed) {
  touch(*stream.connection);
  if (!stream.conversation()) {
    if (compressed || stream.path != options_.infer_path || !infer(stream, message))
      to_python(stream, message, compressed);
    return;
  }
  if (stream.finished) return;
  if (stream.talk->inbox.size() >= kInboxMessages * 64) {  // flow control bounds their bytes; empty messages have none
    return end(stream, Status::kResourceExhausted, "too many messages of the stream wait");
  }
  stream.talk->inbox.emplace_back(message, compressed);
  next_message(stream);
}

void Front::half_closed(Stream& stream) {
  touch(*stream.connection);
  next_message(stream);
}

/// Give the request to a lane, or refuse it; false where Python has to look at it.
bool Front::infer(Stream& stream, std::string_view message) {
  if (options_.authorize && !trusted_.contains(stream.credential)) return false;
  InferRequest read;
  if (!read_plain(message, read)) return false;
  const auto route = routes_.find(read.model);
  if (route == routes_.end()) return false;
  NewId id;
  if (read.id.empty()) read.id = id.write(options_.id_prefix, next_id_++);
  auto lane = route->second.pick(read.version, read.routing_key.empty() ? read.id : read.routing_key);
  if (!lane) return false;
  if (read.timeout_us != 0 && read.timeout_us < INT64_MAX / kMicrosecond / 2 &&
      stream.began + read.timeout_us * kMicrosecond < stream.deadline) {
    deadlines_.remove(&stream);
    stream.deadline = stream.began + read.timeout_us * kMicrosecond;
    deadlines_.add(&stream);
  }
  const std::optional<Admission> admission = lane->submit(read, &stream, stream.connection->arrived(), now_);
  if (!admission) return false;
  ++counts_.native_requests;
  if (admission != Admission::kTaken) {
    turn_away(stream, *lane, *admission, read.id);
    return true;
  }
  stream.owner = Owner::kLane;
  stream.waiting = lane->last;
  if (lane->waiting_rows() == lane->last->rows && std::find(lanes_.begin(), lanes_.end(), lane) == lanes_.end())
    lanes_.push_back(lane);
  stream.lane = std::move(lane);
  return true;
}

/// Refuse a request that its lane does not take: the cheapest answer there is, since it comes in floods.
void Front::turn_away(Stream& stream, Lane& lane, Admission admission, std::string_view id) {
  const Nanos waited = now_ - stream.connection->arrived();
  lane.statistics.request_ended(Status::kResourceExhausted, waited);
  const bool full = admission == Admission::kFull;
  shed_ = true;
  if (notes_it(Status::kResourceExhausted))
    notes_.push_back({.key = lane.spec.key,
                      .status = Status::kResourceExhausted,
                      .text = full ? lane.spec.full_text : lane.spec.late_text,
                      .total = waited,
                      .id = std::string(id),
                      .peer = stream.connection->peer,
                      .credential = stream.credential,
                      .kept_back = std::exchange(kept_back_, 0)});
  deadlines_.remove(&stream);
  stream.pushback = true;
  stream.status = Status::kResourceExhausted;
  stream.message = full ? lane.full_message : lane.late_message;
  stream.connection->answer(stream);
}

void Front::to_python(Stream& stream, std::string_view message, bool compressed) {
  stream.owner = Owner::kPython;
  stream.call = next_call_++;
  calls_.emplace(stream.call, &stream);
  ++counts_.python_calls;
  post(stream, stream.conversation() ? EventKind::kOpen : EventKind::kCall, std::string(message),
       compressed ? stream.encoding : "");
  stream.python_busy = true;
}

void Front::post(Stream& stream, EventKind kind, std::string message, std::string encoding) {
  Event event;
  event.kind = kind;
  event.call = stream.call;
  event.message = std::move(message);
  event.encoding = std::move(encoding);
  if (kind == EventKind::kCall || kind == EventKind::kOpen) {
    event.path = stream.path;
    stream.metadata.for_each(
        [&event](std::string_view name, std::string_view value) { event.metadata.emplace_back(name, value); });
    if (stream.deadline != kNever) event.time_left_s = static_cast<double>(stream.deadline - now_) / 1e9;
    event.peer = stream.connection->peer;
  }
  events_.push_back(std::move(event));
  events_ready_.notify_one();
}

/// Give Python a conversation's next message, or its end, once it is done with the one before.
void Front::next_message(Stream& stream) {
  if (stream.python_busy || stream.finished) return;
  if (!stream.talk->inbox.empty()) {
    auto [message, compressed] = std::move(stream.talk->inbox.front());
    stream.talk->inbox.pop_front();
    stream.python_busy = true;
    post(stream, EventKind::kMessage, std::move(message), compressed ? stream.encoding : "");
  } else if (stream.half_closed && !stream.talk->half_close_told) {
    stream.talk->half_close_told = true;
    stream.python_busy = true;
    post(stream, EventKind::kHalfClose, {}, {});
  }
}

bool Front::handled(std::uint64_t call, std::size_t bytes) {
  const Entry entry(*this);
  Stream* stream = find_call(call);
  if (stream == nullptr) return false;
  stream->python_busy = false;
  if (bytes != 0) stream->connection->consume(*stream, bytes);
  touch(*stream->connection);
  next_message(*stream);
  flush_touched(monotonic_now());
  return true;
}

/// Take a call out of its lane, wherever it stands there, and count how it ended.
void Front::leave(Stream& stream, Status status, std::string_view text) {
  const std::unique_ptr<Request> waiting =
      stream.waiting != nullptr ? stream.lane->withdraw(std::exchange(stream.waiting, nullptr)) : nullptr;
  Request* request = waiting ? waiting.get() : std::exchange(stream.running, nullptr);
  if (request == nullptr) return;
  stream.lane->statistics.request_ended(status, now_ - request->enqueued);
  if (status == Status::kDeadlineExceeded)
    stream.lane->statistics.drop(waiting ? Drop::kExpiredWaiting : Drop::kExpiredRunning);
  if (status == Status::kCancelled)
    stream.lane->statistics.drop(waiting ? Drop::kCancelledWaiting : Drop::kCancelledRunning);
  note(stream, status, text, *request);
  request->stream = nullptr;
}

/// Whether a request gets a note: a share of those answered, and all others as far as their bucket goes, since a flood of
/// refusals must not become a flood of notes.
bool Front::notes_it(Status status) {
  static constexpr std::size_t kMaxNotes = 1000;
  if (status != Status::kOk) {
    const bool granted = failed_notes_.take(now_);
    kept_back_ += granted ? 0 : 1;
    return granted;
  }
  if (options_.note_share <= 0) return false;
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  if (static_cast<double>(random_ >> 11) * 0x1p-53 >= options_.note_share) return false;
  counts_.lost_notes += notes_.size() >= kMaxNotes ? 1 : 0;
  return notes_.size() < kMaxNotes;
}

void Front::note(const Stream& stream, Status status, std::string_view text, const Request& request) {
  if (!notes_it(status)) return;
  notes_.push_back({stream.lane->spec.key, status, std::string(text), request.rows,
                    request.taken != 0 ? request.taken - request.enqueued : 0, now_ - request.enqueued, request.id,
                    stream.connection->peer, stream.credential, status != Status::kOk ? std::exchange(kept_back_, 0) : 0});
}

std::vector<Note> Front::take_notes() {
  const Lock lock(mutex_);
  return std::exchange(notes_, {});
}

/// End a call with a status, whoever works on it.
void Front::end(Stream& stream, Status status, std::string_view text) {
  if (stream.finished) return;
  touch(*stream.connection);
  deadlines_.remove(&stream);
  leave(stream, status, text);
  if (!stream.half_closed && !stream.conversation()) return stream.connection->refuse(stream, status, text);
  stream.status = status;
  escape_message(text, stream.message);
  stream.connection->answer(stream);
}

/// Answer those whose deadline has come, at once.
void Front::expire(Nanos now) {
  if (deadlines_.earliest() > now) return;
  while (deadlines_.earliest() <= now) {
    Stream& stream = *deadlines_.first();
    deadlines_.remove(&stream);
    if (stream.finished) continue;  // its connection refused it, and has not said so yet
    const Request* request = stream.waiting != nullptr ? stream.waiting : stream.running;
    const Nanos since = request != nullptr ? request->enqueued : stream.began;
    if (stream.owner == Owner::kPython) {
      withdrawn_.push_back(stream.call);
      withdrawn_ready_.notify_one();
    }
    end(stream, Status::kDeadlineExceeded, too_late(now - since));
  }
  flush_touched(now);
}

void Front::closed(Stream& stream) {
  deadlines_.remove(&stream);
  leave(stream, Status::kCancelled, "the client withdrew the request");
  if (stream.call != 0) {
    calls_.erase(stream.call);
    if (stream.conversation() || !stream.finished) {
      withdrawn_.push_back(stream.call);
      withdrawn_ready_.notify_one();
    }
  }
}

bool Front::reserve(std::size_t bytes) {
  if (buffered_ + bytes > kBufferedBytes) return false;
  buffered_ += bytes;
  return true;
}

void Front::release(std::size_t bytes) { buffered_ -= bytes; }

Stream* Front::find_call(std::uint64_t call) {
  const auto found = calls_.find(call);
  return found == calls_.end() ? nullptr : found->second;
}

std::optional<Event> Front::next_event() {
  Lock lock(mutex_);
  while (true) {
    ++idle_workers_;
    events_ready_.wait(lock, [this] { return closed_ || !events_.empty(); });
    --idle_workers_;
    if (closed_) return std::nullopt;
    Event event = std::move(events_.front());
    taken_events_.fetch_add(1, std::memory_order_relaxed);
    events_.pop_front();
    if (calls_.contains(event.call)) return event;  // else its client went while it waited here
  }
}

std::uint64_t Front::next_withdrawn() {
  Lock lock(mutex_);
  withdrawn_ready_.wait(lock, [this] { return closed_ || !withdrawn_.empty(); });
  if (closed_) return 0;
  const std::uint64_t call = withdrawn_.front();
  withdrawn_.pop_front();
  return call;
}

void Front::reply(std::uint64_t call, std::string_view message) {
  const Entry entry(*this);
  Stream* stream = find_call(call);
  if (stream == nullptr || stream->finished) return;
  now_ = monotonic_now();
  if (stream->out.size() - stream->out_at > options_.limits.max_message_bytes)
    return end(*stream, Status::kResourceExhausted, "the client does not read the stream's answers");
  append_frame_header(stream->out, message.size());
  stream->out.append(message);
  touch(*stream->connection);
  if (stream->conversation()) {
    stream->connection->resume(*stream);
  } else {
    deadlines_.remove(stream);
    stream->connection->answer(*stream);
  }
  flush_touched(now_);
}

void Front::finish(std::uint64_t call, Status status, const std::string& text, bool pushback) {
  const Entry entry(*this);
  Stream* stream = find_call(call);
  if (stream == nullptr || stream->finished) return;
  now_ = monotonic_now();
  stream->pushback = pushback;
  end(*stream, status, text);
  flush_touched(now_);
}

std::vector<Member> Front::complete(std::unique_ptr<Batch> batch, const std::vector<OutputView>& outputs) {
  const Entry entry(*this);
  now_ = monotonic_now();
  std::vector<Member> answered;
  batch->lane->statistics.rows += batch->rows;
  ++batch->lane->statistics.batches;
  std::size_t row = 0;
  for (const auto& member : batch->members) {
    if (Stream* stream = std::exchange(member->stream, nullptr)) {
      stream->running = nullptr;
      deadlines_.remove(stream);
      append_answer(stream->out, batch->lane->spec, *member, outputs, row);
      touch(*stream->connection);
      stream->connection->answer(*stream);
      batch->lane->statistics.request_ended(Status::kOk, now_ - member->enqueued);
      note(*stream, Status::kOk, {}, *member);
      if (batch->lane->spec.members) answered.push_back({member->id, member->ids, row, member->rows});
    }
    row += member->rows;
  }
  batch->lane->ended();
  --running_;
  // Where others wait, the answers go out at the next look at the network, with those of that look: a write for each
  // connection and batch would cost more than anything else.
  if (batch->lane->waiting_rows() == 0) flush_touched(now_);
  return answered;
}

std::pair<std::unique_ptr<Batch>, std::unique_ptr<Batch>> Front::halve(std::unique_ptr<Batch> batch) {
  const Entry entry(*this);
  ++running_;
  Lane& lane = *batch->lane;
  return lane.halve(std::move(batch));
}

void Front::fail(std::unique_ptr<Batch> batch, Status status, const std::string& text) {
  const Entry entry(*this);
  now_ = monotonic_now();
  for (const auto& member : batch->members) {
    if (Stream* stream = member->stream) end(*stream, status, text);
  }
  batch->lane->ended();
  --running_;
  flush_touched(now_);
}

}  // namespace headrace
