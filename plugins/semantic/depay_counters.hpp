// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semantic/layer_caps.hpp"
#include "plugins/semantic/rtp_assembler.hpp"

/// What `rtpsemanticdepay stats` counts. The element guards it.
namespace gsem {

struct DepayCounters {
  struct Layer {
    guint64 present = 0, lost = 0;
  };
  RtpCounters packets;
  guint64 units = 0, key_requests = 0, due_units = 0, due_pictures = 0;
  std::array<Layer, kLayerNames.size()> layers;

  void add(const ReceivedUnit& unit);
  /// (transfer full)
  GstStructure* to_structure() const;
};

} // namespace gsem
