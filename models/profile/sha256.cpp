// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/profile/sha256.hpp"

#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace gsem::profile {
namespace {

using State = std::array<uint32_t, 8>;
using Compress = void (*)(State& state, const uint8_t* data, size_t blocks);

constexpr State kInitial = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                            0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

alignas(16) constexpr uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

uint32_t load_be32(const uint8_t* p) {
  return static_cast<uint32_t>(p[0]) << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

void store_be32(uint8_t* p, uint32_t value) {
  for (int i = 0; i < 4; i++)
    p[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

void compress_scalar(State& state, const uint8_t* data, size_t blocks) {
  for (; blocks != 0; blocks--, data += 64) {
    uint32_t w[64];
    for (int i = 0; i < 16; i++)
      w[i] = load_be32(data + 4 * i);
    for (int i = 16; i < 64; i++) {
      const uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
      const uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (int i = 0; i < 64; i++) {
      const uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
      const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kRound[i] + w[i];
      const uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
      const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    const State step = {a, b, c, d, e, f, g, h};
    for (size_t i = 0; i < 8; i++)
      state[i] += step[i];
  }
}

#if defined(__x86_64__)
// The instruction pair works on the state as (a,b,e,f) and (c,d,g,h), four rounds a step.
__attribute__((target("sha,sse4.1"))) void compress_sha_ni(State& state, const uint8_t* data, size_t blocks) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  auto u32 = [](uint32_t v) { return static_cast<int>(v); };
  __m128i abef = _mm_set_epi32(u32(state[0]), u32(state[1]), u32(state[4]), u32(state[5]));
  __m128i cdgh = _mm_set_epi32(u32(state[2]), u32(state[3]), u32(state[6]), u32(state[7]));
  for (; blocks != 0; blocks--, data += 64) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i w[4];
    for (int i = 0; i < 4; i++)
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data + 16 * i)), swap);
    for (int i = 0; i < 16; i++) {
      const __m128i words = w[0];
      const __m128i input =
          _mm_add_epi32(words, _mm_load_si128(reinterpret_cast<const __m128i*>(kRound + 4 * i)));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, input);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(input, 0x0e));
      const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(words, w[1]), _mm_alignr_epi8(w[3], w[2], 4));
      const __m128i next = _mm_sha256msg2_epu32(sum, w[3]);
      w[0] = w[1], w[1] = w[2], w[2] = w[3], w[3] = next;
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  alignas(16) uint32_t low[4], high[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(low), abef);
  _mm_store_si128(reinterpret_cast<__m128i*>(high), cdgh);
  state = {low[3], low[2], high[3], high[2], low[1], low[0], high[1], high[0]};
}

bool have_sha_ni() {
  // __builtin_cpu_supports knows no "sha" in GCC 12.
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) != 0;
}
#endif

Digest digest_with(ByteView bytes, Compress compress) {
  State state = kInitial;
  const size_t whole = bytes.size() / 64, rest = bytes.size() % 64;
  compress(state, bytes.data(), whole);
  uint8_t tail[128] = {};
  if (rest != 0)
    std::memcpy(tail, bytes.data() + 64 * whole, rest);
  tail[rest] = 0x80;
  const size_t tail_blocks = rest < 56 ? 1 : 2;
  const uint64_t bits = static_cast<uint64_t>(bytes.size()) * 8;
  store_be32(tail + 64 * tail_blocks - 8, static_cast<uint32_t>(bits >> 32));
  store_be32(tail + 64 * tail_blocks - 4, static_cast<uint32_t>(bits));
  compress(state, tail, tail_blocks);
  Digest digest;
  for (size_t i = 0; i < 8; i++)
    store_be32(digest.data() + 4 * i, state[i]);
  return digest;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

} // namespace

Digest sha256_scalar(ByteView bytes) {
  return digest_with(bytes, compress_scalar);
}

Digest sha256(ByteView bytes) {
#if defined(__x86_64__)
  static const Compress compress = have_sha_ni() ? compress_sha_ni : compress_scalar;
  return digest_with(bytes, compress);
#else
  return sha256_scalar(bytes);
#endif
}

std::string to_hex(ByteView bytes) {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (uint8_t byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

bool from_hex(const std::string& text, Bytes& out) {
  if (text.size() % 2 != 0)
    return false;
  out.clear();
  out.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]), low = hex_value(text[i + 1]);
    if (high < 0 || low < 0)
      return false;
    out.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return true;
}

} // namespace gsem::profile
