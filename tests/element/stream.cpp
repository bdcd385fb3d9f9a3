// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/element/stream.hpp"

#include "tests/element/check.hpp"

namespace stream {

StreamHeader header(const std::vector<int>& kinds, uint32_t fps) {
  StreamHeader h;
  h.width = 64;
  h.height = 48;
  h.fps_n = fps;
  for (int kind : kinds) {
    LayerInfo layer;
    layer.kind = LayerKind(kind);
    layer.parse_hash = 0x1111111111111111u * unsigned(kind);
    if (kind == 3)
      layer.latent_id = 0xabcdef;
    if (kind == 2)
      layer.codec_header = {1, 2, 3, 4};
    h.layers.push_back(layer);
  }
  return h;
}

Bytes header_bytes(const StreamHeader& header) {
  Bytes out;
  fail_unless(write_stream_header(header, false, out) == gsem::Status::Ok);
  return out;
}

Bytes Writer::unit(uint64_t tick, const std::vector<Piece>& pieces) {
  AccessUnitHeader unit;
  unit.number = number_++;
  unit.timestamp = tick;
  for (const auto& piece : pieces) {
    LayerUnit layer;
    layer.kind = LayerKind(piece.kind);
    layer.key = layer.switch_point = piece.key;
    layer.discardable = piece.discardable;
    layer.lost = piece.lost;
    layer.temporal_id = piece.temporal_id;
    layer.size = piece.lost ? 0 : uint32_t(piece.payload.size());
    unit.key = unit.key && piece.key;
    unit.layers.push_back(layer);
  }
  Bytes out;
  fail_unless(write_access_unit_header(unit, timestamps_, out) == gsem::Status::Ok);
  for (const auto& piece : pieces)
    if (!piece.lost)
      append_payload(piece.payload, out);
  return out;
}

Bytes payload(int seed, size_t size) {
  Bytes out(size);
  uint32_t state = uint32_t(seed) * 2654435761u + 1;
  for (auto& byte : out) {
    state = state * 1664525u + 1013904223u;
    byte = uint8_t(state >> 24);
  }
  return out;
}

void append(Bytes& to, const Bytes& more) {
  to.insert(to.end(), more.begin(), more.end());
}

GstBuffer* buffer(const Bytes& bytes, GstClockTime pts) {
  GstBuffer* out = gst_buffer_new_allocate(nullptr, bytes.size(), nullptr);
  gst_buffer_fill(out, 0, bytes.data(), bytes.size());
  GST_BUFFER_PTS(out) = pts;
  return out;
}

Bytes bytes_of(GstBuffer* buffer) {
  Bytes out(gst_buffer_get_size(buffer));
  gst_buffer_extract(buffer, 0, out.data(), out.size());
  return out;
}

Bytes file(const std::vector<int>& kinds, int units, int header_every) {
  const StreamHeader h = header(kinds);
  Writer writer(h);
  Bytes out;
  for (int i = 0; i < units; ++i) {
    if (i % header_every == 0) {
      append(out, header_bytes(h));
      writer.restart();
    }
    std::vector<Piece> pieces;
    for (int kind : kinds)
      pieces.push_back({kind, payload(10 * i + kind, size_t(20 + kind))});
    append(out, writer.unit(uint64_t(i), pieces));
  }
  return out;
}

Messages drain(GstBus* bus) {
  Messages found;
  while (GstMessage* message = gst_bus_pop(bus)) {
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING)
      ++found.warnings;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
      GError* error = nullptr;
      gchar* debug = nullptr;
      gst_message_parse_error(message, &error, &debug);
      ++found.errors;
      found.error_domain = error->domain;
      found.error_code = error->code;
      found.error_text = std::string(error->message) + " | " + (debug ? debug : "");
      g_error_free(error);
      g_free(debug);
    }
    gst_message_unref(message);
  }
  return found;
}

} // namespace stream
