// BLAKE2b with a 64-bit digest and no key: the hash behind sticky splits. Reference: RFC 7693.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace headrace {

namespace blake2b_detail {

inline constexpr std::array<std::uint64_t, 8> kInitial = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

inline constexpr std::uint8_t kSigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

inline std::uint64_t rotate_right(std::uint64_t value, unsigned bits) { return (value >> bits) | (value << (64 - bits)); }

inline void compress(std::array<std::uint64_t, 8>& state, const char* block, std::uint64_t total, bool last) {
  std::array<std::uint64_t, 16> message;
  std::memcpy(message.data(), block, 128);  // little-endian machines only, as the wire format of tensors
  std::array<std::uint64_t, 16> v;
  for (std::size_t i = 0; i < 8; ++i) {
    v[i] = state[i];
    v[i + 8] = kInitial[i];
  }
  v[12] ^= total;
  if (last) v[14] = ~v[14];
  const auto mix = [&v](std::size_t a, std::size_t b, std::size_t c, std::size_t d, std::uint64_t x, std::uint64_t y) {
    v[a] += v[b] + x;
    v[d] = rotate_right(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = rotate_right(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = rotate_right(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotate_right(v[b] ^ v[c], 63);
  };
  for (std::size_t round = 0; round < 12; ++round) {
    const auto* sigma = kSigma[round % 10];
    for (std::size_t i = 0; i < 4; ++i)
      mix(i, 4 + i, 8 + i, 12 + i, message[sigma[2 * i]], message[sigma[2 * i + 1]]);
    for (std::size_t i = 0; i < 4; ++i)
      mix(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, message[sigma[8 + 2 * i]], message[sigma[9 + 2 * i]]);
  }
  for (std::size_t i = 0; i < 8; ++i) state[i] ^= v[i] ^ v[i + 8];
}

}  // namespace blake2b_detail

/// The digest's eight bytes as a big-endian number.
inline std::uint64_t blake2b_64(std::string_view content) {
  auto state = blake2b_detail::kInitial;
  state[0] ^= 0x01010000 ^ 8;  // sequential, no key, eight bytes out
  std::size_t at = 0;
  while (content.size() - at > 128) {
    blake2b_detail::compress(state, content.data() + at, at + 128, false);
    at += 128;
  }
  char block[128] = {};
  if (content.size() > at) std::memcpy(block, content.data() + at, content.size() - at);
  blake2b_detail::compress(state, block, content.size(), true);
  return __builtin_bswap64(state[0]);
}

}  // namespace headrace
