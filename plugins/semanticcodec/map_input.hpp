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
  /// Null for a damaged map, or one whose key map is missing; counted by the caller, warned of here once a
  /// second. `now`: its running time. Valid until the next call.
  const maps::Map* decode(GstElement* element, GstBuffer* buffer, GstClockTime now);
  bool readable() const { return decoder_ != nullptr; }
  /// The last map that was decoded, if that was at most `hold` before `now` (running times); else null.
  const maps::Map* held(GstClockTime now, GstClockTime hold) const;
  /// Asks upstream of `pad` for a key map when the last decode() failed for want of one, once a second (of
  /// `now`, the running time) at most. True when it asked.
  bool ask_for_key(GstPad* pad, GstClockTime now);
  const LayerGeometry& geometry() const { return geometry_; }
  void flush();
  void reset() { *this = MapInput(); }

private:
  std::unique_ptr<maps::MapDecoder> decoder_;
  LayerIdentity identity_;
  LayerGeometry geometry_;
  OncePerSecond warn_;
  maps::Map last_, scratch_; ///< last_ without data: none yet
  GstClockTime last_time_ = GST_CLOCK_TIME_NONE, asked_ = GST_CLOCK_TIME_NONE;
  bool key_missing_ = false;
  guint requests_ = 0;
};

} // namespace gsem::codec
