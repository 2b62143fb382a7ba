#include "door_world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

#include "lane_world.h"
#include "script.h"

namespace headrace::fuzz {
namespace {

FrontOptions options() {
  FrontOptions options;
  options.limits.max_message_bytes = 64 << 10;
  options.limits.max_header_bytes = 4096;
  options.limits.max_streams = 32;
  options.infer_path = kInferPath;
  options.unary_paths = {std::string(kInferPath), std::string(kReadyPath)};
  options.conversation_paths = {std::string(kStreamPath)};
  options.id_prefix = "w-n";
  return options;
}

/// A socket with an address of its own, 127.0.0.1 to 127.0.7.254: one has too few ports for a day of visits.
int open_socket() {
  static std::atomic<std::uint32_t> count{0};
  const std::uint32_t number = ++count;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (number % 8 << 8) + number / 8 % 254);
  HEADRACE_MUST(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

/// Read what is there for at most so many milliseconds; false once the server has closed.
bool read_for(int fd, int limit_ms) {
  char buffer[16384];
  pollfd waits{fd, POLLIN, 0};
  while (poll(&waits, 1, limit_ms) > 0) {
    if (recv(fd, buffer, sizeof buffer, 0) <= 0) return false;
    limit_ms = 0;
  }
  return true;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

DoorWorld::DoorWorld(std::size_t executors) : front(options()), lanes_{small_lane(1), small_lane(2)} {
  interfere(0);
  port_ = front.listen("127.0.0.1", 0, false);
  for (std::size_t i = 0; i < executors; ++i) threads_.emplace_back([this] { execute(); });
  threads_.emplace_back([this] { serve(); });
  threads_.emplace_back([this] {
    while (front.next_withdrawn() != 0) {
    }
  });
}

DoorWorld::~DoorWorld() {
  front.close();
  for (auto& thread : threads_) thread.join();
}

void DoorWorld::execute() {
  while (auto batch = front.take()) {
    const std::size_t rows = batch->rows;
    HEADRACE_MUST(rows != 0 && !batch->members.empty());
    if (rows % 5 == 4 && batch->members.size() > 1) {
      auto [first, second] = front.halve(std::move(batch));
      HEADRACE_MUST(first->rows + second->rows == rows);
      const Outputs outputs(first->rows);
      front.complete(std::move(first), outputs.views());
      front.fail(std::move(second), Status::kInternal, "this half failed");
      continue;
    }
    if (rows % 7 == 6) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const Outputs outputs(rows);
    front.complete(std::move(batch), outputs.views());
  }
}

void DoorWorld::serve() {
  while (const auto event = front.next_event()) {
    if (event->kind == EventKind::kCall) {
      if (event->message.size() % 3 == 0) {
        front.finish(event->call, Status::kNotFound, "nobody by that name", event->message.size() % 2 == 0);
      } else {
        front.reply(event->call, std::string(event->message.size() * 3, 'r'));
      }
    } else {
      talk(*event);
    }
  }
}

void DoorWorld::talk(const Event& event) {
  const bool is_message = event.kind == EventKind::kMessage;
  if (is_message) {
    for (std::size_t i = 0; i < event.message.size() % 4; ++i) front.reply(event.call, event.message);
    if (event.message.size() == 9) front.finish(event.call, Status::kInvalidArgument, "nine bytes", false);
  } else if (event.kind == EventKind::kHalfClose) {
    front.finish(event.call, Status::kOk, "", false);
  }
  front.handled(event.call, is_message ? event.message.size() + kFrameHeaderBytes : 0);
}

void DoorWorld::interfere(unsigned turn) {
  front.publish(small_routes(turn % 3 == 2 ? std::vector{lanes_[1]} : lanes_));
  for (const auto& lane : lanes_) {
    front.set_parameters(*lane, {8 + turn % 8, 64, turn % 5 == 0 ? 16 : SIZE_MAX, turn % 4 * 100 * kMicrosecond, 1 + turn % 2,
                                turn % 3 == 0 ? kMillisecond : kNever});
    (void)front.statistics(*lane);
    (void)front.load(*lane);
  }
  front.trust("authorization:" + std::to_string(turn));
  if (turn % 16 == 0) front.distrust();
  (void)front.counts();
}

void DoorWorld::visit(std::string_view script) const {
  const int fd = open_socket();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Script steps(script);
  Step step;
  bool open = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;  // not once it drains
  while (open && steps.next(step))
    open = step.kind == Step::Kind::kSend ? send_all(fd, step.bytes) && read_for(fd, 0) : read_for(fd, 1);
  if (open && script.size() % 2 == 0) read_for(fd, 2);
  const linger abrupt{script.size() % 3 == 0, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &abrupt, sizeof abrupt);
  ::close(fd);
}

void DoorWorld::must_be_idle() {
  for (int i = 0; i < 10'000; ++i) {
    bool idle = front.counts().connections == 0;
    for (const auto& lane : lanes_) idle = idle && front.load(*lane) == std::pair<std::size_t, std::size_t>(0, 0);
    if (idle) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::fputs("not idle after ten seconds\n", stderr);
  std::abort();
}

}  // namespace headrace::fuzz
