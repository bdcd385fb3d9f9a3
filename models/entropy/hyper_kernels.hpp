// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>

/// The one hot loop of the hyper-decoder: 4 pixels x 16 outputs of a convolution. Private to models/entropy.
namespace gsem::entropy {

inline constexpr int kTilePixels = 4, kTileOutputs = 16;

struct TileInput {
  const int16_t* pixel[kTilePixels]; ///< first input of the first row of taps
  ptrdiff_t row_stride;              ///< from one row of taps to the next, in numbers
  int rows, row_len;                 ///< row_len even
};

/// sums[pixel][output] of weight x input; no intermediate leaves 32 bits (checked at load).
using TileKernel = void (*)(const TileInput& in, const int16_t* weight, int32_t (*sums)[kTileOutputs]);

void tile_scalar(const TileInput& in, const int16_t* weight, int32_t (*sums)[kTileOutputs]);
#if defined(__x86_64__) || defined(__i386__)
void tile_sse2(const TileInput& in, const int16_t* weight, int32_t (*sums)[kTileOutputs]);
void tile_avx2(const TileInput& in, const int16_t* weight, int32_t (*sums)[kTileOutputs]);
#endif

} // namespace gsem::entropy
