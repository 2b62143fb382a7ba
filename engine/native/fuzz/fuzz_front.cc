// Target: the whole front over real sockets, with threads behind it.
#include "door_world.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headrace::fuzz;
  static auto* world = new DoorWorld(1);  // as long as the process: making one takes longer than a visit
  static unsigned turn = 0;
  world->visit({reinterpret_cast<const char*>(data), size});
  if (++turn % 64 == 0) {
    world->interfere(turn);
    world->must_be_idle();
  }
  return 0;
}
