// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/hyper_decoder.hpp"

#include "models/entropy/hyper_kernels.hpp"

#include <algorithm>

namespace gsem::entropy {

Simd best_simd() {
#if defined(__x86_64__) || defined(__i386__)
  static const Simd best = __builtin_cpu_supports("avx2")   ? Simd::Avx2
                           : __builtin_cpu_supports("sse2") ? Simd::Sse2
                                                            : Simd::Scalar;
  return best;
#else
  return Simd::Scalar;
#endif
}

static TileKernel kernel(Simd simd) {
#if defined(__x86_64__) || defined(__i386__)
  if (simd == Simd::Avx2)
    return tile_avx2;
  if (simd == Simd::Sse2)
    return tile_sse2;
#endif
  return tile_scalar;
}

static int padded(int channels) {
  return (channels + kTileOutputs - 1) / kTileOutputs * kTileOutputs;
}

static int16_t saturated(int v) {
  return int16_t(std::clamp(v, INT16_MIN, INT16_MAX));
}

static int16_t leak(int v) {
  const int32_t a = std::clamp(v, kActivationMin, kActivationMax);
  return int16_t(std::max(a, a * 6554 >> 16)); // slope 0.1
}

struct HyperDecoder::Plane {
  int height, width, channels, stride; ///< stride: padded channels
  std::vector<int16_t> data;
  Plane(int h, int w, int c)
      : height(h), width(w), channels(c), stride(padded(c)),
        data(size_t(h + 2) * size_t(w + 2) * size_t(stride)) {}
  /// y and x may be -1 .. height, width.
  const int16_t* at(int y, int x) const { return data.data() + offset(y, x); }
  int16_t* at(int y, int x) { return data.data() + offset(y, x); }
  ptrdiff_t row_stride() const { return ptrdiff_t(width + 2) * stride; }

private:
  ptrdiff_t offset(int y, int x) const { return (y + 1) * row_stride() + ptrdiff_t(x + 1) * stride; }
};

HyperDecoder::Packed HyperDecoder::pack(const IntConv& conv, int first_out, int out_step, int count) {
  Packed packed;
  const int stride = padded(conv.in), side = conv.taps == 9 ? 3 : 1;
  packed.tiles = padded(count) / kTileOutputs;
  packed.rows = side;
  packed.row_len = side * stride;
  packed.shift = conv.shift;
  packed.weight.assign(size_t(packed.tiles) * size_t(side) * size_t(packed.row_len) * kTileOutputs, 0);
  packed.bias.assign(size_t(packed.tiles) * kTileOutputs, 1 << (conv.shift - 1));
  for (int i = 0; i < count; i++) {
    const int o = first_out + i * out_step, tile = i / kTileOutputs, lane = i % kTileOutputs;
    packed.bias[size_t(i)] += conv.bias[size_t(o)];
    for (int tap = 0; tap < conv.taps; tap++) {
      for (int c = 0; c < conv.in; c++) {
        const int row = tap / side, k = tap % side * stride + c;
        const size_t pair =
            (size_t(tile) * size_t(side) + size_t(row)) * size_t(packed.row_len / 2) + size_t(k / 2);
        packed.weight[(pair * kTileOutputs + size_t(lane)) * 2 + size_t(k % 2)] =
            conv.weight[(size_t(o) * size_t(conv.taps) + size_t(tap)) * size_t(conv.in) + size_t(c)];
      }
    }
  }
  return packed;
}

HyperDecoder::HyperDecoder(const SignalTable& table)
    : hyper_channels_(table.hyper_channels), channels_(table.channels), up1_channels_(table.up1.out / 4),
      up2_channels_(table.up2.out / 4), hidden_channels_(table.features.out) {
  for (int place = 0; place < 4; place++) {
    up1_[size_t(place)] = pack(table.up1, place, 4, up1_channels_);
    up2_[size_t(place)] = pack(table.up2, place, 4, up2_channels_);
  }
  mean_ = pack(table.mean, 0, 1, channels_);
  scale_ = pack(table.scale, 0, 1, channels_);
  features_ = pack(table.features, 0, 1, hidden_channels_);
  for (size_t parity = 0; parity < 2; parity++) {
    context_[parity] = pack(table.context[parity], 0, 1, hidden_channels_);
    more_mean_[parity] = pack(table.more_mean[parity], 0, 1, channels_ / 2);
    more_scale_[parity] = pack(table.more_scale[parity], 0, 1, channels_ / 2);
  }
  lowest_ = table.thresholds.front() - 1;
  for (int v = lowest_; v <= table.thresholds.back(); v++)
    scale_index_.push_back(uint8_t(std::upper_bound(table.thresholds.begin(), table.thresholds.end(), v) -
                                   table.thresholds.begin()));
}

/// Runs `layer` over `in` and hands every tile's outputs, shifted, to store (y, x, first output, numbers).
template <typename Store>
void HyperDecoder::convolve(const Packed& layer, const Plane& in, Simd simd, Store&& store) {
  const TileKernel tile_kernel = kernel(simd);
  const int reach = layer.rows / 2;
  TileInput input;
  input.row_stride = in.row_stride();
  input.rows = layer.rows;
  input.row_len = layer.row_len;
  const size_t tile_weights = size_t(layer.rows) * size_t(layer.row_len) * kTileOutputs;
  alignas(32) int32_t sums[kTilePixels][kTileOutputs];
  // Tiles outermost: a tile's weights stay in the first-level cache while the picture passes.
  for (int tile = 0; tile < layer.tiles; tile++) {
    const int16_t* weight = layer.weight.data() + size_t(tile) * tile_weights;
    const int32_t* bias = layer.bias.data() + tile * kTileOutputs;
    for (int y = 0; y < in.height; y++) {
      for (int x = 0; x < in.width; x += kTilePixels) {
        for (int p = 0; p < kTilePixels; p++)
          input.pixel[p] = in.at(y - reach, std::min(x + p, in.width - 1) - reach);
        tile_kernel(input, weight, sums);
        const int pixels = std::min(kTilePixels, in.width - x);
        for (int p = 0; p < pixels; p++) {
          for (int o = 0; o < kTileOutputs; o++)
            sums[p][o] = (sums[p][o] + bias[o]) >> layer.shift;
          store(y, x + p, tile * kTileOutputs, sums[p]);
        }
      }
    }
  }
}

void HyperDecoder::up(const std::array<Packed, 4>& layer, const Plane& in, Plane& out, Simd simd) {
  for (int place = 0; place < 4; place++) {
    convolve(layer[size_t(place)], in, simd, [&](int y, int x, int first, const int32_t* v) {
      int16_t* to = out.at(2 * y + place / 2, 2 * x + place % 2) + first;
      for (int o = 0; o < kTileOutputs; o++)
        to[o] = leak(v[o]);
    });
  }
}

struct HyperDecoder::Features::Data {
  Plane last;               ///< what the mean and scale layers read
  std::vector<int16_t> raw; ///< the scale layer's outputs: [channel][y][x]
};

HyperDecoder::Features::Features() = default;
HyperDecoder::Features::~Features() = default;

uint8_t HyperDecoder::index_of(int scale) const {
  const int highest = lowest_ + int(scale_index_.size()) - 1;
  return scale_index_[size_t(std::clamp(scale, lowest_, highest) - lowest_)];
}

std::unique_ptr<HyperDecoder::Features> HyperDecoder::run(const int16_t* z, int height, int width,
                                                          int16_t* mean, uint8_t* scale, Simd simd) const {
  Plane in(height, width, hyper_channels_), middle(2 * height, 2 * width, up1_channels_);
  const size_t z_area = size_t(height) * size_t(width), area = z_area * 16;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int c = 0; c < hyper_channels_; c++)
        in.at(y, x)[c] = z[size_t(c) * z_area + size_t(y) * size_t(width) + size_t(x)];
  std::unique_ptr<Features> features(new Features);
  features->data_.reset(new Features::Data{Plane(4 * height, 4 * width, up2_channels_),
                                           std::vector<int16_t>(area * size_t(channels_))});
  Plane& last = features->data_->last;
  std::vector<int16_t>& raw = features->data_->raw;
  up(up1_, in, middle, simd);
  up(up2_, middle, last, simd);

  const auto at = [&](int y, int x, int c) {
    return size_t(c) * area + size_t(y) * size_t(last.width) + size_t(x);
  };
  convolve(mean_, last, simd, [&](int y, int x, int first, const int32_t* v) {
    const int count = std::min(kTileOutputs, channels_ - first);
    for (int o = 0; o < count; o++)
      mean[at(y, x, first + o)] = saturated(v[o]);
  });
  convolve(scale_, last, simd, [&](int y, int x, int first, const int32_t* v) {
    const int count = std::min(kTileOutputs, channels_ - first);
    for (int o = 0; o < count; o++) {
      raw[at(y, x, first + o)] = saturated(v[o]);
      scale[at(y, x, first + o)] = index_of(v[o]);
    }
  });
  return features;
}

/// The input of the context layer for the positions of a parity in a row: the half of the channels that the
/// first pass coded, here and at the four neighbours.
void HyperDecoder::gather(const Plane& symbols, int row, int parity, Plane& out) {
  const int half = symbols.channels / 2;
  for (int x = (row + parity) & 1, i = 0; x < symbols.width; x += 2, i++) {
    const int16_t* from[kContextTaps] = {symbols.at(row, x), symbols.at(row - 1, x), symbols.at(row, x - 1),
                                         symbols.at(row, x + 1), symbols.at(row + 1, x)};
    for (int tap = 0; tap < kContextTaps; tap++)
      std::copy_n(from[tap] + (tap == 0 ? parity : 1 - parity) * half, half, out.at(0, i) + tap * half);
  }
}

void HyperDecoder::refine(const Features& features, const int16_t* y, int16_t* mean, uint8_t* scale,
                          Simd simd) const {
  const Plane& last = features.data_->last;
  const std::vector<int16_t>& raw = features.data_->raw;
  const int height = last.height, width = last.width, half = channels_ / 2;
  const size_t area = size_t(height) * size_t(width);
  Plane symbols(height, width, channels_), base(height, width, hidden_channels_);
  for (int c = 0; c < channels_; c++)
    for (int r = 0; r < height; r++)
      for (int x = (r + (c >= half)) & 1; x < width; x += 2)
        symbols.at(r, x)[c] = int16_t(
            std::clamp<int>(y[size_t(c) * area + size_t(r * width + x)], -kContextLargest, kContextLargest));
  convolve(features_, last, simd, [&](int r, int x, int first, const int32_t* v) {
    for (int o = 0; o < kTileOutputs; o++)
      base.at(r, x)[first + o] = saturated(v[o]);
  });
  Plane known(1, width / 2, kContextTaps * half), hidden(1, width / 2, hidden_channels_);
  for (int r = 0; r < height; r++)
    for (int parity = 0; parity < 2; parity++) {
      const auto p = size_t(parity);
      const int left = (r + parity) & 1;
      gather(symbols, r, parity, known);
      convolve(context_[p], known, simd, [&](int, int i, int first, const int32_t* v) {
        const int16_t* with = base.at(r, left + 2 * i) + first;
        for (int o = 0; o < kTileOutputs; o++)
          hidden.at(0, i)[first + o] = leak(saturated(v[o]) + with[o]);
      });
      const size_t plane = size_t(parity == 0 ? half : 0) * area;
      const auto each = [&](int i, int first, const int32_t* v, auto&& store) {
        size_t at = plane + size_t(first) * area + size_t(r * width + left + 2 * i);
        for (int o = 0; o < std::min(kTileOutputs, half - first); o++, at += area)
          store(at, saturated(v[o]));
      };
      convolve(more_mean_[p], hidden, simd, [&](int, int i, int first, const int32_t* v) {
        each(i, first, v, [&](size_t at, int more) { mean[at] = saturated(mean[at] + more); });
      });
      convolve(more_scale_[p], hidden, simd, [&](int, int i, int first, const int32_t* v) {
        each(i, first, v, [&](size_t at, int more) { scale[at] = index_of(saturated(raw[at] + more)); });
      });
    }
}

} // namespace gsem::entropy
