// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semantic/layer_fates.hpp"

/// What `semanticdemux stats` counts. The element guards it.
namespace gsem {

struct DemuxCounters {
  struct Layer {
    guint64 present = 0, not_sent = 0, lost = 0, damaged = 0, bytes = 0;
  };
  guint64 units = 0, damaged_units = 0;
  std::array<Layer, kLayerNames.size()> layers;

  void add(size_t index, const LayerPiece& piece);
  /// (transfer full)
  GstStructure* to_structure() const;
};

} // namespace gsem
