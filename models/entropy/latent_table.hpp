// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"

#include <vector>

namespace gsem::entropy {

/// A trained convolution, weights as [out][in][tap] (PyTorch's order).
struct ConvWeights {
  int out = 0, in = 0;
  int side = 1;              ///< 1 or 3
  std::vector<float> weight; ///< out x in x side x side
  std::vector<float> bias;   ///< out
};

/// The trained hyperprior and context, as the float network has them:
///   z ~ Normal (z_mean[q], softplus (3 z_scale[q]) + 0.1) per channel, rounded, clamped to -64..63
///   f = up1 (z / 4), pixel shuffle 2, LeakyReLU 0.1, up2, pixel shuffle 2, LeakyReLU 0.1
///   m, s = halves of out (f); mean = 4 m, scale = 2 softplus (2 s - 1) + 0.08
///   r = y - mean, rounded, ~ Normal (0, scale) for the y of the first pass (lower half of the channels where
///   row + column is even, upper half where it is odd); for the others m and s get the halves of
///   more (LeakyReLU 0.1 (context (r / 4, zero where not of the first pass) + features (f))) added first
struct HyperWeights {
  ConvWeights up1;            ///< side 1, out = 4 x inner channels
  ConvWeights up2;            ///< side 1, out = 4 x inner channels
  ConvWeights out;            ///< side 3, out = 2 x channels of y (even)
  ConvWeights context;        ///< side 3, in = channels of y; its corners do not count
  ConvWeights features;       ///< side 1, inner channels -> outputs of context
  ConvWeights more;           ///< side 1, outputs of context -> 2 x channels of y
  int rows = 0;               ///< trained rates; quality 0..63 is spread over them linearly
  std::vector<float> z_mean;  ///< [rows][channels of z]
  std::vector<float> z_scale; ///< [rows][channels of z], raw as above
};

/// Quantises the hyper-decoder to integers, makes the symbol tables and writes a signal.tbl. Corrupt when
/// shapes disagree, a number is not finite, or the weights cannot be held in 16 bits without overflow of
/// 32-bit sums. Uses floating point and a generator with a fixed seed: build once and ship the bytes.
Status build_signal_table(const HyperWeights& weights, Bytes& out);

} // namespace gsem::entropy
