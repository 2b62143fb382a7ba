#include "socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

namespace headrace {

Socket::~Socket() { close(fd_); }

Transfer Socket::read(char* to, std::size_t size, std::size_t& got) {
  const ssize_t count = recv(fd_, to, size, 0);
  if (count > 0) {
    got = static_cast<std::size_t>(count);
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
