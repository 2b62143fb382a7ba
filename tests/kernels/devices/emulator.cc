// The emulator's fibres; see emulator.h. x86-64 and any other POSIX machine (through ucontext).
#include "emulator.h"

#include <sys/mman.h>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <string>

namespace emu {

thread_local Fibre* now = nullptr;
thread_local emu_dim3 block_index, block_dim, grid_dim;
thread_local std::vector<Exchange>* exchanges = nullptr;

}  // namespace emu

extern "C" __attribute__((weak)) char __start_emu_shared[];
extern "C" __attribute__((weak)) char __stop_emu_shared[];

#if defined(__x86_64__)
// Saves what a call must keep, changes stacks, and goes on where the other one was left.
asm(R"(
.text
.hidden emu_switch
.globl emu_switch
emu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
extern "C" void emu_switch(void** save, void* load);
#else
#error "the emulator's fibres are written for x86-64"
#endif

namespace emu {
namespace {

constexpr size_t STACK_BYTES = 64 * 1024;

thread_local void* scheduler = nullptr;
thread_local void (*body)(void**) = nullptr;
thread_local void** body_arguments = nullptr;
thread_local std::string failure;

void enter() {
  if (failure.empty()) body(body_arguments);
  now->waits = Wait::OVER;
  emu_switch(&now->stack_pointer, scheduler);
  std::abort();
}

void prepare(Fibre& fibre) {
  auto* top = reinterpret_cast<void**>(fibre.stack + STACK_BYTES);
  *--top = nullptr;                              // keeps the stack aligned as after a call
  *--top = reinterpret_cast<void*>(&enter);      // where `ret` goes
  for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
  fibre.stack_pointer = top;
  fibre.waits = Wait::NOTHING;
  fibre.warp_turns = 0;
}

bool release(std::vector<Fibre>& fibres, unsigned threads) {
  bool released = false;
  unsigned over = 0, at_block = 0;
  for (unsigned i = 0; i < threads; ++i) {
    over += fibres[i].waits == Wait::OVER;
    at_block += fibres[i].waits == Wait::BLOCK;
  }
  if (at_block && at_block + over == threads) {
    for (unsigned i = 0; i < threads; ++i) {
      if (fibres[i].waits == Wait::BLOCK) fibres[i].waits = Wait::NOTHING;
    }
    released = true;
  }
  for (unsigned warp = 0; warp * 32 < threads; ++warp) {
    Exchange& each = (*exchanges)[warp];
    if (!each.arrived || each.arrived != each.named) continue;
    for (unsigned lane = 0; lane < 32 && warp * 32 + lane < threads; ++lane) {
      if (each.arrived >> lane & 1) fibres[warp * 32 + lane].waits = Wait::NOTHING;
    }
    each.arrived = each.named = 0;
    released = true;
  }
  return released;
}

}  // namespace

void fail(const char* message) {
  if (failure.empty()) failure = message;
}

void pause(Wait why) {
  now->waits = why;
  emu_switch(&now->stack_pointer, scheduler);
}

void meet(unsigned mask, const void* value, size_t size) {
  Exchange& mine = exchange();
  if (!(mask >> lane() & 1)) fail("a lane calls a warp collective that does not name it");
  if (mine.arrived && mine.named != mask) fail("lanes of a warp meet at collectives that name different lanes");
  std::memcpy(mine.slots[now->warp_turns & 1][lane()], value, size);
  ++now->warp_turns;
  mine.named = mask;
  mine.arrived |= 1u << lane();
  pause(Wait::WARP);
}

}  // namespace emu

// Runs a kernel: 0, or 1 with a message.
extern "C" int emu_run(void (*kernel)(void**), unsigned blocks, unsigned threads, void** arguments, unsigned seed,
                       char* message, size_t message_bytes) {
  using namespace emu;
  static thread_local std::vector<Fibre> fibres;
  static thread_local std::vector<Exchange> warps;
  exchanges = &warps;
  failure.clear();
  while (fibres.size() < threads) {
    void* stack = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) return 1;
    fibres.push_back({nullptr, static_cast<char*>(stack), Wait::NOTHING, static_cast<unsigned>(fibres.size()), 0});
  }
  warps.resize((threads + 31) / 32);
  std::mt19937 random(seed);
  std::vector<unsigned> order(blocks), turns(threads);
  for (unsigned i = 0; i < blocks; ++i) order[i] = i;
  for (unsigned i = 0; i < threads; ++i) turns[i] = i;
  if (seed) std::shuffle(order.begin(), order.end(), random);
  body = kernel;
  body_arguments = arguments;
  block_dim = {threads, 1, 1};
  grid_dim = {blocks, 1, 1};
  for (unsigned block : order) {
    block_index = {block, 0, 0};
    if (__start_emu_shared) std::memset(__start_emu_shared, 0xcb, static_cast<size_t>(__stop_emu_shared - __start_emu_shared));
    if (seed) std::shuffle(turns.begin(), turns.end(), random);
    for (unsigned i = 0; i < threads; ++i) prepare(fibres[i]);
    for (auto& each : warps) each.named = each.arrived = 0;
    for (;;) {
      bool ran = false, all_over = true;
      for (unsigned turn : turns) {
        Fibre& fibre = fibres[turn];
        if (fibre.waits == Wait::NOTHING) {
          now = &fibre;
          emu_switch(&scheduler, fibre.stack_pointer);
          ran = true;
        }
        all_over = all_over && fibre.waits == Wait::OVER;
      }
      if (!failure.empty()) break;
      if (all_over) break;
      if (!release(fibres, threads) && !ran) {
        fail("threads of a block wait for each other at different places");
        break;
      }
    }
    if (!failure.empty()) break;
  }
  if (failure.empty()) return 0;
  std::snprintf(message, message_bytes, "%s (block %u)", failure.c_str(), block_index.x);
  return 1;
}
