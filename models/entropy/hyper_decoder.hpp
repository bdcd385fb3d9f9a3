// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/entropy/signal_table.hpp"

#include <array>
#include <memory>

namespace gsem::entropy {

/// Instruction sets of the inner loop. All give the same integers.
enum class Simd { Scalar, Sse2, Avx2 };
/// The widest this processor has. Thread-safe.
Simd best_simd();

/// The integer hyper-decoder: z -> mean and scale index of every y. Immutable: thread-safe.
class HyperDecoder {
public:
  /// `table` has passed its check.
  explicit HyperDecoder(const SignalTable& table);

  /// What the second pass needs of the first.
  class Features {
  public:
    ~Features();

  private:
    friend class HyperDecoder;
    Features();
    struct Data;
    std::unique_ptr<Data> data_;
  };

  /// `z`: [channel][y][x] within kHyperMin..kHyperMax, height x width; the outputs: [channel][4 height][4
  /// width]. `simd` must not be more than best_simd().
  std::unique_ptr<Features> run(const int16_t* z, int height, int width, int16_t* mean, uint8_t* scale,
                                Simd simd) const;
  /// `y`: symbols as the outputs lie, of which only those of the first pass are read; mean and scale index of
  /// those of the second pass are written.
  void refine(const Features& features, const int16_t* y, int16_t* mean, uint8_t* scale, Simd simd) const;

private:
  /// Outputs in tiles of 16, weights of a tile as [tap row][pair of inputs][16 outputs][2], so that one
  /// multiply-add instruction takes a pair of inputs to eight outputs.
  struct Packed {
    int tiles = 0;
    int rows = 1;    ///< of taps
    int row_len = 0; ///< inputs in a row of taps, padded: taps a row x stride
    int shift = 1;
    std::vector<int16_t> weight;
    std::vector<int32_t> bias; ///< with the rounding half added
  };
  struct Plane; // activations, channels innermost, one pixel of zeros around

  static Packed pack(const IntConv& conv, int first_out, int out_step, int count);
  static void up(const std::array<Packed, 4>& layer, const Plane& in, Plane& out, Simd simd);
  static void gather(const Plane& symbols, int row, int parity, Plane& out);
  uint8_t index_of(int scale) const;
  template <typename Store>
  static void convolve(const Packed& layer, const Plane& in, Simd simd, Store&& store);

  int hyper_channels_, channels_;
  std::array<Packed, 4> up1_, up2_; ///< one for each place in the 2x2 block of the pixel shuffle
  int up1_channels_, up2_channels_;
  Packed mean_, scale_, features_;
  std::array<Packed, 2> context_, more_mean_, more_scale_; ///< by parity of the position
  int hidden_channels_;
  int lowest_ = 0; ///< of the scale layer's outputs that `scale_index_` covers
  std::vector<uint8_t> scale_index_;
};

} // namespace gsem::entropy
