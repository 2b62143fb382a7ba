// One thread's share of a run: its connections, its part of the schedule, its records.
//
// Closed loop: every stream that is free is filled again. Open loop: a request is sent when it is due, on the next
// connection with a free stream; where there is none it waits, and its latency still counts from when it was due.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "answer_check.h"
#include "connection.h"
#include "recorder.h"
#include "schedule.h"
#include "settings.h"
#include "socket.h"

namespace headrace::load {

// What the thread took from its CPU while it ran, nanoseconds.
struct Usage {
  std::int64_t wall = 0;
  std::int64_t cpu = 0;
  std::int64_t delayed = 0;  // could have run, and another thread had the CPU
};

struct Reach {
  const addrinfo* address;
  const SslContext* ssl;
};

class Loop final : public Connection::Listener {
 public:
  Loop(const Settings& settings, const Reach& reach, std::size_t thread);
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Open every connection; returns why one could not be, or an empty text.
  std::string connect();
  void run(std::int64_t start, const std::atomic<bool>& stop);

  const Recorder& recorder() const { return recorder_; }
  const AnswerCheck& check() const { return check_; }
  const Usage& usage() const { return usage_; }
  std::uint64_t reconnects() const { return reconnects_; }

 private:
  struct Slot {
    std::unique_ptr<Connection> connection;
    std::int64_t retry_at = 0;  // while there is none
    std::int64_t opened_at = 0;
  };

  struct Refused {
    std::size_t body;
    std::int64_t due;
  };

  void on_answer(const Stream& stream, std::uint8_t status, std::string_view message) override;
  void on_refused(const Stream& stream) override;

  bool open(Slot& slot);
  void serve(std::int64_t wait_ns);
  void tend_slots(std::int64_t now);
  void send(std::int64_t now);
  void send_again(std::int64_t now);
  void send_due(std::int64_t now);
  void refill(std::int64_t now);
  void submit(Connection& connection, std::int64_t due, std::int64_t sent);
  void flush();
  void draw();
  void count_unsent();
  std::int64_t wait_ns(std::int64_t now) const;
  Connection* next_with_room();

  const Settings& settings_;
  const Reach reach_;
  const RequestHead head_;
  const std::size_t thread_;
  const std::uint64_t max_requests_;
  Recorder recorder_;
  AnswerCheck check_;
  Schedule schedule_;
  std::vector<Slot> slots_;
  std::vector<std::unique_ptr<Connection>> leaving_;  // told to go, with requests still open
  std::vector<Refused> refused_;                      // in flight for whoever asks, on no connection
  int epoll_ = -1;
  std::size_t turn_ = 0;
  std::size_t body_ = 0;
  std::size_t in_flight_ = 0;
  std::uint64_t requests_ = 0;
  std::uint64_t reconnects_ = 0;
  std::int64_t start_ = 0;
  std::int64_t end_ = 0;
  std::int64_t due_ = 0;         // of the next request of the schedule
  std::int64_t room_since_ = 0;  // when a stream came free, after all were taken
  bool no_room_ = false;
  bool sending_ = false;
  Usage usage_;
};

}  // namespace headrace::load
