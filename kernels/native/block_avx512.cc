// 64 rows a vector, sets of rows as mask registers. Compiled with -mavx512bw and run only where the processor has it.
#include "blocks.h"

#if defined(__AVX512BW__)
#include <immintrin.h>
#endif

namespace headrace::forest {

#if defined(__AVX512BW__)
namespace {

#include "block_kernel.h"

struct Lanes8 {
  using Element = std::uint8_t;
  using Set = std::uint64_t;
  using Index = __m512i;
  static constexpr std::size_t kRows = 64;

  static Set all() { return ~Set{0}; }
  static Set at_most(const std::uint8_t* ranks, std::uint8_t rank) {
    return _mm512_cmple_epu8_mask(_mm512_load_si512(ranks), _mm512_set1_epi8(static_cast<char>(rank)));
  }
  static Set both(Set a, Set b) { return a & b; }
  static Set but(Set a, Set b) { return a & ~b; }
  static Index none() { return _mm512_setzero_si512(); }
  static void put(Index& found, Set rows, Index leaf) { found = _mm512_mask_mov_epi8(found, rows, leaf); }
  static Index next(Index leaf) { return _mm512_add_epi8(leaf, _mm512_set1_epi8(1)); }
  static void store(std::uint8_t* to, Index found) { _mm512_store_si512(to, found); }
};

struct Lanes16 {
  using Element = std::uint16_t;
  using Set = std::uint32_t;
  using Index = __m512i;
  static constexpr std::size_t kRows = 32;

  static Set all() { return ~Set{0}; }
  static Set at_most(const std::uint16_t* ranks, std::uint16_t rank) {
    return _mm512_cmple_epu16_mask(_mm512_load_si512(ranks), _mm512_set1_epi16(static_cast<short>(rank)));
  }
  static Set both(Set a, Set b) { return a & b; }
  static Set but(Set a, Set b) { return a & ~b; }
  static Index none() { return _mm512_setzero_si512(); }
  static void put(Index& found, Set rows, Index leaf) { found = _mm512_mask_mov_epi16(found, rows, leaf); }
  static Index next(Index leaf) { return _mm512_add_epi16(leaf, _mm512_set1_epi16(1)); }
  static void store(std::uint16_t* to, Index found) { _mm512_store_si512(to, found); }
};

std::uint32_t count_below(const float* thresholds, float value) {
  const __mmask16 below = _mm512_cmp_ps_mask(_mm512_loadu_ps(thresholds), _mm512_set1_ps(value), _CMP_LT_OQ);
  return static_cast<std::uint32_t>(_mm_popcnt_u32(below));
}

template <typename T>
void rank(const Bins* bins, std::size_t n_bins, const float* row, T* ranks, std::size_t stride) {
  rank_row(bins, n_bins, row, ranks, stride, count_below);
}

template <typename Lanes>
void leaves(const Blocks& blocks, std::size_t tree, const BlockScratch& scratch) {
  find_leaves<Lanes>(blocks, tree, scratch);
}

void add_f64(double* sums, const double* values, const std::uint8_t* leaf) {
  for (int row = 0; row < 64; row += 16) {
    const __m512i at = _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(leaf + row)));
    const __m512d low = _mm512_i32gather_pd(_mm512_castsi512_si256(at), values, 8);
    const __m512d high = _mm512_i32gather_pd(_mm512_extracti64x4_epi64(at, 1), values, 8);
    _mm512_store_pd(sums + row, _mm512_add_pd(_mm512_load_pd(sums + row), low));
    _mm512_store_pd(sums + row + 8, _mm512_add_pd(_mm512_load_pd(sums + row + 8), high));
  }
}

void add_f32(float* sums, const float* values, const std::uint8_t* leaf) {
  for (int row = 0; row < 64; row += 16) {
    const __m512i at = _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(leaf + row)));
    _mm512_store_ps(sums + row, _mm512_add_ps(_mm512_load_ps(sums + row), _mm512_i32gather_ps(at, values, 4)));
  }
}

constexpr Instructions kInstructions = {"avx512", 8, 64, 32, rank<std::uint8_t>, rank<std::uint16_t>,
                                        leaves<Lanes8>, leaves<Lanes16>, add_f64, add_f32};

}  // namespace

const Instructions* const kAvx512 = &kInstructions;

#else

const Instructions* const kAvx512 = nullptr;

#endif

}  // namespace headrace::forest
