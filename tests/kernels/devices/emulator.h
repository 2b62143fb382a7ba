// Runs CUDA kernels on the CPU, thread by thread, so that their results can be checked where there is no GPU.
//
// Each thread of a block is a fibre that runs until it waits: at __syncthreads, or at a warp collective until all lanes
// that it names have come. Fibres, warps and blocks take turns in an order drawn from a seed: a kernel whose result
// depends on it has a race. Shared memory is filled with garbage before each block. Nothing here is fast.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

struct emu_dim3 {
  unsigned x, y, z;
};

namespace emu {

enum class Wait { NOTHING, BLOCK, WARP, OVER };

struct Fibre {
  void* stack_pointer = nullptr;
  char* stack = nullptr;
  Wait waits = Wait::NOTHING;
  unsigned index = 0;
  unsigned warp_turns = 0;
};

struct Exchange {  // of one warp: a slot a lane, twice, since a quick lane may write its next value early
  alignas(16) unsigned char slots[2][32][16];
  unsigned named = 0;
  unsigned arrived = 0;
};

extern thread_local Fibre* now;
extern thread_local emu_dim3 block_index, block_dim, grid_dim;
extern thread_local std::vector<Exchange>* exchanges;

void fail(const char* message);
void pause(Wait why);
void meet(unsigned mask, const void* value, size_t size);

inline Exchange& exchange() { return (*exchanges)[now->index / 32]; }
inline unsigned lane() { return now->index % 32; }

template <class T>
T read_slot(unsigned from) {
  T value;
  std::memcpy(&value, exchange().slots[(now->warp_turns - 1) & 1][from & 31], sizeof value);
  return value;
}

template <class... A, size_t... I>
void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
  kernel(*static_cast<std::remove_reference_t<A>*>(arguments[I])...);
}
template <class... A>
void call(void (*kernel)(A...), void** arguments) {
  call(kernel, arguments, std::index_sequence_for<A...>{});
}

}  // namespace emu

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline
#if defined(__SANITIZE_ADDRESS__)
#define __shared__ static  // between red zones instead of full of garbage
#else
#define __shared__ static __attribute__((section("emu_shared")))
#endif
#define __launch_bounds__(...)
#define __restrict__ __restrict
#define threadIdx (emu_dim3{emu::now->index, 0, 0})
#define blockIdx (emu::block_index)
#define blockDim (emu::block_dim)
#define gridDim (emu::grid_dim)

inline void __syncthreads() { emu::pause(emu::Wait::BLOCK); }
inline int __syncthreads_or(int) = delete;

template <class T>
T __shfl_sync(unsigned mask, T value, unsigned from, int = 32) {
  emu::meet(mask, &value, sizeof value);
  return emu::read_slot<T>(from);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int = 32) {
  emu::meet(mask, &value, sizeof value);
  return emu::lane() < distance ? value : emu::read_slot<T>(emu::lane() - distance);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int = 32) {
  emu::meet(mask, &value, sizeof value);
  return emu::lane() + distance > 31 ? value : emu::read_slot<T>(emu::lane() + distance);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, unsigned bits, int = 32) {
  emu::meet(mask, &value, sizeof value);
  return emu::read_slot<T>(emu::lane() ^ bits);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  emu::meet(mask, &predicate, sizeof predicate);
  unsigned result = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (mask >> lane & 1 && emu::read_slot<int>(lane)) result |= 1u << lane;
  }
  return result;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) == mask; }
template <class T>
unsigned __match_any_sync(unsigned mask, T value) {
  emu::meet(mask, &value, sizeof value);
  unsigned result = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (mask >> lane & 1 && emu::read_slot<T>(lane) == value) result |= 1u << lane;
  }
  return result;
}
inline void __syncwarp(unsigned mask = 0xffffffffu) {
  const char nothing = 0;
  emu::meet(mask, &nothing, 1);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T>
T atomicAdd(T* place, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>, "sums of floats in no order have no bits of their own");
  const T before = *place;
  *place = static_cast<T>(static_cast<std::make_unsigned_t<T>>(before) + static_cast<std::make_unsigned_t<T>>(value));
  return before;
}
template <class T>
T atomicMax(T* place, std::type_identity_t<T> value) {
  const T before = *place;
  if (value > before) *place = value;
  return before;
}
template <class T>
T atomicMin(T* place, std::type_identity_t<T> value) {
  const T before = *place;
  if (value < before) *place = value;
  return before;
}
template <class T>
T atomicOr(T* place, std::type_identity_t<T> value) {
  const T before = *place;
  *place = before | value;
  return before;
}
template <class T>
T atomicExch(T* place, std::type_identity_t<T> value) {
  const T before = *place;
  *place = value;
  return before;
}
template <class T>
T atomicCAS(T* place, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  const T before = *place;
  if (before == expected) *place = value;
  return before;
}

template <class T>
T __ldg(const T* place) {
  return *place;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>((static_cast<unsigned __int128>(a) * b) >> 64);
}
template <class To, class From>
To emu_bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}
inline long long __double_as_longlong(double x) { return emu_bits<long long>(x); }
inline double __longlong_as_double(long long x) { return emu_bits<double>(x); }
inline int __float_as_int(float x) { return emu_bits<int>(x); }
inline unsigned __float_as_uint(float x) { return emu_bits<unsigned>(x); }
inline float __int_as_float(int x) { return emu_bits<float>(x); }
inline float __uint_as_float(unsigned x) { return emu_bits<float>(x); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return std::sqrt(a); }
inline double __ll2double_rn(long long x) { return static_cast<double>(x); }
inline double __ull2double_rn(unsigned long long x) { return static_cast<double>(x); }
inline long long __double2ll_rn(double x) { return static_cast<long long>(std::nearbyint(x)); }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
inline long long min(long long a, long long b) { return a < b ? a : b; }
inline long long max(long long a, long long b) { return a > b ? a : b; }
inline unsigned long long min(unsigned long long a, unsigned long long b) { return a < b ? a : b; }
inline unsigned long long max(unsigned long long a, unsigned long long b) { return a > b ? a : b; }
using std::ceil;
using std::fabs;
using std::floor;
using std::rint;
using std::sqrt;
