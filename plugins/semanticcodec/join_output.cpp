// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/join_output.hpp"

#include "gst/semantic/layer_meta.hpp"

#include <algorithm>

namespace gsem::codec {

void JoinOutput::want(GstAggregator* self, const GstVideoInfo& info, bool scalable, GstVideoFormat other) {
  if (known_ && gst_video_info_is_equal(&wanted_, &info))
    return;
  wanted_ = info_ = info;
  scalable_ = scalable;
  other_ = other;
  known_ = true;
  negotiated_ = false;
  last_.reset();
  gst_pad_mark_reconfigure(GST_AGGREGATOR_SRC_PAD(self));
}

GstFlowReturn JoinOutput::ready(GstAggregator* self) const {
  if (negotiated_ || (gst_aggregator_negotiate(self) && negotiated_))
    return GST_FLOW_OK;
  return GST_PAD_IS_FLUSHING(GST_AGGREGATOR_SRC_PAD(self)) ? GST_FLOW_FLUSHING : GST_FLOW_NOT_NEGOTIATED;
}

/// The size nearest to the wanted one that `allowed` has in `format`; false when it has none.
static bool fit(GstCaps* allowed, GstVideoFormat format, const GstVideoInfo& wanted, GstVideoInfo& info) {
  if (format == GST_VIDEO_FORMAT_UNKNOWN || gst_caps_is_any(allowed) || gst_caps_is_empty(allowed))
    return false;
  Ptr<GstCaps> filter(gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING,
                                          gst_video_format_to_string(format), nullptr));
  Ptr<GstCaps> choice(gst_caps_intersect(allowed, filter.get()));
  if (gst_caps_is_empty(choice.get()))
    return false;
  choice.reset(gst_caps_make_writable(gst_caps_truncate(choice.release())));
  GstStructure* s = gst_caps_get_structure(choice.get(), 0);
  gst_structure_fixate_field_nearest_int(s, "width", GST_VIDEO_INFO_WIDTH(&wanted));
  gst_structure_fixate_field_nearest_int(s, "height", GST_VIDEO_INFO_HEIGHT(&wanted));
  gst_structure_fixate_field_nearest_fraction(s, "framerate", GST_VIDEO_INFO_FPS_N(&wanted),
                                              GST_VIDEO_INFO_FPS_D(&wanted));
  choice.reset(gst_caps_fixate(choice.release()));
  GstVideoInfo chosen;
  if (!gst_video_info_from_caps(&chosen, choice.get()))
    return false;
  info = make_info(format, GST_VIDEO_INFO_WIDTH(&chosen), GST_VIDEO_INFO_HEIGHT(&chosen), &chosen);
  if (!gst_structure_has_field(s, "pixel-aspect-ratio")) {
    GST_VIDEO_INFO_PAR_N(&info) = GST_VIDEO_INFO_PAR_N(&wanted);
    GST_VIDEO_INFO_PAR_D(&info) = GST_VIDEO_INFO_PAR_D(&wanted);
  }
  return true;
}

GstFlowReturn JoinOutput::update_src_caps(GstCaps* allowed, GstCaps** result) {
  if (!known_)
    return GST_AGGREGATOR_FLOW_NEED_DATA;
  GstVideoInfo info = wanted_;
  Ptr<GstCaps> caps(gst_video_info_to_caps(&info));
  if (!gst_caps_can_intersect(caps.get(), allowed)) {
    bool fits = scalable_ && (fit(allowed, GST_VIDEO_INFO_FORMAT(&wanted_), wanted_, info) ||
                              fit(allowed, other_, wanted_, info));
    if (!fits)
      return GST_FLOW_NOT_NEGOTIATED;
    caps.reset(gst_video_info_to_caps(&info));
  }
  if (!gst_video_info_is_equal(&info_, &info))
    last_.reset();
  info_ = info;
  negotiated_ = true;
  *result = caps.release();
  return GST_FLOW_OK;
}

gboolean JoinOutput::decide_allocation(GstAggregator* self, GstQuery* query) {
  GstCaps* caps = nullptr;
  gst_query_parse_allocation(query, &caps, nullptr);
  GstVideoInfo info;
  if (!caps || !gst_video_info_from_caps(&info, caps))
    return FALSE;
  // A pool of our own: pictures are kept and repeated by reference, which a small fixed pool from downstream
  // would not survive.
  GstBufferPool* pool = gst_video_buffer_pool_new();
  GstStructure* config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_set_params(config, caps, guint(GST_VIDEO_INFO_SIZE(&info)), 2, 0);
  if (gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr))
    gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  if (!gst_buffer_pool_set_config(pool, config) || !gst_buffer_pool_set_active(pool, TRUE)) {
    gst_object_unref(pool);
    return FALSE;
  }
  if (gst_query_get_n_allocation_pools(query) > 0)
    gst_query_set_nth_allocation_pool(query, 0, pool, guint(GST_VIDEO_INFO_SIZE(&info)), 2, 0);
  else
    gst_query_add_allocation_pool(query, pool, guint(GST_VIDEO_INFO_SIZE(&info)), 2, 0);
  gst_object_unref(pool);
  return TRUE;
}

Ptr<GstBuffer> JoinOutput::acquire(GstAggregator* self) const {
  GstBufferPool* pool = gst_aggregator_get_buffer_pool(self);
  GstBuffer* buffer = nullptr;
  if (pool) {
    gst_buffer_pool_acquire_buffer(pool, &buffer, nullptr);
    gst_object_unref(pool);
  } else if (known_) {
    buffer = gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&info_), nullptr);
  }
  return Ptr<GstBuffer>(buffer);
}

Ptr<GstBuffer> JoinOutput::pass(GstAggregator* self, GstBuffer* base, const GstVideoInfo& base_info) const {
  if (GST_VIDEO_INFO_WIDTH(&base_info) == GST_VIDEO_INFO_WIDTH(&info_) &&
      GST_VIDEO_INFO_HEIGHT(&base_info) == GST_VIDEO_INFO_HEIGHT(&info_))
    return Ptr<GstBuffer>(gst_buffer_ref(base));
  Ptr<GstBuffer> out = acquire(self);
  VideoMap in(&base_info, base, GST_MAP_READ);
  if (!out || !in)
    return nullptr;
  {
    VideoMap map(&info_, out.get(), GST_MAP_WRITE);
    if (!map || !stretch(view_of(in), map))
      return nullptr;
  }
  if (auto meta = gst_buffer_get_semantic_layer_meta(base))
    set_layers(out.get(), meta->number, meta->layers, meta->lost, 0, meta->concealed);
  return out;
}

Ptr<GstBuffer> JoinOutput::fallback(GstAggregator* self, guint8 level) const {
  if (last_)
    return Ptr<GstBuffer>(gst_buffer_ref(last_.get()));
  Ptr<GstBuffer> out = acquire(self);
  if (!out)
    return nullptr;
  {
    VideoMap map(&info_, out.get(), GST_MAP_WRITE);
    if (!map)
      return nullptr;
    fill_grey(map, level);
  }
  set_layers(out.get(), 0, 0, 0, 0);
  return out;
}

void JoinOutput::reset() {
  known_ = negotiated_ = false;
  last_.reset();
}

void set_layers(GstBuffer* picture, guint number, guint layers, guint lost, guint base_id, guint concealed) {
  auto meta = gst_buffer_get_semantic_layer_meta(picture);
  if (!meta)
    meta = gst_buffer_add_semantic_layer_meta(picture);
  meta->number = number;
  meta->layers = layers;
  meta->lost = lost;
  meta->concealed = concealed;
  meta->base_id = base_id;
}

} // namespace gsem::codec
