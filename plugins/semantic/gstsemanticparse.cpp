// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-semanticparse
 * @title: semanticparse
 *
 * Cuts a byte stream (a .gsem file, a socket, a capture that begins anywhere) into access units with
 * timestamps, and finds its way back after damage. In pull mode (`filesrc`) the whole stream is walked
 * through once from header to header, which gives the exact duration and an index of key units for seeking.
 * The stream header is kept and repeated in the caps as `streamheader`. Streams joined by `cat` play one behind
 * the other.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=out.gsem ! semanticparse ! semanticdecodebin ! videoconvert ! autovideosink
 * ]|
 */
#include "plugins/semantic/gstsemanticparse.h"

#include "plugins/semantic/layer_caps.hpp"
#include "plugins/semantic/unit_index.hpp"

#include <gst/pbutils/pbutils.h>

#include <algorithm>

GST_DEBUG_CATEGORY_STATIC(gst_semantic_parse_debug);
#define GST_CAT_DEFAULT gst_semantic_parse_debug

using namespace gsem;
using namespace gsem::bitstream;

namespace {

/// Streaming thread only.
struct Parse {
  StreamHeader header;
  Bytes header_bytes;
  bool have_header = false;
  Ptr<GstBuffer> inband_header; ///< seen in the stream, goes out in front of the next access unit
  TimestampState timestamps;
  StreamClock clock;
  bool indexed = false;
  UnitIndex index;
  guint64 expected_offset = 0;                    ///< where the next frame begins unless somebody seeks
  guint64 farthest_offset = 0, farthest_tick = 0; ///< the last unit by position so far
  GstClockTime unit_time = GST_CLOCK_TIME_NONE;
};

} // namespace

struct _GstSemanticParse {
  GstBaseParse parent;
  Parse* priv;
};

G_DEFINE_TYPE(GstSemanticParse, gst_semantic_parse, GST_TYPE_BASE_PARSE)
GST_ELEMENT_REGISTER_DEFINE(semanticparse, "semanticparse", GST_RANK_PRIMARY, GST_TYPE_SEMANTIC_PARSE)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_STREAM));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS(GSEM_STREAM_PARSED_TEMPLATE ", " GSEM_CAPS_GEOMETRY ", layers = (int) [ 1, 3 ]"));

// ---- stream header ------------------------------------------------------------------------------------

static gboolean refuse(GstSemanticParse* self, Status status) {
  if (status == Status::TooLarge)
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("The stream header declares absurd sizes."),
                      ("pictures are %u to %u pixels a side, at most %u layers", Limits::min_side,
                       Limits::max_side, Limits::max_layers));
  else
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("This stream needs a newer version of gst-semantic."),
                      ("the stream header's major version is not %u", kMajorVersion));
  return FALSE;
}

static void announce(GstSemanticParse* self) {
  Parse& parse = *self->priv;
  auto* base = GST_BASE_PARSE(self);
  auto caps = stream_caps(parse.header, parse.header_bytes);
  gst_base_parse_set_frame_rate(base, parse.header.fps_n, parse.header.fps_d, 0, 0);
  gst_pad_set_caps(GST_BASE_PARSE_SRC_PAD(self), caps.get());
  Ptr<GstTagList> tags(gst_tag_list_new(GST_TAG_VIDEO_CODEC, "Layered semantic video",
                                        GST_TAG_CONTAINER_FORMAT, "gsem", nullptr));
  gst_base_parse_merge_tags(base, tags.get(), GST_TAG_MERGE_REPLACE);
}

static Status take_header(GstSemanticParse* self, ByteView data, size_t& size) {
  Parse& parse = *self->priv;
  StreamHeader header;
  bool known_profile = false;
  const Status status = read_header(data, header, size, known_profile);
  if (status != Status::Ok)
    return status;
  // Short timestamps go on over a repeated header: the full one behind it may be what gets damaged.
  if (header.fps_n != parse.header.fps_n || header.fps_d != parse.header.fps_d)
    parse.timestamps = TimestampState{};
  parse.clock.header();
  const ByteView bytes = data.first(size);
  parse.inband_header.reset(gst_buffer_new_memdup(bytes.data(), bytes.size()));
  if (parse.have_header &&
      std::equal(bytes.begin(), bytes.end(), parse.header_bytes.begin(), parse.header_bytes.end()))
    return status;
  parse.header = std::move(header);
  parse.header_bytes.assign(bytes.begin(), bytes.end());
  parse.have_header = true;
  announce(self);
  return status;
}

// ---- index --------------------------------------------------------------------------------------------

static bool pull(gpointer pad, guint64 offset, guint size, Bytes& out) {
  GstBuffer* buffer = nullptr;
  if (gst_pad_pull_range(GST_PAD(pad), offset, size, &buffer) != GST_FLOW_OK)
    return false;
  const gsize got = gst_buffer_get_size(buffer);
  out.resize(got);
  gst_buffer_extract(buffer, 0, out.data(), got);
  gst_buffer_unref(buffer);
  return got > 0;
}

/// One walk over the unit headers of a file.
static void build_index(GstSemanticParse* self) {
  Parse& parse = *self->priv;
  auto* base = GST_BASE_PARSE(self);
  gint64 end = -1;
  parse.indexed = true;
  if (GST_PAD_MODE(base->sinkpad) != GST_PAD_MODE_PULL ||
      !gst_pad_peer_query_duration(base->sinkpad, GST_FORMAT_BYTES, &end) || end <= 0)
    return;
  parse.index = UnitIndex::build(guint64(end), pull, base->sinkpad);
  GST_INFO_OBJECT(self, "%" G_GUINT64_FORMAT " access units, %zu index entries, %" GST_TIME_FORMAT,
                  parse.index.units(), parse.index.entries().size(), GST_TIME_ARGS(parse.index.duration()));
  if (GST_CLOCK_TIME_IS_VALID(parse.index.duration()) && parse.index.duration() > 0)
    gst_base_parse_set_duration(base, GST_FORMAT_TIME, gint64(parse.index.duration()), 0);
  for (const auto& entry : parse.index.entries())
    gst_base_parse_add_index_entry(base, entry.start, entry.time, TRUE, TRUE);
}

/// After a seek short timestamps mean nothing until the index or a full one says where we are.
static void notice_seek(GstSemanticParse* self, guint64 offset) {
  Parse& parse = *self->priv;
  if (offset == parse.expected_offset)
    return;
  GST_DEBUG_OBJECT(self, "at %" G_GUINT64_FORMAT " instead of %" G_GUINT64_FORMAT, offset,
                   parse.expected_offset);
  parse.timestamps = TimestampState{};
  parse.clock.jump(parse.index.base_at(offset));
  parse.inband_header.reset();
  parse.expected_offset = offset;
}

// ---- units --------------------------------------------------------------------------------------------

static GstFlowReturn drop(GstBaseParse* base, GstBaseParseFrame* frame, size_t size) {
  frame->flags |= GST_BASE_PARSE_FRAME_FLAG_DROP;
  return gst_base_parse_finish_frame(base, frame, gint(size));
}

static GstFlowReturn finish_unit(GstSemanticParse* self, GstBaseParseFrame* frame,
                                 const AccessUnitHeader& unit, size_t size, bool truncated) {
  Parse& parse = *self->priv;
  GstBuffer* buffer = frame->buffer;
  parse.unit_time = parse.clock.place(tick_time(parse.header, unit.timestamp), frame_duration(parse.header));
  if (!GST_BUFFER_PTS_IS_VALID(buffer))
    GST_BUFFER_PTS(buffer) = parse.unit_time;
  GST_BUFFER_DTS(buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION(buffer) = frame_duration(parse.header);
  if (decodes_alone(parse.header, unit))
    GST_BUFFER_FLAG_UNSET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  else
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_MARKER);
  if (truncated)
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_CORRUPTED);
  if (parse.inband_header) {
    GstBuffer* with_header = parse.inband_header.release();
    GstBuffer* body = gst_buffer_copy_region(buffer, GST_BUFFER_COPY_MEMORY, 0, size);
    with_header = gst_buffer_append(with_header, body);
    gst_buffer_copy_into(with_header, buffer, GST_BUFFER_COPY_METADATA, 0, gsize(-1));
    frame->out_buffer = with_header;
  }
  gst_base_parse_set_min_frame_size(GST_BASE_PARSE(self), 1);
  return gst_base_parse_finish_frame(GST_BASE_PARSE(self), frame, gint(size));
}

/// A full timestamp says the same whatever came before.
static bool has_full_timestamp(ByteView data) {
  AccessUnitHeader a, b;
  size_t size = 0;
  TimestampState low{true, 0}, high{true, uint64_t(1) << 40};
  return parse_access_unit_header(data, a, size, &low) == Status::Ok &&
         parse_access_unit_header(data, b, size, &high) == Status::Ok && a.timestamp == b.timestamp;
}

/// Where short timestamps count from after a seek: the index knows, a full timestamp needs nothing, else the
/// bytes so far tell about where we are (a short timestamp reaches 32768 pictures to both sides). False: this
/// unit has no time.
static bool find_time(GstSemanticParse* self, guint64 offset, ByteView data) {
  Parse& parse = *self->priv;
  if (parse.timestamps.valid || has_full_timestamp(data))
    return true;
  if (const auto* entry = parse.index.at(offset)) {
    parse.timestamps = TimestampState{true, entry->tick};
    return true;
  }
  if (parse.header.fps_n == 0)
    return false;
  // At the very start: streams begin near 0, or else the next header's full timestamp puts it right.
  const guint64 guess = parse.farthest_offset == 0
                            ? 0
                            : gst_util_uint64_scale(parse.farthest_tick, offset, parse.farthest_offset);
  parse.timestamps = TimestampState{true, guess};
  return true;
}

static GstFlowReturn handle_unit(GstSemanticParse* self, GstBaseParseFrame* frame, ByteView data,
                                 gint* skip) {
  Parse& parse = *self->priv;
  auto* base = GST_BASE_PARSE(self);
  const bool timed = parse.have_header && find_time(self, frame->offset, data);
  AccessUnitHeader unit;
  size_t header_size = 0;
  TimestampState timestamps = parse.timestamps;
  const Status status = parse_access_unit_header(data, unit, header_size, &timestamps);
  if (status != Status::Ok) {
    *skip = 1;
    ++parse.expected_offset;
    return GST_FLOW_OK;
  }
  size_t size = header_size + payload_section_size(unit);
  const bool truncated = size > data.size();
  if (truncated && !GST_BASE_PARSE_DRAINING(base)) {
    gst_base_parse_set_min_frame_size(base, guint(size));
    return GST_FLOW_OK;
  }
  size = std::min(size, data.size());
  parse.expected_offset = frame->offset + size;
  if (!timed) {
    GST_DEBUG_OBJECT(self, "access unit %u before any header or full timestamp", unit.number);
    gst_base_parse_set_min_frame_size(base, 1);
    return drop(base, frame, size);
  }
  parse.timestamps = timestamps;
  if (parse.expected_offset > parse.farthest_offset) {
    parse.farthest_offset = parse.expected_offset;
    parse.farthest_tick = unit.timestamp;
  }
  return finish_unit(self, frame, unit, size, truncated);
}

static GstFlowReturn handle_bytes(GstSemanticParse* self, GstBaseParseFrame* frame, ByteView data,
                                  gint* skip) {
  Parse& parse = *self->priv;
  auto* base = GST_BASE_PARSE(self);
  size_t size = 0;
  if (!parse.have_header && data.size() >= 4 && std::equal(data.begin(), data.begin() + 4, "GSEM")) {
    StreamHeader header;
    const Status status = parse_stream_header(data, header, size);
    // With the checksum right (size known) this is no damage.
    if (size && (status == Status::TooLarge || status == Status::Unsupported)) {
      refuse(self, status);
      return GST_FLOW_ERROR;
    }
  }
  size_t at = 0;
  UnitKind kind = UnitKind::AccessUnit;
  const Status status = find_unit(data, 0, at, kind);
  if (status != Status::Ok && GST_BASE_PARSE_DRAINING(base))
    at = data.size();
  if (status != Status::Ok || at > 0) {
    if (at > 0) {
      GST_DEBUG_OBJECT(self, "skipping %zu bytes at %" G_GUINT64_FORMAT, at, frame->offset);
      *skip = gint(at);
      parse.expected_offset += at;
      gst_base_parse_set_min_frame_size(base, 1);
    } else {
      gst_base_parse_set_min_frame_size(base, guint(data.size() + 1));
    }
    return GST_FLOW_OK;
  }
  if (kind == UnitKind::AccessUnit)
    return handle_unit(self, frame, data, skip);
  if (take_header(self, data, size) != Status::Ok) {
    *skip = 1;
    ++parse.expected_offset;
    return GST_FLOW_OK;
  }
  parse.expected_offset = frame->offset + size;
  gst_base_parse_set_min_frame_size(base, 1);
  return drop(base, frame, size);
}

static GstFlowReturn handle_frame(GstBaseParse* base, GstBaseParseFrame* frame, gint* skip) {
  auto* self = GST_SEMANTIC_PARSE(base);
  if (!self->priv->indexed)
    build_index(self);
  notice_seek(self, frame->offset);
  GstMapInfo info;
  // finish_frame releases frame->buffer: an own reference keeps the mapping alive over it.
  Ptr<GstBuffer> memory(gst_buffer_copy_region(frame->buffer, GST_BUFFER_COPY_MEMORY, 0, gsize(-1)));
  if (!gst_buffer_map(memory.get(), &info, GST_MAP_READ)) {
    GST_ELEMENT_ERROR(self, RESOURCE, READ, (nullptr), ("cannot map the stream's bytes"));
    return GST_FLOW_ERROR;
  }
  const GstFlowReturn flow = handle_bytes(self, frame, ByteView(info.data, info.size), skip);
  gst_buffer_unmap(memory.get(), &info);
  return flow;
}

static GstFlowReturn pre_push_frame(GstBaseParse* base, GstBaseParseFrame* frame) {
  // Time from upstream counts where there is one; several units in one upstream buffer have it only for the
  // first.
  if (!GST_BUFFER_PTS_IS_VALID(frame->buffer))
    GST_BUFFER_PTS(frame->buffer) = GST_SEMANTIC_PARSE(base)->priv->unit_time;
  GST_BUFFER_DTS(frame->buffer) = GST_CLOCK_TIME_NONE;
  frame->flags |= GST_BASE_PARSE_FRAME_FLAG_CLIP;
  return GST_FLOW_OK;
}

static gboolean sink_event(GstBaseParse* base, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP) {
    Parse& parse = *GST_SEMANTIC_PARSE(base)->priv;
    parse.timestamps = TimestampState{};
    parse.clock.jump(0);
    parse.inband_header.reset();
  }
  return GST_BASE_PARSE_CLASS(gst_semantic_parse_parent_class)->sink_event(base, event);
}

static gboolean start(GstBaseParse* base) {
  *GST_SEMANTIC_PARSE(base)->priv = Parse{};
  gst_base_parse_set_min_frame_size(base, 1);
  gst_base_parse_set_pts_interpolation(base, FALSE);
  gst_base_parse_set_infer_ts(base, FALSE);
  return TRUE;
}

static gboolean stop(GstBaseParse* base) {
  *GST_SEMANTIC_PARSE(base)->priv = Parse{};
  return TRUE;
}

static void finalize(GObject* object) {
  delete GST_SEMANTIC_PARSE(object)->priv;
  G_OBJECT_CLASS(gst_semantic_parse_parent_class)->finalize(object);
}

static void gst_semantic_parse_init(GstSemanticParse* self) {
  self->priv = new Parse;
}

static void gst_semantic_parse_class_init(GstSemanticParseClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_semantic_parse_debug, "semanticparse", 0, "layered semantic stream parser");
  G_OBJECT_CLASS(klass)->finalize = finalize;
  auto* element = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_set_static_metadata(element, "Layered semantic stream parser", "Codec/Parser/Video",
                                        "Cuts a layered stream into access units", "gst-semantic developers");
  auto* base = GST_BASE_PARSE_CLASS(klass);
  base->start = start;
  base->stop = stop;
  base->handle_frame = handle_frame;
  base->pre_push_frame = pre_push_frame;
  base->sink_event = sink_event;
}
