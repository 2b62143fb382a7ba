#include "loop.h"

#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "clock.h"

namespace headrace::load {

namespace {

constexpr std::int64_t kRetry = 20'000'000;             // before a lost connection is opened again
constexpr std::int64_t kHandshake = 5'000'000'000;      // that a reopened connection may take to speak HTTP/2
constexpr std::int64_t kSpin = 30'000;                   // before a request is due: waking up takes about as long
constexpr std::int64_t kLongestWait = 100'000'000;      // between two looks at the stop flag

std::int64_t run_delay_ns() {
  std::ifstream file("/proc/thread-self/schedstat");
  std::int64_t on_cpu = 0;
  std::int64_t delayed = 0;
  file >> on_cpu >> delayed;
  return delayed;
}

std::uint64_t share(std::uint64_t total, std::size_t threads, std::size_t thread) {
  return total / threads + (thread < total % threads ? 1 : 0);
}

}  // namespace

Loop::Loop(const Settings& settings, const Reach& reach, std::size_t thread)
    : settings_(settings),
      reach_(reach),
      head_(settings),
      thread_(thread),
      max_requests_(settings.max_requests == 0 ? UINT64_MAX : share(settings.max_requests, settings.threads, thread)),
      recorder_(settings),
      check_(settings),
      schedule_(settings.stages, settings.poisson, settings.seed),
      slots_(share(settings.connections, settings.threads, thread)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      body_(settings.bodies.size() * thread / settings.threads) {}

Loop::~Loop() { close(epoll_); }

bool Loop::open(Slot& slot) {
  auto socket = Socket::open(*reach_.address, *reach_.ssl, settings_);
  if (!socket) return false;
  slot.connection = std::make_unique<Connection>(settings_, head_, std::move(socket), *this);
  slot.opened_at = now_ns();
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = slot.connection.get();
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, slot.connection->fd(), &event) == 0;
}

std::string Loop::connect() {
  for (Slot& slot : slots_) {
    if (!open(slot)) return "no more sockets: raise the limit of open files, or use fewer connections";
  }
  const std::int64_t limit = now_ns() + seconds_ns(settings_.connect_s);
  const auto settled = [](const Slot& slot) { return slot.connection->ready(); };
  while (!std::all_of(slots_.begin(), slots_.end(), settled)) {
    for (const Slot& slot : slots_) {
      if (slot.connection->lost()) return slot.connection->failure();
    }
    if (now_ns() > limit) return "nothing there speaks HTTP/2";
    serve(10'000'000);
    flush();
  }
  return {};
}

void Loop::on_answer(const Stream& stream, std::uint8_t status, std::string_view message) {
  --in_flight_;
  recorder_.answered(status, message, stream.times);
  if (status == 0 && check_.wanted()) check_.look(stream.body, stream.answer);
}

void Loop::on_refused(const Stream& stream) { refused_.push_back({stream.body, stream.times.due}); }

void Loop::run(std::int64_t start, const std::atomic<bool>& stop) {
  prctl(PR_SET_TIMERSLACK, 1);
  start_ = start;
  end_ = settings_.duration_s > 0 ? start + seconds_ns(settings_.warmup_s + settings_.duration_s) : Schedule::kNever;
  recorder_.begin(start, end_);
  usage_.wall = -start;
  usage_.cpu = -thread_cpu_ns();
  usage_.delayed = -run_delay_ns();
  if (!settings_.stages.empty()) {
    for (std::size_t skipped = 0; skipped <= thread_; ++skipped) due_ = schedule_.next();
    due_ = due_ == Schedule::kNever ? due_ : due_ + start_;
  }
  sending_ = true;
  std::int64_t give_up = Schedule::kNever;
  for (std::int64_t now = now_ns(); sending_ || in_flight_ > 0; now = now_ns()) {
    send(now);
    const bool over = now >= end_ || requests_ >= max_requests_ || due_ == Schedule::kNever;
    if (sending_ && (over || stop.load(std::memory_order_relaxed))) {
      sending_ = false;
      give_up = now + seconds_ns(settings_.drain_s);
      usage_.wall += now;
      usage_.cpu += thread_cpu_ns();
      usage_.delayed += run_delay_ns();
      if (now >= end_) count_unsent();
    }
    if (now >= give_up) break;
    flush();
    if (now >= recorder_.next_roll()) recorder_.roll(now, in_flight_);
    serve(wait_ns(now_ns()));
  }
  recorder_.unanswered(in_flight_);
  recorder_.finish(now_ns(), in_flight_);
}

void Loop::send(std::int64_t now) {
  tend_slots(now);
  send_again(now);
  if (!sending_) return;
  if (!settings_.stages.empty()) {
    send_due(now);
  } else if (now < end_) {
    refill(now);
  }
}

// Replace connections that are lost or told to go, once what is open on them is over.
void Loop::tend_slots(std::int64_t now) {
  for (Slot& slot : slots_) {
    if (slot.connection && slot.connection->going() && !slot.connection->lost()) {
      leaving_.push_back(std::move(slot.connection));
    }
    const bool stuck = slot.connection && !slot.connection->ready() && now > slot.opened_at + kHandshake;
    if (slot.connection && (slot.connection->lost() || stuck)) {
      slot.connection.reset();
      slot.retry_at = now + kRetry;
    }
    if (!slot.connection && (sending_ || !refused_.empty()) && now >= slot.retry_at) {
      ++reconnects_;
      if (!open(slot)) slot.retry_at = now + kRetry;
    }
  }
  std::erase_if(leaving_, [](const auto& connection) { return connection->lost() || connection->in_flight() == 0; });
}

void Loop::send_again(std::int64_t now) {
  while (!refused_.empty()) {
    Connection* connection = next_with_room();
    if (connection == nullptr) return;
    const Refused refused = refused_.back();
    refused_.pop_back();
    connection->submit(refused.body, {refused.due, now, 0}, true);
  }
}

void Loop::submit(Connection& connection, std::int64_t due, std::int64_t sent) {
  ++requests_;
  ++in_flight_;
  connection.submit(body_, {due, sent, 0}, false);
  if (++body_ == settings_.bodies.size()) body_ = 0;
}

void Loop::refill(std::int64_t now) {
  for (Slot& slot : slots_) {
    while (slot.connection && slot.connection->has_room() && requests_ < max_requests_) {
      recorder_.sent(now, 0);
      submit(*slot.connection, now, now);
    }
  }
}

void Loop::send_due(std::int64_t now) {
  while (due_ <= now && due_ < end_ && requests_ < max_requests_) {
    Connection* connection = next_with_room();
    if (connection == nullptr) {
      no_room_ = true;
      return;
    }
    now = now_ns();
    if (no_room_) room_since_ = now;
    no_room_ = false;
    recorder_.sent(due_, now - std::max(due_, room_since_));
    submit(*connection, due_, now);
    draw();
  }
}

// Threads share one schedule, each taking every nth arrival.
void Loop::draw() {
  std::int64_t next = 0;
  for (std::size_t skipped = 0; skipped < settings_.threads && next != Schedule::kNever; ++skipped) next = schedule_.next();
  due_ = next == Schedule::kNever ? next : start_ + next;
}

void Loop::count_unsent() {
  std::uint64_t count = 0;
  for (; !settings_.stages.empty() && due_ < end_; draw()) ++count;
  recorder_.unsent(count);
}

Connection* Loop::next_with_room() {
  for (std::size_t tried = 0; tried < slots_.size(); ++tried) {
    Slot& slot = slots_[turn_];
    if (++turn_ == slots_.size()) turn_ = 0;
    if (slot.connection && slot.connection->has_room()) return slot.connection.get();
  }
  return nullptr;
}

void Loop::flush() {
  for (Slot& slot : slots_) {
    if (slot.connection && slot.connection->wants_flush()) slot.connection->flush();
  }
  for (const auto& connection : leaving_) {
    if (connection->wants_flush()) connection->flush();
  }
}

std::int64_t Loop::wait_ns(std::int64_t now) const {
  std::int64_t until = std::min(now + kLongestWait, recorder_.next_roll());
  if (sending_ && !settings_.stages.empty() && !no_room_) until = std::min(until, due_ - kSpin);
  if (sending_) until = std::min(until, end_);
  for (const Slot& slot : slots_) {
    if (!slot.connection) until = std::min(until, slot.retry_at);
  }
  return std::max<std::int64_t>(until - now, 0);
}

// Wait for the sockets at most so long, and read what they have. `epoll_wait` counts milliseconds: `ppoll` waits.
void Loop::serve(std::int64_t wait_ns) {
  std::array<epoll_event, 256> events;
  int count = epoll_wait(epoll_, events.data(), events.size(), 0);
  if (count == 0 && wait_ns > 0) {
    pollfd watched{epoll_, POLLIN, 0};
    const timespec limit{wait_ns / 1'000'000'000, wait_ns % 1'000'000'000};
    if (ppoll(&watched, 1, &limit, nullptr) > 0) count = epoll_wait(epoll_, events.data(), events.size(), 0);
  }
  for (int i = 0; i < count; ++i) {
    auto& connection = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
    connection.read();
    if ((events[static_cast<std::size_t>(i)].events & EPOLLOUT) != 0 && !connection.lost()) connection.flush();
  }
}

}  // namespace headrace::load
