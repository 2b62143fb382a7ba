// 32 rows a vector. Compiled with -mavx2 and run only where the processor has it.
#include "blocks.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace headrace::forest {

#if defined(__AVX2__)
namespace {

#include "block_kernel.h"

struct Lanes8 {
  using Element = std::uint8_t;
  using Set = __m256i;
  using Index = __m256i;
  static constexpr std::size_t kRows = 32;

  static Set all() { return _mm256_set1_epi8(-1); }
  static Set at_most(const std::uint8_t* ranks, std::uint8_t rank) {
    const __m256i values = _mm256_load_si256(reinterpret_cast<const __m256i*>(ranks));
    const __m256i limit = _mm256_set1_epi8(static_cast<char>(rank));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(values, limit), values);
  }
  static Set both(Set a, Set b) { return _mm256_and_si256(a, b); }
  static Set but(Set a, Set b) { return _mm256_andnot_si256(b, a); }
  static Index none() { return _mm256_setzero_si256(); }
  static void put(Index& found, Set rows, Index leaf) { found = _mm256_or_si256(found, _mm256_and_si256(rows, leaf)); }
  static Index next(Index leaf) { return _mm256_sub_epi8(leaf, _mm256_set1_epi8(-1)); }
  static void store(std::uint8_t* to, Index found) { _mm256_store_si256(reinterpret_cast<__m256i*>(to), found); }
};

struct Lanes16 : Lanes8 {
  using Element = std::uint16_t;
  static constexpr std::size_t kRows = 16;

  static Set at_most(const std::uint16_t* ranks, std::uint16_t rank) {
    const __m256i values = _mm256_load_si256(reinterpret_cast<const __m256i*>(ranks));
    const __m256i limit = _mm256_set1_epi16(static_cast<short>(rank));
    return _mm256_cmpeq_epi16(_mm256_min_epu16(values, limit), values);
  }
  static Index next(Index leaf) { return _mm256_sub_epi16(leaf, _mm256_set1_epi16(-1)); }
  static void store(std::uint16_t* to, Index found) { _mm256_store_si256(reinterpret_cast<__m256i*>(to), found); }
};

std::uint32_t count_below(const float* thresholds, float value) {
  const __m256 x = _mm256_set1_ps(value);
  const __m256 first = _mm256_cmp_ps(_mm256_loadu_ps(thresholds), x, _CMP_LT_OQ);
  const __m256 second = _mm256_cmp_ps(_mm256_loadu_ps(thresholds + 8), x, _CMP_LT_OQ);
  const int below = _mm256_movemask_ps(first) | _mm256_movemask_ps(second) << 8;
  return static_cast<std::uint32_t>(_mm_popcnt_u32(static_cast<unsigned>(below)));
}

template <typename T>
void rank(const Bins* bins, std::size_t n_bins, const float* row, T* ranks, std::size_t stride) {
  rank_row(bins, n_bins, row, ranks, stride, count_below);
}

template <typename Lanes>
void leaves(const Blocks& blocks, std::size_t tree, const BlockScratch& scratch) {
  find_leaves<Lanes>(blocks, tree, scratch);
}

template <typename T>
void add(T* sums, const T* values, const std::uint8_t* leaf) {
  for (int row = 0; row < 32; ++row) sums[row] += values[leaf[row]];
}

constexpr Instructions kInstructions = {"avx2", 32, 32, 16, rank<std::uint8_t>, rank<std::uint16_t>,
                                        leaves<Lanes8>, leaves<Lanes16>, add<double>, add<float>};

}  // namespace

const Instructions* const kAvx2 = &kInstructions;

#else

const Instructions* const kAvx2 = nullptr;

#endif

}  // namespace headrace::forest
