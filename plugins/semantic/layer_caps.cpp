// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/layer_caps.hpp"

#include "models/profile/profile.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace gsem {

using namespace bitstream;

namespace {

struct CodecName {
  LayerKind kind;
  uint8_t codec;
  const char* name;
};

constexpr CodecName kCodecs[] = {
    {LayerKind::Caption, uint8_t(CaptionCodec::Trigram), "trigram"},
    {LayerKind::Structure, uint8_t(StructureCodec::Av1), "av1"},
    {LayerKind::Structure, uint8_t(StructureCodec::Vvc), "vvc"},
    {LayerKind::Signal, uint8_t(SignalCodec::Hyperprior), "hyperprior"},
};

void set_geometry(GstCaps* caps, const StreamHeader& header) {
  gst_caps_set_simple(caps, "width", G_TYPE_INT, int(header.width), "height", G_TYPE_INT, int(header.height),
                      "framerate", GST_TYPE_FRACTION, int(header.fps_n), int(header.fps_d),
                      "pixel-aspect-ratio", GST_TYPE_FRACTION, int(header.par_n), int(header.par_d), nullptr);
}

bool hash_field(const GstStructure* caps, const char* field, uint64_t& hash, std::string& error) {
  const char* text = gst_structure_get_string(caps, field);
  if (!text || hash_from_string(text, hash))
    return true;
  error = std::string(field) + "=" + text + " is not 1 to 16 hexadecimal digits";
  return false;
}

} // namespace

int layer_index(const char* pad_name) {
  for (size_t i = 0; i < kLayerNames.size(); ++i)
    if (!strcmp(kLayerNames[i].pad, pad_name))
      return int(i);
  return -1;
}

GstBuffer* new_buffer(const void* data, size_t size) {
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, size, nullptr);
  gst_buffer_fill(buffer, 0, data, size);
  return buffer;
}

std::string hash_to_string(uint64_t hash) {
  char text[17];
  g_snprintf(text, sizeof text, "%016" G_GINT64_MODIFIER "x", hash);
  return text;
}

bool hash_from_string(const char* text, uint64_t& hash) {
  const size_t length = strlen(text);
  if (length == 0 || length > 16 || strspn(text, "0123456789abcdefABCDEF") != length)
    return false;
  hash = g_ascii_strtoull(text, nullptr, 16);
  return true;
}

const char* codec_name(LayerKind kind, uint8_t codec) {
  for (const auto& c : kCodecs)
    if (c.kind == kind && c.codec == codec)
      return c.name;
  return nullptr;
}

bool geometry_from_caps(const GstStructure* caps, StreamHeader& header) {
  int width = 0, height = 0, n = 0, d = 1;
  if (!gst_structure_get_int(caps, "width", &width) || !gst_structure_get_int(caps, "height", &height) ||
      width <= 0 || height <= 0)
    return false;
  header.width = uint32_t(width);
  header.height = uint32_t(height);
  header.fps_n = 0;
  header.fps_d = 1;
  if (gst_structure_get_fraction(caps, "framerate", &n, &d) && n > 0 && d > 0) {
    header.fps_n = uint32_t(n);
    header.fps_d = uint32_t(d);
  }
  header.par_n = header.par_d = 1;
  if (gst_structure_get_fraction(caps, "pixel-aspect-ratio", &n, &d) && n > 0 && d > 0) {
    header.par_n = uint32_t(n);
    header.par_d = uint32_t(d);
  }
  return true;
}

bool layer_from_caps(const GstStructure* caps, LayerKind kind, LayerInfo& layer, std::string& error) {
  layer = LayerInfo{};
  layer.kind = kind;
  if (const char* name = gst_structure_get_string(caps, "codec")) {
    auto known = std::find_if(std::begin(kCodecs), std::end(kCodecs),
                              [&](const CodecName& c) { return c.kind == kind && !strcmp(c.name, name); });
    if (known == std::end(kCodecs)) {
      error = std::string("codec=") + name + " is unknown for " + gst_structure_get_name(caps);
      return false;
    }
    layer.codec = known->codec;
  }
  if (!hash_field(caps, "parse-hash", layer.parse_hash, error) ||
      !hash_field(caps, "latent-id", layer.latent_id, error))
    return false;
  const GValue* value = gst_structure_get_value(caps, "codec_data");
  if (value && GST_VALUE_HOLDS_BUFFER(value)) {
    BufferMap map(gst_value_get_buffer(value), GST_MAP_READ);
    if (!map || map.size() > Limits::max_codec_header_bytes) {
      error = "codec_data is over " + std::to_string(Limits::max_codec_header_bytes) + " bytes";
      return false;
    }
    layer.codec_header.assign(map.data(), map.data() + map.size());
  }
  return true;
}

Ptr<GstCaps> layer_caps(const StreamHeader& header, const LayerInfo& layer) {
  const char* name = GSEM_CAPS_SIGNAL;
  for (const auto& n : kLayerNames)
    if (n.kind == layer.kind)
      name = n.caps;
  Ptr<GstCaps> caps(gst_caps_new_simple(name, "parsed", G_TYPE_BOOLEAN, TRUE, nullptr));
  set_geometry(caps.get(), header);
  if (const char* codec = codec_name(layer.kind, layer.codec))
    gst_caps_set_simple(caps.get(), "codec", G_TYPE_STRING, codec, nullptr);
  if (layer.parse_hash)
    gst_caps_set_simple(caps.get(), "parse-hash", G_TYPE_STRING, hash_to_string(layer.parse_hash).c_str(),
                        nullptr);
  if (layer.latent_id)
    gst_caps_set_simple(caps.get(), "latent-id", G_TYPE_STRING, hash_to_string(layer.latent_id).c_str(),
                        nullptr);
  if (!layer.codec_header.empty()) {
    Ptr<GstBuffer> data(new_buffer(layer.codec_header.data(), layer.codec_header.size()));
    gst_caps_set_simple(caps.get(), "codec_data", GST_TYPE_BUFFER, data.get(), nullptr);
  }
  return caps;
}

Ptr<GstCaps> stream_caps(const StreamHeader& header, ByteView header_bytes) {
  Ptr<GstCaps> caps(gst_caps_from_string(GSEM_STREAM_PARSED_TEMPLATE));
  set_geometry(caps.get(), header);
  int highest = 1;
  for (const auto& layer : header.layers)
    if (int(layer.kind) <= 3)
      highest = std::max(highest, int(layer.kind));
  gst_caps_set_simple(caps.get(), "layers", G_TYPE_INT, highest, nullptr);

  GValue array = G_VALUE_INIT, item = G_VALUE_INIT;
  g_value_init(&array, GST_TYPE_ARRAY);
  g_value_init(&item, GST_TYPE_BUFFER);
  Ptr<GstBuffer> buffer(new_buffer(header_bytes.data(), header_bytes.size()));
  GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_HEADER);
  g_value_take_boxed(&item, buffer.release());
  gst_value_array_append_and_take_value(&array, &item);
  gst_caps_set_value(caps.get(), "streamheader", &array);
  g_value_unset(&array);
  return caps;
}

GstBuffer* header_buffer(const GstCaps* caps) {
  const GValue* array = gst_structure_get_value(gst_caps_get_structure(caps, 0), "streamheader");
  if (!array || !GST_VALUE_HOLDS_ARRAY(array) || gst_value_array_get_size(array) == 0)
    return nullptr;
  const GValue* item = gst_value_array_get_value(array, 0);
  return GST_VALUE_HOLDS_BUFFER(item) ? gst_value_get_buffer(item) : nullptr;
}

Status read_header(ByteView data, StreamHeader& header, size_t& size, bool& known_profile) {
  known_profile = true;
  Status status = parse_stream_header(data, header, size, profile::resolve_profile_id, nullptr);
  if (status == Status::Ok)
    return status;
  StreamHeader bare;
  size_t bare_size = 0;
  if (parse_stream_header(data, bare, bare_size) != Status::Ok)
    return status;
  known_profile = false;
  header = std::move(bare);
  size = bare_size;
  return Status::Ok;
}

GstClockTime tick_time(const StreamHeader& header, uint64_t tick) {
  const auto [n, d] = time_base(header);
  return gst_util_uint64_scale(tick, uint64_t(n) * GST_SECOND, d);
}

uint64_t time_tick(const StreamHeader& header, GstClockTime time) {
  const auto [n, d] = time_base(header);
  return gst_util_uint64_scale_round(time, d, uint64_t(n) * GST_SECOND);
}

GstClockTime frame_duration(const StreamHeader& header) {
  return header.fps_n ? gst_util_uint64_scale(GST_SECOND, header.fps_d, header.fps_n) : GST_CLOCK_TIME_NONE;
}

bool decodes_alone(const StreamHeader& header, const AccessUnitHeader& unit) {
  if (!unit.key || unit.layers.empty())
    return false;
  auto is_caption = [](const auto& layer) { return layer.kind == LayerKind::Caption; };
  return std::none_of(header.layers.begin(), header.layers.end(), is_caption) ||
         std::any_of(unit.layers.begin(), unit.layers.end(), is_caption);
}

} // namespace gsem
