#include "front.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <system_error>

namespace headrace {
namespace {

constexpr std::uint64_t kListener = 1;
constexpr std::uint64_t kKick = 2;
constexpr rlim_t kHighDescriptor = 32768;
constexpr Nanos kTurn = kMillisecond;         // how long a turn at the network takes at most
constexpr Nanos kCatchUp = 3 * kMillisecond;  // and where the one before left requests unread
constexpr Nanos kTickEvery = 200 * kMillisecond;
constexpr Nanos kLookEvery = 1'500 * kMicrosecond;  // executors look at the network between two batches
constexpr Nanos kShedEvery = 2 * kMillisecond;      // and where requests are refused: a look costs, a connection at a time
constexpr Nanos kAttended = 500 * kMicrosecond;     // later the attendant looks, where a batch takes so long
constexpr Nanos kLeastRest = 100 * kMicrosecond;    // of the attendant, from one look to the next
constexpr Nanos kDrowsy = 20 * kMillisecond;        // the attendant sleeps when no batch ran for so long

[[noreturn]] void fail_with_errno(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

void watch(int epoll, int operation, int fd, std::uint32_t events, std::uint64_t serial) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = serial;
  epoll_ctl(epoll, operation, fd, &event);
}

std::string address_text(const sockaddr_storage& address, socklen_t size) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (getnameinfo(generic, size, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) return "";
  return address.ss_family == AF_INET6 ? "[" + std::string(host) + "]:" + port : std::string(host) + ":" + port;
}

/// Move a descriptor above those that connections get. The kernel closes the highest of a killed process first: a
/// listener that went after its connections would take those that its clients make anew, and break them too.
int move_up(int fd) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return fd;
  const int high = fcntl(fd, F_DUPFD_CLOEXEC, static_cast<int>(std::min(limit.rlim_cur, kHighDescriptor) * 15 / 16));
  if (high < 0) return fd;
  ::close(fd);
  return high;
}

int open_listener(const addrinfo& address, bool reuse_port) {
  const int fd = socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address.ai_protocol);
  if (fd < 0) fail_with_errno("socket");
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (reuse_port) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (bind(fd, address.ai_addr, address.ai_addrlen) != 0 || ::listen(fd, 4096) != 0) {
    const int error = errno;
    ::close(fd);
    errno = error;
    fail_with_errno("bind");
  }
  return move_up(fd);
}

int port_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

/// epoll_wait to the nanosecond where the kernel has it.
int wait_for_events(int epoll, epoll_event* events, int count, Nanos timeout) {
  static std::atomic<bool> precise{true};
  if (precise.load(std::memory_order_relaxed)) {
    const timespec limit{static_cast<time_t>(timeout / kSecond), static_cast<long>(timeout % kSecond)};
    const int ready = epoll_pwait2(epoll, events, count, timeout < 0 ? nullptr : &limit, nullptr);
    if (ready >= 0 || errno != ENOSYS) return ready;
    precise.store(false, std::memory_order_relaxed);
  }
  return epoll_wait(epoll, events, count, timeout < 0 ? -1 : static_cast<int>((timeout + kMillisecond - 1) / kMillisecond));
}

}  // namespace

Front::Front(FrontOptions options) : options_(std::move(options)) {
  if (!options_.tls.certificate.empty()) tls_ = TlsContext::open(options_.tls);
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  kick_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (epoll_ < 0 || kick_ < 0) fail_with_errno("epoll");
  watch(epoll_, EPOLL_CTL_ADD, kick_, EPOLLIN, kKick);
  attendant_thread_ = std::thread([this] { attend(); });
}

Front::~Front() {
  close();
  connections_.clear();
  ::close(kick_);
  ::close(epoll_);
}

int Front::listen(const std::string& host, int port, bool reuse_port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    errno = EADDRNOTAVAIL;
    fail_with_errno("host");
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  const int fd = open_listener(*addresses, reuse_port);
  const Lock lock(mutex_);
  listener_ = fd;
  watch(epoll_, EPOLL_CTL_ADD, listener_, EPOLLIN, kListener);
  return port_of(fd);
}

std::unique_ptr<Batch> Front::take() {
  Lock lock(mutex_);
  while (!closed_) {
    now_ = monotonic_now();
    if (!leading_ && now_ - unattended_ >= look_every()) lead(lock, 0);
    expire(now_);
    if (auto batch = next_batch(now_)) {
      ++running_;
      last_batch_ = now_;
      if (!leading_) {
        if (executors_waiting_ != 0) {
          executors_.notify_one();
        } else if (next_look() < attendant_until_) {
          attendant_.notify_one();
        }
      }
      return batch;
    }
    if (!leading_) {
      lead(lock, next_time());
      continue;
    }
    ++executors_waiting_;
    executors_.wait(lock);
    --executors_waiting_;
  }
  return nullptr;
}

void Front::lead(Lock& lock, Nanos until) {
  leading_ = true;
  poll(lock, until);
  leading_ = false;
  unattended_ = now_;
}

/// The attendant: looks at the network once a moment while executors leave it alone. It does not wait there: a wake-up
/// for every packet would cost the batches more than a look now and then.
void Front::attend() {
  Lock lock(mutex_);
  while (!closed_) {
    if (needed() && monotonic_now() >= next_look()) {
      lead(lock, 0);
      if (executors_waiting_ != 0) executors_.notify_one();
    }
    const Nanos now = monotonic_now();
    if (running_ == 0 && now - last_batch_ > kDrowsy) {
      attendant_until_ = kNever;
      attendant_.wait(lock);
    } else {
      attendant_until_ = std::max(needed() ? next_look() : now + look_every() + kAttended, now + kLeastRest);
      attendant_.wait_for(lock, std::chrono::nanoseconds(attendant_until_ - now));
    }
  }
}

/// Whether nobody else looks at the network, and something may wait for it: a deadline, a request, an answer.
bool Front::needed() const { return !leading_ && (running_ != 0 || !touched_.empty()); }

Nanos Front::look_every() const { return shed_ ? kShedEvery : kLookEvery; }

/// When somebody has to look at the network, at the latest, while executors are busy.
Nanos Front::next_look() { return std::min(unattended_ + look_every() + kAttended, deadlines_.earliest()); }

/// One turn at the network: wait for it, unless connections are left from the turn before, and act on what it has. A turn
/// ends after a while, however much there is: batches are taken and deadlines kept in between. Where that leaves requests
/// unread, turns get longer, since a refusal has to be early too; but batches keep a share of the time.
void Front::poll(Lock& lock, Nanos until) {
  flush_touched(now_);
  if (ready_at_ == ready_count_) {
    const Nanos timeout = until == kNever ? -1 : std::max<Nanos>(0, until - monotonic_now());
    const bool hungry = !events_.empty() && idle_workers_ != 0;
    const std::uint64_t taken = taken_events_.load(std::memory_order_relaxed);
    lock.unlock();
    const int count = wait_for_events(epoll_, ready_.data(), static_cast<int>(ready_.size()), timeout);
    let_others_in(hungry, taken);
    lock.lock();
    ready_count_ = count > 0 ? static_cast<std::size_t>(count) : 0;
    ready_at_ = 0;
  }
  now_ = monotonic_now();
  const Nanos turn_ends = now_ + (behind_ ? kCatchUp : kTurn);
  unread_ = 0;
  shed_ = false;
  while (ready_at_ != ready_count_ && now_ < turn_ends) {
    const epoll_event event = ready_[ready_at_++];
    on_event(event.data.u64, event.events, now_);
    now_ = monotonic_now();
    expire(now_);
  }
  expire(now_);
  behind_ = ready_at_ != ready_count_ || unread_ > look_every() + kAttended;
  if (now_ >= next_tick_) tick(now_);
  flush_touched(now_);
}

/// Let those in who wait for the lock, and those who were told of an event. A mutex is not fair: with a client that sends
/// without a pause, the leader would take it again before a waiting thread is awake.
void Front::let_others_in(bool hungry, std::uint64_t taken) {
  const auto somebody_waits = [&] {
    return wanting_.load(std::memory_order_relaxed) != 0 ||
           (hungry && taken_events_.load(std::memory_order_relaxed) == taken);
  };
  if (!somebody_waits()) return;
  const Nanos until = monotonic_now() + 200 * kMicrosecond;
  while (somebody_waits() && monotonic_now() < until) std::this_thread::yield();
}

void Front::on_event(std::uint64_t serial, std::uint32_t events, Nanos now) {
  if (serial == kListener) return accept_all(now);
  if (serial == kKick) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(kick_, &count, sizeof count);
    return;
  }
  const auto found = connections_.find(serial);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  const bool alive = (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || connection.read(now);
  unread_ = std::max(unread_, now - connection.arrived());
  if (!alive) return drop(serial);
  touch(connection);
}

void Front::accept_all(Nanos now) {
  while (listener_ >= 0) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int fd = accept4(listener_, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (connections_.size() >= options_.limits.max_connections) {
      ++counts_.refused_connections;
      ::close(fd);
      continue;
    }
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::unique_ptr<Socket> socket;
    try {
      socket = tls_ ? tls_->accept(fd) : std::make_unique<Socket>(fd);
    } catch (const std::runtime_error&) {
      ++counts_.refused_connections;
      continue;
    }
    const std::uint64_t serial = next_serial_++;
    CallHandler& handler = *this;
    auto connection = std::make_unique<Connection>(std::move(socket), address_text(address, size), serial,
                                                   options_.limits, handler, now);
    watch(epoll_, EPOLL_CTL_ADD, fd, EPOLLIN, serial);
    ++counts_.accepted;
    if (draining_) connection->go_away();
    touch(*connection);
    connections_.emplace(serial, std::move(connection));
  }
}

void Front::drop(std::uint64_t serial) { connections_.erase(serial); }

void Front::touch(Connection& connection) {
  if (connection.touched) return;
  connection.touched = true;
  touched_.push_back(connection.serial);
}

void Front::flush_touched(Nanos now) {
  for (std::size_t i = 0; i < touched_.size(); ++i) {
    const auto found = connections_.find(touched_[i]);
    if (found == connections_.end()) continue;
    Connection& connection = *found->second;
    connection.touched = false;
    if (!connection.flush(now)) {
      drop(connection.serial);
      continue;
    }
    if (connection.wants_write() != connection.watching_write) {
      connection.watching_write = !connection.watching_write;
      const std::uint32_t write = connection.watching_write ? std::uint32_t{EPOLLOUT} : 0;
      watch(epoll_, EPOLL_CTL_MOD, connection.fd(), EPOLLIN | write, connection.serial);
    }
  }
  touched_.clear();
}

void Front::tick(Nanos now) {
  next_tick_ = now + kTickEvery;
  std::vector<std::uint64_t> over;
  for (auto& [serial, connection] : connections_) {
    if (connection->tick(now)) {
      touch(*connection);
    } else {
      over.push_back(serial);
    }
  }
  for (const auto serial : over) drop(serial);
  std::erase_if(lanes_, [](const auto& lane) { return lane->waiting_rows() == 0 && lane->running() == 0; });
  turn_ = 0;
}

void Front::kick() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t sent = ::write(kick_, &one, sizeof one);
}

/// The next lane in turn whose batch may fire.
std::unique_ptr<Batch> Front::next_batch(Nanos now) {
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const std::size_t position = (turn_ + i) % lanes_.size();
    if (lanes_[position]->fires() > now) continue;
    turn_ = position + 1;
    auto batch = lanes_[position]->take(now);
    for (const auto& member : batch->members) {
      member->stream->waiting = nullptr;
      member->stream->running = member.get();
    }
    return batch;
  }
  return nullptr;
}

Nanos Front::next_time() {
  Nanos next = std::min(deadlines_.earliest(), connections_.empty() ? kNever : next_tick_);
  for (const auto& lane : lanes_) {
    // A batch that may fire now and nobody takes waits for an executor, not for the clock.
    const Nanos fires = lane->fires();
    if (fires > now_) next = std::min(next, fires);
  }
  return next;
}

void Front::publish(Routes routes) {
  const Lock lock(mutex_);
  routes_.swap(routes);  // what was served before is let go by the caller, without the lock
}

void Front::set_parameters(Lane& lane, const BatchParameters& parameters) {
  const Lock lock(mutex_);
  lane.parameters = parameters;
}

void Front::trust(const std::string& credential) {
  static constexpr std::size_t kMaxTrusted = 10'000;
  const Lock lock(mutex_);
  if (trusted_.size() >= kMaxTrusted) trusted_.clear();
  trusted_.insert(credential);
}

void Front::distrust() {
  const Lock lock(mutex_);
  trusted_.clear();
}

FrontCounts Front::counts() {
  const Lock lock(mutex_);
  FrontCounts counts = counts_;
  counts.connections = connections_.size();
  return counts;
}

LaneStatistics Front::statistics(const Lane& lane) {
  const Lock lock(mutex_);
  return lane.statistics;
}

std::pair<std::size_t, std::size_t> Front::load(const Lane& lane) {
  const Lock lock(mutex_);
  return {lane.waiting_rows(), lane.running()};
}

std::size_t Front::calls_in_flight() const {
  std::size_t count = 0;
  for (const auto& [serial, connection] : connections_) {
    for (const auto* stream = connection->streams().first(); stream != nullptr; stream = stream->link.after) {
      const bool idle_conversation = stream->conversation() && !stream->python_busy && stream->talk->inbox.empty();
      const bool written = stream->finished && !connection->wants_write();
      if (!idle_conversation && !written && (stream->owner != Owner::kNobody || stream->finished)) ++count;
    }
  }
  return count;
}

bool Front::drain(double grace_s) {
  const Nanos until = monotonic_now() + static_cast<Nanos>(grace_s * 1e9);
  Lock lock(mutex_);
  draining_ = true;
  if (listener_ >= 0) ::close(listener_);
  listener_ = -1;
  for (auto& [serial, connection] : connections_) {
    connection->go_away();
    touch(*connection);
  }
  flush_touched(monotonic_now());
  bool all = false;
  while (true) {
    all = calls_in_flight() == 0;
    if (all || monotonic_now() >= until) break;
    lock.unlock();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    lock.lock();
  }
  for (auto& [serial, connection] : connections_) {
    for (auto* stream = connection->streams().first(); stream != nullptr; stream = stream->link.after) {
      if (!stream->finished) end(*stream, Status::kUnavailable, "the server is draining");
    }
    connection->go_away();
    touch(*connection);
  }
  flush_touched(monotonic_now());
  return all;
}

void Front::close() {
  {
    const Lock lock(mutex_);
    if (closed_) return;
    closed_ = true;
    if (listener_ >= 0) ::close(listener_);
    listener_ = -1;
    connections_.clear();
    executors_.notify_all();
    attendant_.notify_all();
    events_ready_.notify_all();
    withdrawn_ready_.notify_all();
    kick();
  }
  attendant_thread_.join();
}

}  // namespace headrace
