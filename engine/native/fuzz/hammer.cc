// Many clients, executors and operators at one front at once: what a sanitizer of threads has to see.
//
//     hammer SECONDS [SEED]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "door_world.h"

namespace {

using Clock = std::chrono::steady_clock;

/// Mostly whole calls, a wait or a reset in between, seldom nonsense.
std::string random_script(std::mt19937& random) {
  static constexpr unsigned char kUsual[] = {15, 31, 47, 63, 8, 10, 15, 143, 5, 8, 15, 15};
  const unsigned nonsense = random() % 4 == 0 ? 8 : 200;
  std::string script(1 + random() % 100, '\0');
  for (auto& byte : script)
    byte = static_cast<char>(random() % nonsense == 0 ? random() : kUsual[random() % sizeof kUsual]);
  script.front() = 0;
  return script;
}

void hammer_once(unsigned seed, Clock::time_point until) {
  using namespace headrace::fuzz;
  DoorWorld world(3);
  std::vector<std::thread> threads;
  std::atomic<bool> over{false};
  std::atomic<unsigned> visits{0};
  for (unsigned client = 0; client < 4; ++client) {
    threads.emplace_back([&, client] {
      std::mt19937 random(seed * 16 + client);
      while (!over) {
        world.visit(random_script(random));
        ++visits;
      }
    });
  }
  threads.emplace_back([&] {
    for (unsigned turn = seed; !over; ++turn) {
      world.interfere(turn);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  const auto round_ends = std::min(until, Clock::now() + std::chrono::seconds(2));
  std::this_thread::sleep_until(round_ends);
  if (seed % 2 == 0) world.front.drain(0.05);  // under load
  over = true;
  if (seed % 2 == 0) world.front.close();
  for (auto& thread : threads) thread.join();
  if (seed % 2 == 1) world.must_be_idle();
  std::printf("round %u: %u visits, %llu native requests\n", seed, visits.load(),
              static_cast<unsigned long long>(world.front.counts().native_requests));
}

}  // namespace

int main(int count, char** arguments) {
  const auto until = Clock::now() + std::chrono::seconds(count > 1 ? std::atoi(arguments[1]) : 10);
  const auto first = static_cast<unsigned>(count > 2 ? std::atoi(arguments[2]) : 1);
  for (unsigned seed = first; Clock::now() < until; ++seed) hammer_once(seed, until);
  return 0;
}
