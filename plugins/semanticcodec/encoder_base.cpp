// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/encoder_base.hpp"

#include "gst/semantic/layer_meta.hpp"
#include "plugins/semanticcodec/picture_format.hpp"

namespace gsem::codec {

GstFlowReturn finish_as_gap(GstVideoEncoder* encoder, GstVideoCodecFrame* frame) {
  gst_buffer_replace(&frame->output_buffer, nullptr);
  frame->output_buffer = gst_buffer_new();
  GST_BUFFER_FLAG_SET(frame->output_buffer, GST_BUFFER_FLAG_GAP);
  GST_VIDEO_CODEC_FRAME_UNSET_SYNC_POINT(frame);
  GstFlowReturn flow = gst_video_encoder_finish_frame(encoder, frame);
  return flow == GST_VIDEO_ENCODER_FLOW_DROPPED ? GST_FLOW_OK : flow;
}

GstFlowReturn gap_pre_push(GstVideoEncoder* encoder, GstVideoCodecFrame* frame) {
  GstBuffer* buffer = frame->output_buffer;
  if (!GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP) || gst_buffer_get_size(buffer) != 0)
    return GST_FLOW_OK;
  GstPad* pad = GST_VIDEO_ENCODER_SRC_PAD(encoder);
  if (GST_CLOCK_TIME_IS_VALID(frame->pts) &&
      !gst_pad_push_event(pad, gst_event_new_gap(frame->pts, frame->duration)) && GST_PAD_IS_FLUSHING(pad))
    return GST_FLOW_FLUSHING;
  return GST_VIDEO_ENCODER_FLOW_DROPPED;
}

bool set_payload(GstVideoEncoder* encoder, GstVideoCodecFrame* frame, const void* data, gsize size) {
  if (gst_video_encoder_allocate_output_frame(encoder, frame, size) != GST_FLOW_OK)
    return false;
  return gst_buffer_fill(frame->output_buffer, 0, data, size) == size;
}

gboolean transform_meta(GstVideoEncoder* encoder, GstVideoCodecFrame* frame, GstMeta* meta) {
  if (meta->info->api == gst_semantic_layer_meta_api_get_type())
    return FALSE;
  auto parent = GST_VIDEO_ENCODER_CLASS(g_type_class_peek(GST_TYPE_VIDEO_ENCODER));
  return parent->transform_meta(encoder, frame, meta);
}

gboolean sink_query(GstVideoEncoder* encoder, GstQuery* query) {
  if (answer_accept_raw(query))
    return TRUE;
  auto parent = GST_VIDEO_ENCODER_CLASS(g_type_class_peek(GST_TYPE_VIDEO_ENCODER));
  return parent->sink_query(encoder, query);
}

gboolean propose_allocation(GstVideoEncoder* encoder, GstQuery* query) {
  gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  auto parent = GST_VIDEO_ENCODER_CLASS(g_type_class_peek(GST_TYPE_VIDEO_ENCODER));
  return parent->propose_allocation(encoder, query);
}

void install_encoder_base(GstVideoEncoderClass* klass) {
  klass->pre_push = gap_pre_push;
  klass->transform_meta = transform_meta;
  klass->sink_query = sink_query;
  klass->propose_allocation = propose_allocation;
}

GstClockTime running_time(GstVideoEncoder* encoder, const GstVideoCodecFrame* frame) {
  return gst_segment_to_running_time(&encoder->input_segment, GST_FORMAT_TIME, frame->pts);
}

} // namespace gsem::codec
