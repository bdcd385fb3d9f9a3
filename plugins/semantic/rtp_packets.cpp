// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/rtp_packets.hpp"

#include "gst/semantic/ptr.hpp"
#include "plugins/semantic/layer_caps.hpp"

#include <gst/rtp/rtp.h>

#include <cstring>

namespace gsem {

size_t rtp_extension_bytes(GstCaps* caps, GstBuffer* input) {
  const GstStructure* s = gst_caps_get_structure(caps, 0);
  size_t bytes = 0;
  for (int i = 0; i < gst_structure_n_fields(s); ++i) {
    const gchar* field = gst_structure_nth_field_name(s, guint(i));
    if (!g_str_has_prefix(field, "extmap-"))
      continue;
    const guint64 id = g_ascii_strtoull(field + strlen("extmap-"), nullptr, 10);
    const GValue* value = gst_structure_get_value(s, field);
    if (GST_VALUE_HOLDS_ARRAY(value) && gst_value_array_get_size(value) > 1)
      value = gst_value_array_get_value(value, 1);
    constexpr size_t kOneByteMost = 16;
    size_t most = kOneByteMost;
    auto* extension = G_VALUE_HOLDS_STRING(value)
                          ? gst_rtp_header_extension_create_from_uri(g_value_get_string(value))
                          : nullptr;
    if (extension && id > 0 && id < 256) {
      gst_rtp_header_extension_set_id(extension, guint(id));
      if (gst_rtp_header_extension_set_attributes_from_caps(extension, caps))
        most = gst_rtp_header_extension_get_max_size(extension, input);
    }
    if (extension)
      gst_object_unref(extension);
    constexpr size_t kElementHeader = 2; // of the longer form
    bytes += kElementHeader + most;
  }
  constexpr size_t kExtensionHeader = 4;
  return bytes ? kExtensionHeader + (bytes + 3) / 4 * 4 : 0;
}

static GstBuffer* make_packet(GstRTPBasePayload* pay, const RtpPayload& payload, GstBuffer* input,
                              ByteView mapped, GstClockTime pts) {
  const ByteView own(payload.own);
  size_t written = payload.pieces.empty() ? own.size() : payload.pieces[0].at;
  GstBuffer* packet = gst_rtp_base_payload_allocate_output_buffer(pay, guint(written), 0, 0);
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  gst_rtp_buffer_map(packet, GST_MAP_WRITE, &rtp);
  memcpy(gst_rtp_buffer_get_payload(&rtp), own.data(), written);
  gst_rtp_buffer_unmap(&rtp);
  for (size_t i = 0; i < payload.pieces.size(); ++i) {
    const ByteView data = payload.pieces[i].data;
    const bool inside =
        data.data() >= mapped.data() && data.data() + data.size() <= mapped.data() + mapped.size();
    GstBuffer* piece = inside ? gst_buffer_copy_region(input, GST_BUFFER_COPY_MEMORY,
                                                       gsize(data.data() - mapped.data()), data.size())
                              : new_buffer(data.data(), data.size());
    packet = gst_buffer_append(packet, piece);
    const size_t until = i + 1 < payload.pieces.size() ? payload.pieces[i + 1].at : own.size();
    if (until > written)
      packet = gst_buffer_append(packet, new_buffer(own.data() + written, until - written));
    written = until;
  }
  GST_BUFFER_PTS(packet) = pts;
  return packet;
}

static void mark_last(GstBuffer* packet) {
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  gst_rtp_buffer_map(packet, GST_MAP_READWRITE, &rtp);
  gst_rtp_buffer_set_marker(&rtp, TRUE);
  gst_rtp_buffer_unmap(&rtp);
  GST_BUFFER_FLAG_SET(packet, GST_BUFFER_FLAG_MARKER);
}

GstBufferList* make_packets(GstRTPBasePayload* pay, const std::vector<RtpPayload>& payloads, GstBuffer* input,
                            ByteView mapped, GstClockTime pts, bool marker) {
  GstBufferList* list = gst_buffer_list_new_sized(guint(payloads.size()));
  for (const auto& payload : payloads) {
    GstBuffer* packet = make_packet(pay, payload, input, mapped, pts);
    if (marker && &payload == &payloads.back())
      mark_last(packet);
    gst_buffer_list_add(list, packet);
  }
  return list;
}

} // namespace gsem
