#include "socket.h"

#ifdef HEADRACE_TLS

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <climits>
#include <stdexcept>
#include <string_view>

namespace headrace {
namespace {

constexpr unsigned char kH2[] = {2, 'h', '2'};

std::string last_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason ? reason : "no reason given";
}

int choose_h2(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered, unsigned size,
              void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kH2, sizeof kH2, offered, size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

class TlsSocket : public Socket {
 public:
  TlsSocket(int fd, SSL_CTX* context) : Socket(fd), ssl_(SSL_new(context)) {
    if (!ssl_ || SSL_set_fd(ssl_, fd) != 1) throw std::runtime_error("TLS: " + last_error());
    SSL_set_accept_state(ssl_);
  }
  ~TlsSocket() override {
    if (!broken_ && SSL_is_init_finished(ssl_)) SSL_shutdown(ssl_);
    SSL_free(ssl_);
    ERR_clear_error();
  }

  Transfer read(char* to, std::size_t size, std::size_t& got, Nanos&) override {
    return result(SSL_read_ex(ssl_, to, size, &got));
  }
  Transfer write(const char* from, std::size_t size, std::size_t& sent) override {
    return result(SSL_write_ex(ssl_, from, size, &sent));
  }
  [[nodiscard]] bool pending() const override { return SSL_pending(ssl_) > 0; }
  [[nodiscard]] bool wants_write() const override { return wants_write_; }

 private:
  Transfer result(int outcome) {
    wants_write_ = false;
    if (outcome == 1) return Transfer::kDone;
    const int error = SSL_get_error(ssl_, outcome);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_WRITE) wants_write_ = true;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return Transfer::kAgain;
    broken_ = true;
    return Transfer::kClosed;
  }

  SSL* ssl_;
  bool wants_write_ = false;
  bool broken_ = false;
};

class OpenSslContext : public TlsContext {
 public:
  explicit OpenSslContext(const TlsFiles& files) : context_(SSL_CTX_new(TLS_server_method())) {
    if (!context_) throw std::runtime_error("TLS: " + last_error());
    SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION);
    SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                   SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(context_, choose_h2, nullptr);
    if (SSL_CTX_use_certificate_chain_file(context_, files.certificate.c_str()) != 1)
      fail("certificate", files.certificate);
    if (SSL_CTX_use_PrivateKey_file(context_, files.key.c_str(), SSL_FILETYPE_PEM) != 1) fail("key", files.key);
    if (SSL_CTX_check_private_key(context_) != 1) fail("key", files.key);
    if (!files.client_ca.empty()) {
      if (SSL_CTX_load_verify_locations(context_, files.client_ca.c_str(), nullptr) != 1)
        fail("client authorities", files.client_ca);
      SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    static constexpr std::string_view kSession = "headrace";
    SSL_CTX_set_session_id_context(context_, reinterpret_cast<const unsigned char*>(kSession.data()), kSession.size());
  }
  ~OpenSslContext() override { SSL_CTX_free(context_); }

  std::unique_ptr<Socket> accept(int fd) override { return std::make_unique<TlsSocket>(fd, context_); }

 private:
  [[noreturn]] void fail(const char* what, const std::string& file) {
    const std::string reason = last_error();
    SSL_CTX_free(context_);
    throw std::runtime_error(std::string("TLS ") + what + " " + file + " cannot be used: " + reason);
  }

  SSL_CTX* context_;
};

}  // namespace

std::shared_ptr<TlsContext> TlsContext::open(const TlsFiles& files) { return std::make_shared<OpenSslContext>(files); }
bool TlsContext::available() { return true; }

}  // namespace headrace

#else

#include <stdexcept>

namespace headrace {

std::shared_ptr<TlsContext> TlsContext::open(const TlsFiles&) {
  throw std::runtime_error("this build has no TLS: OpenSSL's headers were not there");
}
bool TlsContext::available() { return false; }

}  // namespace headrace

#endif
