// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semantic/layer_caps.hpp"

#include <array>

/// What becomes of each layer of an access unit: checksums, losses, and what depends on them. No GStreamer in
/// here.
namespace gsem {

enum class Fate {
  Present,
  NotSent, ///< the sender left it out
  Lost,    ///< sent, but not arrived; or what it needs has not
  Damaged, ///< arrived with a wrong checksum, or cut short
};

struct LayerPiece {
  Fate fate = Fate::NotSent;
  const bitstream::LayerUnit* unit = nullptr; ///< null when the access unit does not list the layer
  size_t offset = 0;                          ///< of the payload in the section
  Status status = Status::Ok;                 ///< why it is Damaged
};

using LayerPieces = std::array<LayerPiece, kLayerNames.size()>;

/// Follows each layer from unit to unit: after a loss that something may refer to, only a key unit brings the
/// layer back. Not thread-safe.
class LayerFates {
public:
  /// `section`: the payloads of `unit`, maybe cut short. The result points into `unit`.
  LayerPieces examine(const bitstream::StreamHeader& header, const bitstream::AccessUnitHeader& unit,
                      ByteView section);
  void reset() { broken_ = {}; }

private:
  void lose(size_t index, const bitstream::LayerUnit& unit) {
    broken_[index] = broken_[index] || !unit.discardable;
  }

  std::array<bool, kLayerNames.size()> broken_{};
};

} // namespace gsem
