// A gRPC server that costs as little as one can: libnghttp2, one epoll thread, the same answer to every call. It is what a
// load generator is measured on, and no rival. For loopback and well-behaved clients only.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

const std::string kAnswer = std::string("\0\0\0\0\x41", 5) + std::string(0x41, 'x');

nghttp2_nv field(std::string_view name, std::string_view value) {
  auto bytes = [](std::string_view text) { return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data())); };
  return {bytes(name), bytes(value), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

struct Client {
  int fd = -1;
  nghttp2_session* session = nullptr;
  std::string output;

  explicit Client(int accepted) : fd(accepted) {}
  ~Client() {
    nghttp2_session_del(session);
    close(fd);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool flush() {
    const std::uint8_t* data = nullptr;
    while (true) {
      const ssize_t count = nghttp2_session_mem_send(session, &data);
      if (count <= 0) break;
      output.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(count));
    }
    const ssize_t sent = send(fd, output.data(), output.size(), MSG_NOSIGNAL);
    if (sent > 0) output.erase(0, static_cast<std::size_t>(sent));
    return sent >= 0 || errno == EAGAIN;
  }
};

ssize_t write_answer(nghttp2_session* session, std::int32_t stream, std::uint8_t* into, std::size_t /*size*/,
                     std::uint32_t* flags, nghttp2_data_source* /*source*/, void* /*client*/) {
  static const nghttp2_nv trailers[] = {field("grpc-status", "0")};
  std::memcpy(into, kAnswer.data(), kAnswer.size());
  *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
  nghttp2_submit_trailer(session, stream, trailers, 1);
  return static_cast<ssize_t>(kAnswer.size());
}

int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* /*client*/) {
  static const nghttp2_nv head[] = {field(":status", "200"), field("content-type", "application/grpc")};
  const bool request = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
  if (!request || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  nghttp2_data_provider provider{};
  provider.read_callback = write_answer;
  return nghttp2_submit_response(session, frame->hd.stream_id, head, 2, &provider);
}

class Echo {
 public:
  explicit Echo(int port) : epoll_(epoll_create1(0)), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    nghttp2_session_callbacks_new(&callbacks_);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks_, on_frame);
    nghttp2_option_new(&option_);
    nghttp2_option_set_no_http_messaging(option_, 1);
    nghttp2_option_set_no_closed_streams(option_, 1);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    listening_ = bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(listener_, 128) == 0;
    watch(listener_, nullptr);
  }

  bool listening() const { return listening_; }

  void run() {
    std::array<epoll_event, 64> events;
    while (true) {
      const int count = epoll_wait(epoll_, events.data(), events.size(), -1);
      for (int i = 0; i < count; ++i) {
        auto* client = static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr);
        if (client == nullptr) {
          accept_one();
        } else if (!read(*client)) {
          clients_.erase(client->fd);
        }
      }
    }
  }

 private:
  void watch(int fd, Client* client) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = client;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void accept_one() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Client* client = clients_.emplace(fd, std::make_unique<Client>(fd)).first->second.get();
    nghttp2_session_server_new2(&client->session, callbacks_, client, option_);
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000},
                                               {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}};
    nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(client->session, NGHTTP2_FLAG_NONE, 0, 1 << 24);
    watch(fd, client);
    client->flush();
  }

  bool read(Client& client) {
    const ssize_t count = recv(client.fd, buffer_.data(), buffer_.size(), 0);
    if (count <= 0) return count < 0 && errno == EAGAIN;
    return nghttp2_session_mem_recv(client.session, buffer_.data(), static_cast<std::size_t>(count)) >= 0 && client.flush();
  }

  int epoll_;
  int listener_;
  bool listening_ = false;
  nghttp2_session_callbacks* callbacks_ = nullptr;
  nghttp2_option* option_ = nullptr;
  std::unordered_map<int, std::unique_ptr<Client>> clients_;
  std::array<std::uint8_t, 65536> buffer_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "fast_echo PORT\n";
    return 2;
  }
  Echo echo(std::atoi(arguments[1]));
  if (!echo.listening()) return 1;
  echo.run();
}
