// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/layer_join.hpp"
#include "gst/semantic/ptr.hpp"
#include "plugins/semanticcodec/picture_format.hpp"

#include <gst/video/video.h>

namespace gsem::codec {

/// The source side of structdec and signaldec: caps that never change with what arrived, a pool, the last
/// picture. Used from the aggregator's thread only.
class JoinOutput {
public:
  /// The picture to make. Marks the source pad for renegotiation when it differs from before. `scalable`:
  /// when downstream insists, another size will do, or `other` as format (UNKNOWN: none).
  void want(GstAggregator* self, const GstVideoInfo& info, bool scalable,
            GstVideoFormat other = GST_VIDEO_FORMAT_UNKNOWN);
  bool known() const { return known_; }
  /// Negotiates when that is due. GST_FLOW_OK: pictures of info() can be pushed.
  GstFlowReturn ready(GstAggregator* self) const;
  const GstVideoInfo& info() const { return info_; }

  /// For GstAggregatorClass::update_src_caps and ::decide_allocation.
  GstFlowReturn update_src_caps(GstCaps* allowed, GstCaps** result);
  static gboolean decide_allocation(GstAggregator* self, GstQuery* query);

  /// A picture to fill; null when the pool is flushing or out of memory.
  Ptr<GstBuffer> acquire(GstAggregator* self) const;
  /// `base` itself (a new reference), or stretched when its size is not the output's.
  Ptr<GstBuffer> pass(GstAggregator* self, GstBuffer* base, const GstVideoInfo& base_info) const;
  /// The last picture again, else an even `level`: when there is nothing else to show.
  Ptr<GstBuffer> fallback(GstAggregator* self, guint8 level) const;

  /// The last picture; null when there was none of this size.
  Ptr<GstBuffer> again() const { return Ptr<GstBuffer>(last_ ? gst_buffer_ref(last_.get()) : nullptr); }
  void remember(GstBuffer* picture) { last_.reset(gst_buffer_ref(picture)); }
  void forget() { last_.reset(); }
  void reset();

private:
  GstVideoInfo wanted_{}, info_{}; ///< info_: what was negotiated of it
  bool known_ = false, negotiated_ = false, scalable_ = false;
  GstVideoFormat other_ = GST_VIDEO_FORMAT_UNKNOWN;
  Ptr<GstBuffer> last_;
};

/// Puts one layer meta on `picture` (which must be writable), replacing any.
void set_layers(GstBuffer* picture, guint number, guint layers, guint lost, guint base_id,
                guint concealed = 0);

} // namespace gsem::codec
