// A non-blocking TCP connection, with TLS over it or not.
#pragma once

#include <netdb.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "settings.h"

#ifdef HEADRACE_TLS
#include <openssl/ssl.h>
#endif

namespace headrace::load {

enum class Io { done, again, closed };

struct AddressesFree {
  void operator()(addrinfo* addresses) const { freeaddrinfo(addresses); }
};
using Addresses = std::unique_ptr<addrinfo, AddressesFree>;

// Look the server up; on failure nothing, and `error` says why.
Addresses resolve(const Settings& settings, std::string& error);

#ifdef HEADRACE_TLS
struct SslContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextFree>;
using Ssl = std::unique_ptr<SSL, SslFree>;
#else
struct SslContext {};
#endif

// Keys, authorities and ALPN, read once; on failure `error` says why. Without TLS in the settings it is empty.
SslContext make_ssl_context(const Settings& settings, std::string& error);

class Socket {
 public:
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket();

  // Begin to connect; nothing where the system has no socket to give.
  static std::unique_ptr<Socket> open(const addrinfo& address, const SslContext& context, const Settings& settings);

  int fd() const { return fd_; }
  Io read(std::span<std::uint8_t> into, std::size_t& count);
  Io write(std::span<const std::uint8_t> from, std::size_t& count);
  // Why the last call said `closed`.
  const std::string& failure() const { return failure_; }

 private:
  explicit Socket(int fd) : fd_(fd) {}
  Io failed(const char* what);

  const int fd_;
  std::string failure_;
#ifdef HEADRACE_TLS
  Io ssl_failed(int result);
  Ssl ssl_;
#endif
};

}  // namespace headrace::load
