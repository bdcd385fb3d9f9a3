// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/demux_pads.hpp"

namespace gsem {

using namespace bitstream;

namespace {

#define LAYER_TEMPLATE(pad, caps)                                                                            \
  GST_STATIC_PAD_TEMPLATE(pad, GST_PAD_SRC, GST_PAD_SOMETIMES,                                               \
                          GST_STATIC_CAPS(caps ", parsed = (boolean) true, " GSEM_CAPS_GEOMETRY))
GstStaticPadTemplate layer_templates[DemuxPads::kLayers] = {
    LAYER_TEMPLATE(GSEM_PAD_CAPTION, GSEM_CAPS_CAPTION),
    LAYER_TEMPLATE(GSEM_PAD_STRUCTURE, GSEM_CAPS_STRUCTURE),
    LAYER_TEMPLATE(GSEM_PAD_SIGNAL, GSEM_CAPS_SIGNAL),
};

gboolean forward_tags(GstPad*, GstEvent** event, gpointer pad) {
  if (GST_EVENT_TYPE(*event) == GST_EVENT_TAG)
    gst_pad_push_event(GST_PAD(pad), gst_event_ref(*event));
  return TRUE;
}

} // namespace

DemuxPads::DemuxPads(GstElement* owner, EventFunction src_event)
    : owner_(owner), src_event_(src_event), combiner_(gst_flow_combiner_new()) {}

DemuxPads::~DemuxPads() {
  gst_flow_combiner_unref(combiner_);
}

void DemuxPads::install_templates(GstElementClass* klass) {
  for (auto& templ : layer_templates)
    gst_element_class_add_static_pad_template(klass, &templ);
}

Ptr<GstEvent> DemuxPads::upstream(GstEventType type) const {
  return Ptr<GstEvent>(gst_pad_get_sticky_event(sink().get(), type, 0));
}

Ptr<GstEvent> DemuxPads::stream_start(size_t index) {
  const LayerKind kind = kLayerNames[index].kind;
  Ptr<gchar> id(gst_pad_create_stream_id_printf(pads_[index].pad, owner_, "layer:%u", unsigned(kind)));
  Ptr<GstEvent> event(gst_event_new_stream_start(id.get()));
  GstStreamFlags flags = GST_STREAM_FLAG_NONE;
  if (const auto start = upstream(GST_EVENT_STREAM_START)) {
    guint group = 0;
    if (gst_event_parse_group_id(start.get(), &group))
      group_id_ = group;
    gst_event_parse_stream_flags(start.get(), &flags);
  }
  if (group_id_ == GST_GROUP_ID_INVALID)
    group_id_ = gst_util_group_id_next();
  gst_event_set_group_id(event.get(), group_id_);
  if (kind == LayerKind::Caption)
    flags = GstStreamFlags(flags | GST_STREAM_FLAG_SPARSE);
  gst_event_set_stream_flags(event.get(), flags);
  return event;
}

void DemuxPads::push_stream_start() {
  for (size_t i = 0; i < kLayers; ++i)
    if (pads_[i].pad)
      gst_pad_push_event(pads_[i].pad, stream_start(i).release());
}

void DemuxPads::push_segment(GstPad* pad) {
  if (!have_segment_) {
    gst_segment_init(&segment_, GST_FORMAT_TIME);
    have_segment_ = true;
  }
  GstEvent* event = gst_event_new_segment(&segment_);
  if (const auto segment = upstream(GST_EVENT_SEGMENT))
    gst_event_set_seqnum(event, gst_event_get_seqnum(segment.get()));
  gst_pad_push_event(pad, event);
}

void DemuxPads::take_segment(GstEvent* event) {
  gst_event_copy_segment(event, &segment_);
  if (segment_.format != GST_FORMAT_TIME)
    gst_segment_init(&segment_, GST_FORMAT_TIME);
  have_segment_ = true;
  for (auto& layer : pads_)
    if (layer.pad)
      push_segment(layer.pad);
}

void DemuxPads::add(size_t index) {
  LayerPad& layer = pads_[index];
  GstPad* pad = gst_pad_new_from_static_template(&layer_templates[index], kLayerNames[index].pad);
  layer.pad = pad;
  layer.discont = true;
  gst_pad_set_event_function(pad, src_event_);
  gst_pad_use_fixed_caps(pad);
  gst_pad_set_active(pad, TRUE);
  gst_pad_push_event(pad, stream_start(index).release());
  gst_pad_set_caps(pad, layer.caps.get());
  push_segment(pad);
  gst_pad_sticky_events_foreach(sink().get(), forward_tags, pad);
  gst_flow_combiner_add_pad(combiner_, pad);
  gst_element_add_pad(owner_, pad);
}

void DemuxPads::announce_collection() {
  const auto start = upstream(GST_EVENT_STREAM_START);
  const gchar* upstream_id = nullptr;
  if (start)
    gst_event_parse_stream_start(start.get(), &upstream_id);
  GstStreamCollection* collection = gst_stream_collection_new(upstream_id);
  for (auto& layer : pads_) {
    if (!layer.pad)
      continue;
    Ptr<gchar> id(gst_pad_get_stream_id(layer.pad));
    gst_stream_collection_add_stream(
        collection, gst_stream_new(id.get(), layer.caps.get(), GST_STREAM_TYPE_VIDEO, GST_STREAM_FLAG_NONE));
  }
  gst_element_post_message(owner_, gst_message_new_stream_collection(GST_OBJECT(owner_), collection));
  for (auto& layer : pads_)
    if (layer.pad)
      gst_pad_push_event(layer.pad, gst_event_new_stream_collection(collection));
  gst_object_unref(collection);
}

void DemuxPads::remove() {
  for (auto& layer : pads_) {
    if (layer.pad) {
      gst_flow_combiner_remove_pad(combiner_, layer.pad);
      gst_pad_set_active(layer.pad, FALSE);
      gst_element_remove_pad(owner_, layer.pad);
    }
    layer = LayerPad{};
  }
  exposed_ = have_segment_ = false;
  group_id_ = GST_GROUP_ID_INVALID;
}

void DemuxPads::expose(const StreamHeader& header, bool always_caption) {
  bool added = false;
  std::vector<LayerInfo> layers = header.layers;
  if (always_caption && !header.find(LayerKind::Caption)) {
    LayerInfo nothing;
    nothing.codec = 0; // caps without a codec: never a buffer
    layers.insert(layers.begin(), nothing);
  }
  for (const auto& info : layers) {
    const size_t index = size_t(info.kind) - 1;
    if (index >= kLayers)
      continue;
    LayerPad& layer = pads_[index];
    auto caps = layer_caps(header, info);
    if (layer.pad && gst_caps_is_equal(caps.get(), layer.caps.get()))
      continue;
    layer.caps = std::move(caps);
    if (layer.pad) {
      gst_pad_set_caps(layer.pad, layer.caps.get());
    } else {
      add(index);
      added = true;
    }
  }
  if (added) {
    announce_collection();
    gst_element_no_more_pads(owner_);
  }
  exposed_ = true;
}

void DemuxPads::break_off() {
  for (auto& layer : pads_)
    layer.discont = true;
}

GstFlowReturn DemuxPads::push(size_t index, GstBuffer* buffer) {
  LayerPad& layer = pads_[index];
  if (layer.discont)
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  layer.discont = false;
  return gst_flow_combiner_update_pad_flow(combiner_, layer.pad, gst_pad_push(layer.pad, buffer));
}

void DemuxPads::push_gap(size_t index, GstClockTime pts, GstClockTime duration, bool missing) {
  LayerPad& layer = pads_[index];
  layer.discont = layer.discont || missing;
  GstEvent* gap = gst_event_new_gap(pts, duration);
  if (missing)
    gst_event_set_gap_flags(gap, GST_GAP_FLAG_MISSING_DATA);
  gst_pad_push_event(layer.pad, gap);
}

} // namespace gsem
