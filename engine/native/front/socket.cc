#include "socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>

namespace headrace {

namespace {

constexpr Nanos kCredible = 60 * kSecond;  // clocks that were set in between tell of longer waits

/// The kernel's time of arrival (CLOCK_REALTIME) as monotonic time; `now` where it is not there.
Nanos time_of_arrival(const msghdr& message, Nanos now) {
  const cmsghdr* control = CMSG_FIRSTHDR(&message);
  if (control == nullptr || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_TIMESTAMPNS) return now;
  timespec stamp{};
  std::memcpy(&stamp, CMSG_DATA(control), sizeof stamp);
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  const Nanos waited = static_cast<Nanos>(wall.tv_sec - stamp.tv_sec) * kSecond + (wall.tv_nsec - stamp.tv_nsec);
  return waited > 0 && waited < kCredible ? now - waited : now;
}

}  // namespace

Socket::Socket(int fd) : fd_(fd) {
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
}

Socket::~Socket() { close(fd_); }

Transfer Socket::read(char* to, std::size_t size, std::size_t& got, Nanos& arrived) {
  iovec room{to, size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(timespec))];
  msghdr message{};
  message.msg_iov = &room;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t count = recvmsg(fd_, &message, 0);
  if (count > 0) {
    got = static_cast<std::size_t>(count);
    arrived = time_of_arrival(message, arrived);
    return Transfer::kDone;
  }
  return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? Transfer::kAgain : Transfer::kClosed;
}

Transfer Socket::write(const char* from, std::size_t size, std::size_t& sent) {
  const ssize_t count = send(fd_, from, size, MSG_NOSIGNAL);
  if (count >= 0) {
    sent = static_cast<std::size_t>(count);
    return Transfer::kDone;
  }
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? Transfer::kAgain : Transfer::kClosed;
}

}  // namespace headrace
