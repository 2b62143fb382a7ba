#include "generator.h"

#include <chrono>
#include <utility>

#include "clock.h"

namespace headrace::load {

namespace {

constexpr std::int64_t kLeadIn = 2'000'000;  // until every thread is there, so that they begin together

}  // namespace

Generator::Generator(Settings settings) : settings_(std::move(settings)) {}

Generator::~Generator() {
  stop();
  for (std::thread& thread : threads_) thread.join();
}

std::string Generator::start() {
  std::string error;
  ssl_ = make_ssl_context(settings_, error);
  if (!error.empty()) return error;
  addresses_ = resolve(settings_, error);
  // A name with several addresses (localhost: IPv6, then IPv4) is tried in order.
  for (const addrinfo* address = addresses_.get(); address != nullptr; address = address->ai_next) {
    loops_.clear();
    error.clear();
    for (std::size_t thread = 0; thread < settings_.threads && error.empty(); ++thread) {
      loops_.push_back(std::make_unique<Loop>(settings_, Reach{address, &ssl_}, thread));
      error = loops_.back()->connect();
    }
    if (error.empty()) break;
  }
  if (!error.empty()) return error;
  running_ = loops_.size();
  const std::int64_t begin = now_ns() + kLeadIn;
  for (const auto& loop : loops_) {
    threads_.emplace_back([this, begin, own = loop.get()] {
      std::this_thread::sleep_for(std::chrono::nanoseconds(begin - now_ns()));
      own->run(begin, stop_);
      const std::lock_guard lock(mutex_);
      --running_;
      finished_.notify_all();
    });
  }
  return {};
}

bool Generator::wait(double seconds) {
  std::unique_lock lock(mutex_);
  return finished_.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return running_ == 0; });
}

}  // namespace headrace::load
