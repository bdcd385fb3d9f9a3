// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/layer_caps.hpp"

#include "gst/bitstream/stream_header.hpp"

#include <cinttypes>
#include <cstdio>

namespace gsem::codec {

namespace {

uint64_t read_hash(const GstStructure* s, const char* field) {
  const char* text = gst_structure_get_string(s, field);
  return text ? g_ascii_strtoull(text, nullptr, 16) : 0;
}

std::string read_text(const GstStructure* s, const char* field) {
  const char* text = gst_structure_get_string(s, field);
  return text ? text : "";
}

} // namespace

std::string hash_text(uint64_t hash) {
  char text[17];
  std::snprintf(text, sizeof text, "%016" PRIx64, hash);
  return text;
}

void write_identity(GstCaps* caps, const LayerIdentity& id) {
  gst_caps_set_simple(caps, "parsed", G_TYPE_BOOLEAN, TRUE, nullptr);
  if (!id.profile.empty())
    gst_caps_set_simple(caps, "profile", G_TYPE_STRING, id.profile.c_str(), nullptr);
  if (!id.codec.empty())
    gst_caps_set_simple(caps, "codec", G_TYPE_STRING, id.codec.c_str(), nullptr);
  if (id.parse_hash)
    gst_caps_set_simple(caps, "parse-hash", G_TYPE_STRING, hash_text(id.parse_hash).c_str(), nullptr);
  if (id.latent_id)
    gst_caps_set_simple(caps, "latent-id", G_TYPE_STRING, hash_text(id.latent_id).c_str(), nullptr);
  if (!id.codec_data.empty()) {
    Ptr<GstBuffer> data(gst_buffer_new_memdup(id.codec_data.data(), id.codec_data.size()));
    gst_caps_set_simple(caps, "codec_data", GST_TYPE_BUFFER, data.get(), nullptr);
  }
}

LayerIdentity read_identity(const GstCaps* caps) {
  const GstStructure* s = gst_caps_get_structure(caps, 0);
  LayerIdentity id;
  id.profile = read_text(s, "profile");
  id.codec = read_text(s, "codec");
  id.parse_hash = read_hash(s, "parse-hash");
  id.latent_id = read_hash(s, "latent-id");
  const GValue* value = gst_structure_get_value(s, "codec_data");
  if (value && G_VALUE_HOLDS(value, GST_TYPE_BUFFER)) {
    GstBuffer* buffer = gst_value_get_buffer(value);
    BufferMap map(buffer, GST_MAP_READ);
    if (map && map.size() <= bitstream::Limits::max_codec_header_bytes)
      id.codec_data.assign(map.data(), map.data() + map.size());
  }
  return id;
}

bool LayerGeometry::possible() const {
  auto fits = [](int side) {
    return side >= int(bitstream::Limits::min_side) && side <= int(bitstream::Limits::max_side);
  };
  return fits(width) && fits(height);
}

LayerGeometry read_geometry(const GstCaps* caps) {
  const GstStructure* s = gst_caps_get_structure(caps, 0);
  LayerGeometry g;
  gst_structure_get_int(s, "width", &g.width);
  gst_structure_get_int(s, "height", &g.height);
  if (!gst_structure_get_fraction(s, "framerate", &g.fps_n, &g.fps_d) || g.fps_n < 0 || g.fps_d <= 0)
    g.fps_n = 0, g.fps_d = 1;
  if (!gst_structure_get_fraction(s, "pixel-aspect-ratio", &g.par_n, &g.par_d) || g.par_n <= 0 ||
      g.par_d <= 0)
    g.par_n = g.par_d = 1;
  return g;
}

} // namespace gsem::codec
