// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/runtime/models.hpp"

#include <cstdint>
#include <memory>
#include <vector>

/// Between 8-bit pictures and what networks read and write: float, channels innermost (NHWC), blocks of r x r
/// pixels unshuffled into channels in PyTorch's order (c, dy, dx). No torch here: callers do this on their
/// own threads while the inference thread works.
namespace gsem::runtime {

enum class Filter {
  Cubic,   ///< Catmull-Rom (a = -0.5): for what networks look at; they were trained on such pictures
  Triangle ///< bilinear: for what is shown
};

/// Separable resampling to width x height, antialiased when shrinking; rows of `out` are packed.
void resample(PictureView in, int channels, Filter filter, int width, int height, uint8_t* out,
              int out_stride);

/// `in` as it is when it has that size already, else resampled into `storage`.
PictureView fitted(PictureView in, int channels, Filter filter, int width, int height,
                   std::vector<uint8_t>& storage);

/// Where unshuffled samples go: `pitch` floats a block, this picture's channels from `offset` on.
struct BlockLayout {
  int block = 1; ///< r
  int blocks_x = 0, blocks_y = 0;
  int pitch = 0, offset = 0;
};

/// value = byte * scale + bias. Pixels beyond the picture repeat its edge.
void unshuffle(PictureView in, int channels, const BlockLayout& layout, float scale, float bias, float* out);

/// The reverse into RGB: [-1,1] to 0..255, clamped, rounded; what lies outside `out` is cropped.
void shuffle_to_rgb(const float* in, const BlockLayout& layout, PictureSpan out);

/// As shuffle_to_rgb, the whole square stretched to the size of `out`.
void show_square(const float* in, const BlockLayout& layout, PictureSpan out);

/// 0..1 to 0..255, clamped, rounded.
void to_bytes(const float* in, size_t count, uint8_t* out);

/// Float memory, 64-byte aligned, taken from and given back to a small pool so that a frame allocates
/// nothing. Thread-safe; a buffer may outlive its pool.
class BufferPool {
public:
  BufferPool();
  /// At least `count` floats with any content.
  std::shared_ptr<float> take(size_t count);

private:
  struct Free;
  std::shared_ptr<Free> free_;
};

} // namespace gsem::runtime
