// A whole front with everybody who works behind it: executors, a service, a listener for withdrawals.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "front.h"

namespace headrace::fuzz {

class DoorWorld {
 public:
  explicit DoorWorld(std::size_t executors);
  ~DoorWorld();
  DoorWorld(const DoorWorld&) = delete;
  DoorWorld& operator=(const DoorWorld&) = delete;

  /// Connect and do what the script says; returns when the server has closed the connection or all is said.
  void visit(std::string_view script) const;
  /// Nothing waits, runs or is connected any more; aborts where that does not come true within ten seconds.
  void must_be_idle();
  /// Swap routes, parameters and credentials, and read every figure, as an operator and a scraper would.
  void interfere(unsigned turn);

  Front front;

 private:
  void execute();
  void serve();
  void talk(const Event& event);

  std::vector<std::shared_ptr<Lane>> lanes_;
  int port_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace headrace::fuzz
