// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semantic/layer_caps.hpp"

#include <gst/base/gstflowcombiner.h>

/// The source pads of semanticdemux, one a layer: their coming and going, their sticky events, and what they
/// push. Streaming thread only, and from state changes while it stands still.
namespace gsem {

class DemuxPads {
public:
  static constexpr size_t kLayers = kLayerNames.size();
  using EventFunction = gboolean (*)(GstPad*, GstObject*, GstEvent*);

  /// `src_event`: the event function of the pads.
  DemuxPads(GstElement* owner, EventFunction src_event);
  ~DemuxPads();
  DemuxPads(const DemuxPads&) = delete;
  DemuxPads& operator=(const DemuxPads&) = delete;
  static void install_templates(GstElementClass* klass);

  /// Pads for the layers of a header; caps of those that exist are brought up to date. `always_caption`: one
  /// for captions also when there is no such layer.
  void expose(const bitstream::StreamHeader& header, bool always_caption);
  /// There was a header.
  bool exposed() const { return exposed_; }
  void remove();

  /// A new stream began upstream.
  void push_stream_start();
  /// The units carry their own time: a segment that is not in TIME becomes the default one.
  void take_segment(GstEvent* event);
  /// The next buffer of every layer is DISCONT.
  void break_off();
  void reset_flow() { gst_flow_combiner_reset(combiner_); }

  bool has(size_t index) const { return pads_[index].pad != nullptr; }
  /// (transfer full) A buffer of a layer; the combined flow of all.
  GstFlowReturn push(size_t index, GstBuffer* buffer);
  /// `missing`: the layer was sent and did not come; the buffer behind it is DISCONT.
  void push_gap(size_t index, GstClockTime pts, GstClockTime duration, bool missing);

private:
  struct LayerPad {
    GstPad* pad = nullptr; ///< owned by the element
    Ptr<GstCaps> caps;
    bool discont = true;
  };

  Ptr<GstPad> sink() const { return Ptr<GstPad>(gst_element_get_static_pad(owner_, "sink")); }
  Ptr<GstEvent> upstream(GstEventType type) const;
  Ptr<GstEvent> stream_start(size_t index);
  void push_segment(GstPad* pad);
  void add(size_t index);
  void announce_collection();

  GstElement* const owner_;
  const EventFunction src_event_;
  GstFlowCombiner* const combiner_;
  std::array<LayerPad, kLayers> pads_;
  bool exposed_ = false;
  GstSegment segment_;
  bool have_segment_ = false;
  guint group_id_ = GST_GROUP_ID_INVALID;
};

} // namespace gsem
