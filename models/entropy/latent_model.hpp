// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/entropy/latent_coder.hpp"
#include "models/entropy/symbol_table.hpp"

namespace gsem::entropy {

/// What a LatentCoder codes with: the part that differs between the narrow networks and the published ones.
/// Immutable after load: thread-safe.
struct LatentCoder::Impl {
  virtual ~Impl() = default;
  /// width and height are 1..4096.
  virtual LatentShape shape(int width, int height) const = 0;
  /// The table of z's channel, and which value its symbol 0 stands for.
  virtual const SymbolTable& z_table(int quality, int channel, int& centre) const = 0;
  /// What refine() needs of run().
  struct Features {
    virtual ~Features() = default;
  };
  /// z (within z_min..z_max) -> mean and scale index of every y, good for the first pass. `shape` fits. Null:
  /// for all, there is no second pass.
  virtual std::unique_ptr<Features> run(const LatentShape& shape, const int16_t* z, int quality,
                                        int16_t* mean, uint8_t* scale) const = 0;
  /// Symbols `y` of the first pass (others do not count) -> mean and scale index of those of the second.
  virtual void refine(const Features&, const int16_t* /*y*/, int16_t* /*mean*/, uint8_t* /*scale*/) const {}

  /// Calls f(index) for every y that `pass` (0, 1) codes, in the order of the payload, until it returns
  /// false. Of two passes the first has the lower half of the channels where row + column is even and the
  /// upper half where it is odd: each y of the second has known ones around it and in its own place (after
  /// the dual spatial prior of Li, Li, Lu: "Hybrid Spatial-Temporal Entropy Modelling for Neural Video
  /// Compression", ACM MM 2022).
  template <typename F>
  static bool for_pass(const LatentShape& s, bool two_passes, int pass, F&& f) {
    size_t row = 0;
    for (int c = 0; c < s.channels; c++)
      for (int y = 0; y < s.height; y++, row += size_t(s.width))
        for (int x = two_passes ? (y + pass + (c >= s.channels / 2)) & 1 : 0; x < s.width;
             x += 1 + two_passes)
          if (!f(row + size_t(x)))
            return false;
    return true;
  }

  bool fits(const LatentShape& s) const;
  static size_t z_size(const LatentShape& s) {
    return size_t(s.hyper_channels) * size_t(s.hyper_height) * size_t(s.hyper_width);
  }
  static size_t y_size(const LatentShape& s) {
    return size_t(s.channels) * size_t(s.height) * size_t(s.width);
  }

  static constexpr int kMaxHyperSide = 64; ///< pictures up to 4096 x 4096
  int channels = 0, hyper_channels = 0;
  bool two_passes = false; ///< run() gives features and refine() uses them
  int16_t z_min = 0, z_max = 0;
  std::vector<SymbolTable> y; ///< kScales
  uint64_t hash = 0;
};

} // namespace gsem::entropy
