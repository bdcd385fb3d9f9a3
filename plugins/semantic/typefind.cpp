// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/gstsemanticparse.h"
#include "plugins/semantic/layer_caps.hpp"

using namespace gsem;
using namespace gsem::bitstream;

/// `GSEM` and a header that passes its checksum is likely; with a second unit behind it, certain.
static void find_type(GstTypeFind* find, gpointer) {
  constexpr guint kUsualHeader = 256, kUnitHeader = 64;
  // A peek past the end gives nothing at all, and the length is not always known.
  guint have = kUsualHeader;
  const guint8* data = nullptr;
  while (have >= 16 && !(data = gst_type_find_peek(find, 0, have)))
    have /= 2;
  if (!data || memcmp(data, "GSEM", 4) != 0)
    return;
  StreamHeader header;
  size_t size = 0;
  Status status = parse_stream_header(ByteView(data, have), header, size);
  constexpr guint kLongest = 4 * Limits::max_codec_header_bytes;
  if (status == Status::NeedMoreData && (data = gst_type_find_peek(find, 0, kLongest)))
    status = parse_stream_header(ByteView(data, kLongest), header, size);
  if (status == Status::NeedMoreData) {
    gst_type_find_suggest_empty_simple(find, GST_TYPE_FIND_POSSIBLE, GSEM_CAPS_STREAM);
    return;
  }
  if (status != Status::Ok)
    return;
  GstTypeFindProbability probability = GST_TYPE_FIND_LIKELY;
  for (guint bytes = kUnitHeader; bytes >= 2; bytes /= 2) {
    const guint8* next = gst_type_find_peek(find, gint64(size), bytes);
    if (!next)
      continue;
    AccessUnitHeader unit;
    size_t unit_size = 0;
    StreamHeader second;
    if (parse_access_unit_header(ByteView(next, bytes), unit, unit_size, nullptr) == Status::Ok ||
        parse_stream_header(ByteView(next, bytes), second, unit_size) == Status::Ok)
      probability = GST_TYPE_FIND_MAXIMUM;
    break;
  }
  gst_type_find_suggest_empty_simple(find, probability, GSEM_CAPS_STREAM);
}

static gboolean register_type_find(GstPlugin* plugin) {
  Ptr<GstCaps> caps(gst_caps_new_empty_simple(GSEM_CAPS_STREAM));
  return gst_type_find_register(plugin, GSEM_CAPS_STREAM, GST_RANK_PRIMARY, find_type, "gsem", caps.get(),
                                nullptr, nullptr);
}

GST_TYPE_FIND_REGISTER_DEFINE_CUSTOM(semantic, register_type_find);
