// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/entropy/latent_coder.hpp"
#include "models/entropy/table_io.hpp"

#include <array>
#include <vector>

/// What a signal.tbl holds: integers only. Private to models/entropy, its builder and its tests.
namespace gsem::entropy {

inline constexpr int kHyperMin = -64, kHyperMax = 63; ///< range of z
inline constexpr int kScales = 64;
inline constexpr int kActivationMin = -8192, kActivationMax = 8191; ///< of the hyper-decoder's inner layers
inline constexpr int kMaxHyperChannels = 1024;
inline constexpr int kContextLargest = 255; ///< symbols of the first pass enter the context clamped to +-this
inline constexpr int kContextTaps = 5;      ///< here, above, left, right, below

/// Convolution in integers: out = (sum of weight x input + bias + half) >> shift, half = 2^(shift - 1).
/// Rule, checked by `check_conv`: sum |weight| x largest |input| + |bias| + half < 2^31 for every output.
struct IntConv {
  int in = 0, out = 0;
  int taps = 1;                ///< 1 (1x1) or 9 (3x3, zero padding, row-major)
  int shift = 1;               ///< 1..30
  std::vector<int16_t> weight; ///< [out][tap][in]
  std::vector<int32_t> bias;   ///< [out]
};
bool check_conv(const IntConv& conv, int largest_input);

/// Frequencies, of 2^16 together, of 0, 1, -1, 2, -2, ..., m, -m and "further out".
struct SymbolFrequencies {
  std::vector<uint16_t> freq; ///< 2 m + 2 numbers >= 1, at most kMaxSymbols
};
inline constexpr size_t kMaxSymbols = 4096;

struct SignalTable {
  int hyper_channels = 0; ///< of z
  int channels = 0;       ///< of y, even
  /// z -> up1 -> pixel shuffle 2 -> leak -> up2 -> pixel shuffle 2 -> leak -> mean, scale.
  /// leak(x) = max (x, x * 6554 >> 16) after clamping to the activation range.
  IntConv up1, up2;
  IntConv mean;  ///< to 1/64 of a quantiser step, saturated to 16 bits
  IntConv scale; ///< saturated to 16 bits; scale index = how many thresholds are <= it
  /// Second pass (latent_model.hpp says which y those are), by parity of the position: hidden = leak (context
  /// (symbols of the first pass) + features (what mean and scale read)), each saturated to 16 bits;
  /// mean += more_mean (hidden), scale += more_scale (hidden), saturated to 16 bits.
  IntConv features;
  std::array<IntConv, 2>
      context; ///< input [tap][half of the channels]: the half that the first pass coded there
  std::array<IntConv, 2> more_mean, more_scale; ///< of the half that the second pass codes
  std::vector<int16_t> thresholds;              ///< kScales - 1, ascending
  std::vector<SymbolFrequencies> y;             ///< kScales
  std::vector<SymbolFrequencies> z;             ///< a bank
  std::vector<uint16_t> z_index;                ///< [kQualities][hyper_channels] into the bank
  std::vector<int8_t> z_centre;                 ///< the same; the value that symbol 0 stands for

  /// Corrupt when a rule is broken.
  Status check() const;
  void write(Bytes& out) const;
  static Status read(ByteView table, SignalTable& signal, uint64_t& hash);
};

} // namespace gsem::entropy
