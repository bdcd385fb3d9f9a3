// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "tests/element/codec_test.hpp"

/// Coded layers to feed decoders with, made by the encoders, and the base pictures that semanticdec would
/// give.
namespace codec_test {

struct CodedLayer {
  Ptr<GstCaps> caps;
  std::vector<Ptr<GstBuffer>> units;
};

/// Encodes `count` pictures (kind 0, numbers from 0) of this size.
inline CodedLayer encode(GstElement* encoder, int width, int height, int count) {
  CodedLayer layer;
  Bench h(encoder);
  gst_harness_set_src_caps_str(h, raw_caps(width, height).c_str());
  for (int i = 0; i < count; i++) {
    fail_unless_equals_int(gst_harness_push(h, picture(width, height, 0, i)), GST_FLOW_OK);
    layer.units.emplace_back(gst_harness_try_pull(h));
    fail_unless(layer.units.back() != nullptr);
  }
  layer.caps = src_caps(h);
  return layer;
}

inline CodedLayer encode_maps(int width, int height, int count, bool live = false) {
  GstElement* encoder = gst_element_factory_make("structenc", nullptr);
  gst_util_set_object_arg(G_OBJECT(encoder), "detector", "canny");
  if (live)
    gst_util_set_object_arg(G_OBJECT(encoder), "live", "on");
  return encode(encoder, width, height, count);
}

/// A copy of a unit with another time.
inline GstBuffer* unit_at(const CodedLayer& layer, size_t index, int number) {
  GstBuffer* copy = gst_buffer_copy(layer.units[index].get());
  GST_BUFFER_PTS(copy) = number * kFrame;
  GST_BUFFER_DTS(copy) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION(copy) = kFrame;
  return copy;
}

/// As semanticdec gives them: layers=2 (or 0 for grey) and a base id.
inline GstBuffer* base_picture(int width, int height, int number, guint base_id, bool painted = true) {
  GstBuffer* buffer = picture(width, height, 2, number);
  auto meta = gst_buffer_add_semantic_layer_meta(buffer);
  meta->layers = painted ? 2 : 0;
  meta->base_id = base_id;
  return buffer;
}

/// One flush through all of these pads, as a demuxer passes on a seek's: the same events on each.
inline void flush_all(const std::vector<GstHarness*>& pads) {
  Ptr<GstEvent> start(gst_event_new_flush_start()), stop(gst_event_new_flush_stop(TRUE));
  gst_event_set_seqnum(stop.get(), gst_event_get_seqnum(start.get()));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  for (GstHarness* h : pads)
    gst_harness_push_event(h, gst_event_ref(start.get()));
  for (GstHarness* h : pads)
    gst_harness_push_event(h, gst_event_ref(stop.get()));
  for (GstHarness* h : pads)
    gst_harness_push_event(h, gst_event_new_segment(&segment));
}

/// The base's source is pushed from this thread and the layer's from it too: an aggregator queues one buffer
/// a pad without blocking.
inline void push(GstHarness* h, GstBuffer* buffer) {
  fail_unless_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
}

} // namespace codec_test
