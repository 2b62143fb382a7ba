// Bytes to and from a client: a plain socket, or TLS over one.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "monotonic.h"

namespace headrace {

enum class Transfer { kDone, kAgain, kClosed };

/// A connected socket, non-blocking, owned.
class Socket {
 public:
  explicit Socket(int fd);
  virtual ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  /// Read what is there. `arrived`: when the last of it came, by the kernel; unchanged where that is not known.
  virtual Transfer read(char* to, std::size_t size, std::size_t& got, Nanos& arrived);
  virtual Transfer write(const char* from, std::size_t size, std::size_t& sent);
  /// Bytes that were read from the network and not yet handed out: epoll does not tell of those.
  [[nodiscard]] virtual bool pending() const { return false; }
  /// Whether the protocol below (TLS) waits for the socket to take bytes before it can go on reading.
  [[nodiscard]] virtual bool wants_write() const { return false; }

 private:
  int fd_;
};

struct TlsFiles {
  std::string certificate;
  std::string key;
  std::string client_ca;  // empty: clients need no certificate
};

/// Makes TLS 1.3 sockets that speak HTTP/2 (ALPN h2). Where the build has no OpenSSL, `open` throws.
class TlsContext {
 public:
  /// Throws std::runtime_error with the reason where a file cannot be used.
  static std::shared_ptr<TlsContext> open(const TlsFiles& files);
  static bool available();
  virtual ~TlsContext() = default;
  virtual std::unique_ptr<Socket> accept(int fd) = 0;
};

}  // namespace headrace
