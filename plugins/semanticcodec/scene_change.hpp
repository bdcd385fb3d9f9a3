// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/runtime/models.hpp"

#include <array>

namespace gsem::codec {

/// A 16x16 RGB thumbnail: what `semanticenc` compares to see that a scene changed. Sampled, so that it costs
/// the same at any size.
class Thumbnail {
public:
  static constexpr int kSide = 16, kSamples = 8; ///< cells a side; samples a side of each cell

  Thumbnail() = default;
  explicit Thumbnail(const runtime::PictureView& picture);

  /// Mean absolute difference of the cells, 0..1.
  double distance(const Thumbnail& other) const;

private:
  std::array<uint8_t, kSide * kSide * 3> cells_{};
};

} // namespace gsem::codec
