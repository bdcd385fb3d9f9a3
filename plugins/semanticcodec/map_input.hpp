// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semanticcodec/cancel_switch.hpp"
#include "plugins/semanticcodec/layer_caps.hpp"
#include "plugins/semanticcodec/timing.hpp"
#include "vtm_bridge/map_codec.hpp"

#include <gst/gst.h>

#include <memory>
#include <string>

namespace gsem::codec {

/// The `structure` pad of structdec and signaldec: coded maps in, maps out. Streaming thread only.
class MapInput {
public:
  /// New caps. Empty, or why the maps cannot be read (then every decode() fails until other caps come).
  /// `cancel` breaks off codecs that are external programs; it must outlive this object.
  std::string set_caps(const GstCaps* caps, CancelSwitch& cancel);
  /// False for a damaged map, or one whose key map is missing; counted by the caller, warned of here once a
  /// second.
  bool decode(GstElement* element, GstBuffer* buffer, maps::Map& map);
  bool readable() const { return decoder_ != nullptr; }
  const LayerGeometry& geometry() const { return geometry_; }
  void flush();
  void reset() { *this = MapInput(); }

private:
  std::unique_ptr<maps::MapDecoder> decoder_;
  LayerIdentity identity_;
  LayerGeometry geometry_;
  OncePerSecond warn_;
};

} // namespace gsem::codec
