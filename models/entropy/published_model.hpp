// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/entropy/latent_coder.hpp"

/// The scale hyperprior of the published layer 3 (models/nets/reference/signal.hpp) in integers, so that its
/// bits parse everywhere: the published code runs the hyper-decoder in floating point and parses only on
/// machines that round alike. One network a rate; y has no means; pictures are always 256x256.
///
/// Fixed point with 14 binary places for activations and z, 16-bit weights with a power-of-two scale an
/// output. Sums are exact: |weight| < 2^15, |activation| <= 2^24, at most 9 x 1024 products and |bias| <=
/// 2^50 stay below 2^53, so that doubles hold every partial sum in any order.
namespace gsem::entropy {

inline constexpr int kPublishedPlaces = 14;
inline constexpr double kPublishedLargest = 1 << 24; ///< activations are cut off there
inline constexpr int kPublishedMaxChannels = 1024, kPublishedMaxRates = 16;
inline constexpr int kPublishedZMin = -512, kPublishedZMax = 511;
inline constexpr int kPublishedSide = 256;

/// Which of `rates` networks a quality 0..63 takes.
inline size_t published_rate(int quality, size_t rates) {
  return size_t(quality) * rates / size_t(kQualities);
}

/// One layer: ReLU ((sum of weight x input + bias) >> shift).
struct PublishedLayer {
  int in = 0, out = 0, side = 0; ///< side 5: transposed, doubles the size; side 3: keeps it
  std::vector<int16_t> weight;   ///< [row][column][in][out]
  std::vector<int64_t> bias;     ///< half of the last place dropped is added already
  std::vector<uint8_t> shift;    ///< 1..44
};

bool is_published_table(ByteView table);
Status load_published_model(ByteView table, std::unique_ptr<LatentCoder::Impl>& out);

} // namespace gsem::entropy
