// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/hyper_kernels.hpp"

#include <cstring>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace gsem::entropy {

void tile_scalar(const TileInput& in, const int16_t* weight, int32_t (*sums)[kTileOutputs]) {
  for (int p = 0; p < kTilePixels; p++) {
    int32_t acc[kTileOutputs] = {}; // local: the compiler need not fear that it overlaps the inputs
    const int16_t* w = weight;
    for (int row = 0; row < in.rows; row++) {
      const int16_t* x = in.pixel[p] + row * in.row_stride;
      for (int k = 0; k < in.row_len; k += 2, w += 2 * kTileOutputs) {
        const int32_t x0 = x[k], x1 = x[k + 1];
        for (int o = 0; o < kTileOutputs; o++)
          acc[o] += x0 * w[2 * o] + x1 * w[2 * o + 1];
      }
    }
    std::memcpy(sums[p], acc, sizeof acc);
  }
}

#if defined(__x86_64__) || defined(__i386__)

static inline int32_t load_pair(const int16_t* p) {
  int32_t v;
  std::memcpy(&v, p, 4);
  return v;
}

__attribute__((target("sse2"))) void tile_sse2(const TileInput& in, const int16_t* weight,
                                               int32_t (*sums)[kTileOutputs]) {
  // Two pixels at a time: eight accumulators, four weights and two inputs fit the sixteen registers.
  for (int p = 0; p < kTilePixels; p += 2) {
    __m128i acc[2][4];
    for (auto& row : acc)
      for (auto& a : row)
        a = _mm_setzero_si128();
    const int16_t* w = weight;
    for (int row = 0; row < in.rows; row++) {
      const int16_t* x0 = in.pixel[p] + row * in.row_stride;
      const int16_t* x1 = in.pixel[p + 1] + row * in.row_stride;
      for (int k = 0; k < in.row_len; k += 2, w += 2 * kTileOutputs) {
        const __m128i a = _mm_set1_epi32(load_pair(x0 + k)), b = _mm_set1_epi32(load_pair(x1 + k));
        for (int j = 0; j < 4; j++) {
          const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(w) + j);
          acc[0][j] = _mm_add_epi32(acc[0][j], _mm_madd_epi16(a, v));
          acc[1][j] = _mm_add_epi32(acc[1][j], _mm_madd_epi16(b, v));
        }
      }
    }
    for (int q = 0; q < 2; q++)
      for (int j = 0; j < 4; j++)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(sums[p + q]) + j, acc[q][j]);
  }
}

__attribute__((target("avx2"))) void tile_avx2(const TileInput& in, const int16_t* weight,
                                               int32_t (*sums)[kTileOutputs]) {
  __m256i acc[kTilePixels][2];
  for (auto& row : acc)
    for (auto& a : row)
      a = _mm256_setzero_si256();
  for (int row = 0; row < in.rows; row++) {
    const int16_t* x[kTilePixels];
    for (int p = 0; p < kTilePixels; p++)
      x[p] = in.pixel[p] + row * in.row_stride;
    for (int k = 0; k < in.row_len; k += 2, weight += 2 * kTileOutputs) {
      const __m256i lo = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weight));
      const __m256i hi = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weight) + 1);
      for (int p = 0; p < kTilePixels; p++) {
        const __m256i v = _mm256_set1_epi32(load_pair(x[p] + k));
        acc[p][0] = _mm256_add_epi32(acc[p][0], _mm256_madd_epi16(v, lo));
        acc[p][1] = _mm256_add_epi32(acc[p][1], _mm256_madd_epi16(v, hi));
      }
    }
  }
  for (int p = 0; p < kTilePixels; p++)
    for (int j = 0; j < 2; j++)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums[p]) + j, acc[p][j]);
}

#endif

} // namespace gsem::entropy
