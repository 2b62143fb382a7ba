// The front door: sockets, connections, lanes, and the threads that take turns at them.
//
// One lock guards everything. One thread at a time, the leader, waits for the network and acts on it. Executor threads
// (Python's) lead while they have nothing to run, so that a lone request is run by the thread that read it; while batches
// wait they look between two of them, and where a batch takes long the attendant does, a thread of the door's own, so
// that it delays neither deadlines nor refusals.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "answer.h"
#include "connection.h"
#include "lane.h"
#include "client_limits.h"
#include "routes.h"

namespace headrace {

enum class EventKind : std::uint8_t { kCall, kOpen, kMessage, kHalfClose };

/// Something the Python service shall do.
struct Event {
  EventKind kind;
  std::uint64_t call = 0;
  std::string path;
  std::string message;
  std::string encoding;  // of the message, where it is compressed
  std::vector<std::pair<std::string, std::string>> metadata;
  std::optional<double> time_left_s;
  std::string peer;
};

/// A request that the door answered by itself, for the access log.
struct Note {
  std::uint64_t key = 0;  // of the lane
  Status status = Status::kOk;
  std::string text;  // of an error
  std::size_t rows = 0;
  Nanos queued = 0;  // how long it waited for its batch; 0: it never ran
  Nanos total = 0;
  std::string id;
  std::string peer;
  std::string credential;
  std::uint64_t kept_back = 0;  // requests without an answer of the model that got no note, since the last one that did
};

/// A request that was answered from a batch.
struct Member {
  std::string id;
  std::string ids;  // one a row, joined by newlines; empty: not given
  std::size_t first = 0;
  std::size_t rows = 0;
};

struct FrontOptions {
  Limits limits;
  TlsFiles tls;  // empty certificate: plain HTTP/2
  std::string infer_path;
  std::unordered_set<std::string> unary_paths;
  std::unordered_set<std::string> conversation_paths;
  std::string id_prefix;
  double note_share = 0;   // of the requests answered OK that get a note; others always do
  bool authorize = false;  // only requests with a trusted credential are answered natively
};

struct FrontCounts {
  std::uint64_t connections = 0;
  std::uint64_t accepted = 0;
  std::uint64_t refused_connections = 0;
  std::uint64_t lost_notes = 0;
  std::uint64_t native_requests = 0;
  std::uint64_t python_calls = 0;
};

class Front : private CallHandler {
 public:
  explicit Front(FrontOptions options);
  ~Front() override;

  /// Bind and listen; the port. Throws std::system_error.
  int listen(const std::string& host, int port, bool reuse_port);

  /// Swap the routes; batches and requests keep their lanes.
  void publish(Routes routes);
  void set_parameters(Lane& lane, const BatchParameters& parameters);
  /// Let requests with this credential be answered natively, until `distrust`.
  void trust(const std::string& credential);
  void distrust();

  /// Wait for a batch; null once the door is closed.
  std::unique_ptr<Batch> take();
  /// Answer a batch's members; those that were answered, where the lane wants to know.
  std::vector<Member> complete(std::unique_ptr<Batch> batch, const std::vector<OutputView>& outputs);
  void fail(std::unique_ptr<Batch> batch, Status status, const std::string& text);
  /// Divide a batch of several members, so that the halves can be tried one by one.
  std::pair<std::unique_ptr<Batch>, std::unique_ptr<Batch>> halve(std::unique_ptr<Batch> batch);

  /// Wait for something the Python service shall do; nothing once the door is closed.
  std::optional<Event> next_event();
  /// Wait for a call that its client has withdrawn; 0 once the door is closed.
  std::uint64_t next_withdrawn();
  void reply(std::uint64_t call, std::string_view message);
  void finish(std::uint64_t call, Status status, const std::string& text, bool pushback);
  /// A conversation's message, of so many bytes, was worked on: the next one may come. Whether the call is still there.
  bool handled(std::uint64_t call, std::size_t bytes);

  /// Refuse new calls, wait for those in flight; whether all ended in time.
  bool drain(double grace_s);
  void close();

  /// Notes that came together since the last look, as far as there was room.
  std::vector<Note> take_notes();
  [[nodiscard]] FrontCounts counts();
  /// Copy of a lane's statistics.
  [[nodiscard]] LaneStatistics statistics(const Lane& lane);
  /// Rows that wait in a lane, and batches of it that run.
  [[nodiscard]] std::pair<std::size_t, std::size_t> load(const Lane& lane);

 private:
  using Lock = std::unique_lock<std::mutex>;

  /// The lock, taken by a thread that does not lead: the leader lets it in.
  class Entry {
   public:
    explicit Entry(Front& front) : lock_(front.mutex_, std::defer_lock) {
      front.wanting_.fetch_add(1, std::memory_order_relaxed);
      lock_.lock();
      front.wanting_.fetch_sub(1, std::memory_order_relaxed);
    }

   private:
    Lock lock_;
  };

  // front_calls.cc: what connections tell, and what becomes of it.
  void began(Stream& stream) override;
  void received(Stream& stream, std::string_view message, bool compressed) override;
  void half_closed(Stream& stream) override;
  void closed(Stream& stream) override;
  bool reserve(std::size_t bytes) override;
  void release(std::size_t bytes) override;
  Pool& pool() override { return pool_; }
  StreamStore& streams() override { return streams_; }
  bool infer(Stream& stream, std::string_view message);
  void to_python(Stream& stream, std::string_view message, bool compressed);
  void next_message(Stream& stream);
  void post(Stream& stream, EventKind kind, std::string message, std::string encoding);
  void end(Stream& stream, Status status, std::string_view text);
  void turn_away(Stream& stream, Lane& lane, Admission admission, std::string_view id);
  void expire(Nanos now);
  void leave(Stream& stream, Status status, std::string_view text);
  bool notes_it(Status status);
  void note(const Stream& stream, Status status, std::string_view text, const Request& request);
  Stream* find_call(std::uint64_t call);

  // front.cc: threads, sockets, batches.
  void attend();
  void lead(Lock& lock, Nanos until);
  void poll(Lock& lock, Nanos until);
  void let_others_in(bool hungry, std::uint64_t taken);
  void on_event(std::uint64_t serial, std::uint32_t events, Nanos now);
  void accept_all(Nanos now);
  void drop(std::uint64_t serial);
  void touch(Connection& connection);
  void flush_touched(Nanos now);
  void tick(Nanos now);
  void kick();
  std::unique_ptr<Batch> next_batch(Nanos now);
  [[nodiscard]] Nanos next_time();
  [[nodiscard]] bool needed() const;
  [[nodiscard]] Nanos next_look();
  [[nodiscard]] Nanos look_every() const;
  [[nodiscard]] std::size_t calls_in_flight() const;

  const FrontOptions options_;
  std::shared_ptr<TlsContext> tls_;
  int epoll_ = -1;
  int kick_ = -1;
  int listener_ = -1;

  std::mutex mutex_;
  std::atomic<unsigned> wanting_{0};               // threads that wait for the lock
  std::atomic<std::uint64_t> taken_events_{0};     // events that Python has taken
  std::condition_variable executors_;
  std::condition_variable attendant_;
  std::condition_variable events_ready_;
  std::condition_variable withdrawn_ready_;

  // Guarded by mutex_:
  Routes routes_;
  std::vector<std::shared_ptr<Lane>> lanes_;  // those with requests, or that had some lately; turns are taken over them
  std::size_t turn_ = 0;
  std::array<epoll_event, 256> ready_;  // connections that have something; the leader's
  std::size_t ready_count_ = 0;
  std::size_t ready_at_ = 0;
  Pool pool_;
  StreamStore streams_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::vector<std::uint64_t> touched_;
  std::uint64_t next_serial_ = 16;
  std::uint64_t next_call_ = 1;
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::uint64_t, Stream*> calls_;
  std::deque<Event> events_;
  std::deque<std::uint64_t> withdrawn_;
  std::unordered_set<std::string> trusted_;
  DeadlineHeap deadlines_;
  std::size_t buffered_ = 0;
  Nanos now_ = 0;
  Nanos next_tick_ = 0;
  FrontCounts counts_;
  std::vector<Note> notes_;
  TokenBucket failed_notes_{100, 100 * kMillisecond};  // as the access log's budget of lines
  std::uint64_t kept_back_ = 0;
  std::uint64_t random_ = 0x9e3779b97f4a7c15;
  bool leading_ = false;
  Nanos attendant_until_ = 0;  // when the attendant looks again
  std::size_t executors_waiting_ = 0;
  std::size_t idle_workers_ = 0;  // threads of Python's that wait for an event
  std::size_t running_ = 0;
  Nanos unread_ = 0;      // how long the last of a socket's requests waited to be read, at most, in the last turn
  bool behind_ = false;   // with reading
  bool shed_ = false;     // requests were refused in the last turn
  Nanos unattended_ = 0;  // since when nobody has looked at the network
  Nanos last_batch_ = 0;
  bool draining_ = false;
  bool closed_ = false;
  std::thread attendant_thread_;
};

}  // namespace headrace
