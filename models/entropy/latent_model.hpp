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
  /// z (within z_min..z_max) -> mean and scale index of every y. `shape` fits.
  virtual void run(const LatentShape& shape, const int16_t* z, int quality, int16_t* mean,
                   uint8_t* scale) const = 0;

  bool fits(const LatentShape& s) const;
  static size_t z_size(const LatentShape& s) {
    return size_t(s.hyper_channels) * size_t(s.hyper_height) * size_t(s.hyper_width);
  }
  static size_t y_size(const LatentShape& s) {
    return size_t(s.channels) * size_t(s.height) * size_t(s.width);
  }

  static constexpr int kMaxHyperSide = 64; ///< pictures up to 4096 x 4096
  int channels = 0, hyper_channels = 0;
  int16_t z_min = 0, z_max = 0;
  std::vector<SymbolTable> y; ///< kScales
  uint64_t hash = 0;
};

} // namespace gsem::entropy
