// A run: its threads, and what they saw together.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "loop.h"
#include "settings.h"

namespace headrace::load {

class Generator {
 public:
  explicit Generator(Settings settings);
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  // Connect and begin; returns why it could not, or an empty text.
  std::string start();
  // Wait at most so long; whether the run is over.
  bool wait(double seconds);
  // Send nothing more; what is in flight may still be answered.
  void stop() { stop_.store(true, std::memory_order_relaxed); }

  const Settings& settings() const { return settings_; }
  const std::vector<std::unique_ptr<Loop>>& loops() const { return loops_; }

 private:
  const Settings settings_;
  Addresses addresses_;
  SslContext ssl_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::condition_variable finished_;
  std::size_t running_ = 0;
};

}  // namespace headrace::load
