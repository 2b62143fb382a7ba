#include "socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#ifdef HEADRACE_TLS
#include <openssl/err.h>
#include <openssl/x509v3.h>
#endif

namespace headrace::load {

Addresses resolve(const Settings& settings, std::string& error) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(settings.host.c_str(), settings.port.c_str(), &hints, &found);
  if (code != 0) error = settings.host + " is not known: " + gai_strerror(code);
  return Addresses(code == 0 ? found : nullptr);
}

std::unique_ptr<Socket> Socket::open(const addrinfo& address, [[maybe_unused]] const SslContext& context,
                                     [[maybe_unused]] const Settings& settings) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return nullptr;
  std::unique_ptr<Socket> opened(new Socket(fd));
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connect(fd, address.ai_addr, address.ai_addrlen);  // what comes of it, the first read or write says
#ifdef HEADRACE_TLS
  if (context) {
    opened->ssl_.reset(SSL_new(context.get()));
    SSL* ssl = opened->ssl_.get();
    const std::string& name = settings.server_name;
    const bool numeric = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1;
    if (!numeric) {
      SSL_set1_host(ssl, name.c_str());
      SSL_set_tlsext_host_name(ssl, name.c_str());
    }
    SSL_set_fd(ssl, fd);
    SSL_set_connect_state(ssl);
  }
#endif
  return opened;
}

Socket::~Socket() { close(fd_); }

Io Socket::failed(const char* what) {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOTCONN || errno == EINPROGRESS) {
    return Io::again;
  }
  failure_ = std::string(what) + ": " + std::strerror(errno);
  return Io::closed;
}

#ifdef HEADRACE_TLS

namespace {

std::string ssl_error_text() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  char text[256];
  ERR_error_string_n(code, text, sizeof text);
  return code == 0 ? "the connection ended" : text;
}

}  // namespace

SslContext make_ssl_context(const Settings& settings, std::string& error) {
  if (!settings.tls) return nullptr;
  SslContext context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* raw = context.get();
  static constexpr unsigned char kAlpn[] = {2, 'h', '2'};
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_alpn_protos(raw, kAlpn, sizeof kAlpn);
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const bool authorities = settings.ca_file.empty()
                               ? SSL_CTX_set_default_verify_paths(raw) == 1
                               : SSL_CTX_load_verify_locations(raw, settings.ca_file.c_str(), nullptr) == 1;
  if (!authorities) error = "authorities in '" + settings.ca_file + "' cannot be read: " + ssl_error_text();
  if (!settings.certificate_file.empty() &&
      (SSL_CTX_use_certificate_chain_file(raw, settings.certificate_file.c_str()) != 1 ||
       SSL_CTX_use_PrivateKey_file(raw, settings.key_file.c_str(), SSL_FILETYPE_PEM) != 1)) {
    error = "certificate '" + settings.certificate_file + "' and its key cannot be used: " + ssl_error_text();
  }
  return context;
}

Io Socket::ssl_failed(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return Io::again;
    case SSL_ERROR_ZERO_RETURN:
      failure_ = "the server closed the connection";
      return Io::closed;
    default: {
      // A socket that is still connecting fails a handshake with "not connected"; it is tried again when it is ready.
      if (ERR_peek_error() == 0 && failed("TLS") == Io::again) return Io::again;
      const long verified = SSL_get_verify_result(ssl_.get());
      failure_ = "TLS: " + (verified != X509_V_OK ? X509_verify_cert_error_string(verified) : ssl_error_text());
      ERR_clear_error();
      return Io::closed;
    }
  }
}

#else

SslContext make_ssl_context(const Settings& settings, std::string& error) {
  if (settings.tls) error = "this build of the load generator has no TLS";
  return {};
}

#endif

Io Socket::read(std::span<std::uint8_t> into, std::size_t& count) {
  count = 0;
#ifdef HEADRACE_TLS
  if (ssl_) {
    errno = 0;
    const int got = SSL_read(ssl_.get(), into.data(), static_cast<int>(into.size()));
    if (got <= 0) return ssl_failed(got);
    count = static_cast<std::size_t>(got);
    return Io::done;
  }
#endif
  const ssize_t got = recv(fd_, into.data(), into.size(), 0);
  if (got < 0) return failed("read");
  if (got == 0) {
    failure_ = "the server closed the connection";
    return Io::closed;
  }
  count = static_cast<std::size_t>(got);
  return Io::done;
}

Io Socket::write(std::span<const std::uint8_t> from, std::size_t& count) {
  count = 0;
#ifdef HEADRACE_TLS
  if (ssl_) {
    errno = 0;
    const int put = SSL_write(ssl_.get(), from.data(), static_cast<int>(from.size()));
    if (put <= 0) return ssl_failed(put);
    count = static_cast<std::size_t>(put);
    return Io::done;
  }
#endif
  const ssize_t put = send(fd_, from.data(), from.size(), MSG_NOSIGNAL);
  if (put < 0) return failed("write");
  count = static_cast<std::size_t>(put);
  return Io::done;
}

}  // namespace headrace::load
