// SPDX-License-Identifier: LGPL-2.1-or-later
#include "examples/sfu-relay/key_requests.hpp"

#include <gst/rtp/rtp.h>
#include <gst/video/video.h>

namespace sfu {

namespace {

/// An rtpsession wants to know of whom; rtpbin's demuxers would say.
GstEvent* new_request(guint ssrc, guint payload_type) {
  GstEvent* event = gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0);
  gst_structure_set(gst_event_writable_structure(event), "ssrc", G_TYPE_UINT, ssrc, "payload", G_TYPE_UINT,
                    payload_type, nullptr);
  return event;
}

} // namespace

void KeyRequests::watch(GstPad* pad) {
  gst_pad_add_probe(pad,
                    GstPadProbeType(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST |
                                    GST_PAD_PROBE_TYPE_EVENT_UPSTREAM),
                    on_data, this, nullptr);
}

GstPadProbeReturn KeyRequests::on_data(GstPad* pad, GstPadProbeInfo* info, gpointer data) {
  auto& self = *static_cast<KeyRequests*>(data);
  if (info->type & GST_PAD_PROBE_TYPE_EVENT_UPSTREAM)
    return self.request(info);
  const bool list = info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST;
  return self.packet(pad, list ? gst_buffer_list_get(GST_PAD_PROBE_INFO_BUFFER_LIST(info), 0)
                               : GST_PAD_PROBE_INFO_BUFFER(info));
}

bool KeyRequests::due(gint64 now) const {
  return ssrc_ && (!asked_ || now - asked_ >= G_USEC_PER_SEC);
}

GstPadProbeReturn KeyRequests::packet(GstPad* pad, GstBuffer* buffer) {
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  if (!gst_rtp_buffer_map(buffer, GST_MAP_READ, &rtp))
    return GST_PAD_PROBE_OK;
  const guint ssrc = gst_rtp_buffer_get_ssrc(&rtp), payload_type = gst_rtp_buffer_get_payload_type(&rtp);
  gst_rtp_buffer_unmap(&rtp);
  GstEvent* event = nullptr;
  {
    std::lock_guard lock(mutex_);
    ssrc_ = ssrc;
    payload_type_ = payload_type;
    // It passes `request` as all do.
    if (waiting_ && due(g_get_monotonic_time()))
      event = new_request(ssrc, payload_type);
  }
  if (event)
    gst_pad_push_event(pad, event);
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn KeyRequests::request(GstPadProbeInfo* info) {
  GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
  if (!gst_video_event_is_force_key_unit(event))
    return GST_PAD_PROBE_OK;
  const gint64 now = g_get_monotonic_time();
  std::lock_guard lock(mutex_);
  waiting_ = !due(now);
  if (waiting_)
    return GST_PAD_PROBE_DROP;
  asked_ = now;
  GST_PAD_PROBE_INFO_DATA(info) = new_request(ssrc_, payload_type_);
  gst_event_unref(event);
  return GST_PAD_PROBE_OK;
}

} // namespace sfu
