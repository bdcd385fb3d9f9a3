// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-semanticdemux
 * @title: semanticdemux
 *
 * Takes a layered stream apart: one source pad for each layer the stream header lists. For every access unit
 * each pad gets exactly one of a buffer or a GAP event. A plain GAP means that the layer was not sent; GAP
 * with the MISSING_DATA flag that it was sent but lost or damaged. A damaged payload costs that layer of that
 * access unit, and what depends on it until its next key unit; it is never an error.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=out.gsem ! semanticparse ! semanticdemux name=d \
 *   d.caption ! semantictextdec newline=true ! fdsink
 * ]|
 */
#include "plugins/semantic/gstsemanticdemux.h"

#include "gst/semantic/layer_meta.hpp"
#include "plugins/semantic/demux_counters.hpp"
#include "plugins/semantic/demux_pads.hpp"

#include <algorithm>
#include <atomic>

GST_DEBUG_CATEGORY_STATIC(gst_semantic_demux_debug);
#define GST_CAT_DEFAULT gst_semantic_demux_debug

using namespace gsem;
using namespace gsem::bitstream;

namespace {

constexpr size_t kLayers = kLayerNames.size();

struct Demux {
  Demux(GstElement* owner, DemuxPads::EventFunction src_event) : pads(owner, src_event) {}
  // streaming thread only
  DemuxPads pads;
  LayerFates fates;
  StreamHeader header;
  Bytes header_bytes;
  bool have_header = false;
  TimestampState timestamps;
  GstClockTime last_time = GST_CLOCK_TIME_NONE;
  int expected_number = -1;

  std::atomic<bool> always_caption{false};

  // under the object lock
  DemuxCounters counters;
  gint64 last_warning = 0;
  guint64 warnings_held = 0;
  guint32 seek_seqnum = GST_SEQNUM_INVALID;
};

} // namespace

struct _GstSemanticDemux {
  GstElement parent;
  GstPad* sinkpad;
  Demux* priv;
};

G_DEFINE_TYPE(GstSemanticDemux, gst_semantic_demux, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE(semanticdemux, "semanticdemux", GST_RANK_NONE, GST_TYPE_SEMANTIC_DEMUX)

enum { PROP_0, PROP_ALWAYS_CAPTION, PROP_STATS };

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_STREAM_PARSED_TEMPLATE));

/// One WARNING a second at most; the rest is counted and named in the next one.
static void warn_damage(GstSemanticDemux* self, const std::string& what) {
  guint64 held = 0;
  {
    ObjectLock lock(self);
    Demux& demux = *self->priv;
    const gint64 now = g_get_monotonic_time();
    if (demux.last_warning && now - demux.last_warning < G_USEC_PER_SEC) {
      ++demux.warnings_held;
      return;
    }
    demux.last_warning = now;
    std::swap(held, demux.warnings_held);
  }
  GST_ELEMENT_WARNING(self, STREAM, DEMUX, ("The stream is damaged."),
                      ("%s; %" G_GUINT64_FORMAT " more since the last warning", what.c_str(), held));
}

static gboolean src_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  auto* self = GST_SEMANTIC_DEMUX(parent);
  switch (GST_EVENT_TYPE(event)) {
  case GST_EVENT_SEEK: {
    // A join sends the same seek up each of its pads; upstream must seek once.
    bool again;
    {
      ObjectLock lock(self);
      again = self->priv->seek_seqnum == gst_event_get_seqnum(event);
      self->priv->seek_seqnum = gst_event_get_seqnum(event);
    }
    if (again) {
      gst_event_unref(event);
      return TRUE;
    }
    return gst_pad_push_event(self->sinkpad, event);
  }
  case GST_EVENT_RECONFIGURE:
    gst_event_unref(event);
    return TRUE;
  default:
    return gst_pad_event_default(pad, parent, event);
  }
}

// ---- header -------------------------------------------------------------------------------------------

/// Takes a header at the start of `data`. FLOW_ERROR after an element error; a damaged header is ignored
/// (size 0).
static GstFlowReturn take_header(GstSemanticDemux* self, ByteView data, size_t& size) {
  Demux& demux = *self->priv;
  StreamHeader header;
  bool known_profile = false;
  size = 0;
  Status status = read_header(data, header, size, known_profile);
  if (status == Status::TooLarge && size == 0)
    status = Status::Corrupt; // not even the checksum was reached
  switch (status) {
  case Status::Ok:
    break;
  case Status::TooLarge:
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("The stream header declares absurd sizes."),
                      ("pictures are %u to %u pixels a side, at most %u layers", Limits::min_side,
                       Limits::max_side, Limits::max_layers));
    return GST_FLOW_ERROR;
  case Status::Unsupported:
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("This stream needs a newer version of gst-semantic."),
                      ("the stream header's major version is not %u", kMajorVersion));
    return GST_FLOW_ERROR;
  default:
    size = 0;
    warn_damage(self, std::string("stream header: ") + status_name(status));
    return GST_FLOW_OK;
  }
  // Short timestamps go on over a repeated header: the full one behind it may be what gets damaged.
  if (header.fps_n != demux.header.fps_n || header.fps_d != demux.header.fps_d)
    demux.timestamps = TimestampState{};
  const ByteView bytes = data.first(size);
  if (demux.have_header &&
      std::equal(bytes.begin(), bytes.end(), demux.header_bytes.begin(), demux.header_bytes.end()))
    return GST_FLOW_OK;
  if (!known_profile)
    GST_ELEMENT_WARNING(
        self, RESOURCE, NOT_FOUND, ("The stream's profile is not installed."),
        ("no profile with id %u in GST_SEMANTIC_PROFILE_PATH or the installed folder: layers are "
         "passed on without their hashes and codec headers",
         header.profile_id));
  demux.header = std::move(header);
  demux.header_bytes.assign(bytes.begin(), bytes.end());
  demux.have_header = true;
  demux.pads.expose(demux.header, demux.always_caption);
  return GST_FLOW_OK;
}

// ---- access units -------------------------------------------------------------------------------------

static GstFlowReturn push_layer(GstSemanticDemux* self, size_t index, const LayerPiece& piece,
                                GstBuffer* whole, GstClockTime pts, GstClockTime duration, guint number) {
  const LayerUnit& unit = *piece.unit;
  GstBuffer* out = gst_buffer_copy_region(whole, GST_BUFFER_COPY_MEMORY, piece.offset, unit.size);
  GST_BUFFER_PTS(out) = pts;
  GST_BUFFER_DURATION(out) = duration;
  if (!unit.key)
    GST_BUFFER_FLAG_SET(out, GST_BUFFER_FLAG_DELTA_UNIT);
  if (unit.discardable)
    GST_BUFFER_FLAG_SET(out, GST_BUFFER_FLAG_DROPPABLE);
  auto* meta = gst_buffer_add_semantic_layer_meta(out);
  meta->number = number;
  meta->layers = 1u << unsigned(unit.kind);
  meta->key = unit.key;
  meta->discardable = unit.discardable;
  meta->switch_point = unit.switch_point;
  meta->temporal_id = unit.temporal_id;
  return self->priv->pads.push(index, out);
}

static GstFlowReturn push_unit(GstSemanticDemux* self, const AccessUnitHeader& unit,
                               const LayerPieces& pieces, GstBuffer* whole, GstClockTime pts,
                               GstClockTime duration) {
  Demux& demux = *self->priv;
  demux.last_time = pts;
  GstFlowReturn flow = GST_FLOW_OK;
  for (size_t index = 0; index < kLayers; ++index) {
    if (!demux.pads.has(index))
      continue;
    {
      ObjectLock lock(self);
      demux.counters.add(index, pieces[index]);
    }
    if (pieces[index].fate == Fate::Present) {
      flow = push_layer(self, index, pieces[index], whole, pts, duration, unit.number);
      if (flow != GST_FLOW_OK)
        return flow;
    } else {
      demux.pads.push_gap(index, pts, duration, pieces[index].fate != Fate::NotSent);
    }
  }
  return flow;
}

/// A unit that cannot be read still was a picture: every layer of it is missing.
static GstFlowReturn lose_unit(GstSemanticDemux* self, GstBuffer* whole, const std::string& why) {
  Demux& demux = *self->priv;
  {
    ObjectLock lock(self);
    ++demux.counters.damaged_units;
  }
  warn_damage(self, why);
  GstClockTime pts = GST_BUFFER_PTS(whole);
  const GstClockTime duration = frame_duration(demux.header);
  if (!GST_CLOCK_TIME_IS_VALID(pts) && GST_CLOCK_TIME_IS_VALID(demux.last_time) &&
      GST_CLOCK_TIME_IS_VALID(duration))
    pts = demux.last_time + duration;
  if (!demux.pads.exposed() || !GST_CLOCK_TIME_IS_VALID(pts))
    return GST_FLOW_OK;
  LayerPieces pieces;
  for (auto& piece : pieces)
    piece.fate = Fate::Lost;
  return push_unit(self, AccessUnitHeader{}, pieces, whole, pts, duration);
}

static GstFlowReturn take_unit(GstSemanticDemux* self, GstBuffer* whole, ByteView data, size_t offset,
                               size_t& size) {
  Demux& demux = *self->priv;
  AccessUnitHeader unit;
  size_t header_size = 0;
  const Status status = parse_access_unit_header(data.subspan(offset), unit, header_size, &demux.timestamps);
  if (status != Status::Ok) {
    size = 0;
    return lose_unit(self, whole, std::string("access unit header: ") + status_name(status));
  }
  const size_t section_offset = offset + header_size;
  const ByteView section = data.subspan(section_offset);
  size = header_size + std::min(payload_section_size(unit), section.size());

  GstClockTime pts = GST_BUFFER_PTS(whole);
  if (!GST_CLOCK_TIME_IS_VALID(pts))
    pts = tick_time(demux.header, unit.timestamp);
  GstClockTime duration = GST_BUFFER_DURATION(whole);
  if (!GST_CLOCK_TIME_IS_VALID(duration))
    duration = frame_duration(demux.header);

  if (demux.expected_number >= 0 && unit.number != demux.expected_number)
    demux.pads.break_off();
  demux.expected_number = (unit.number + 1) & 0xffff;
  {
    ObjectLock lock(self);
    ++demux.counters.units;
  }
  auto pieces = demux.fates.examine(demux.header, unit, section);
  for (size_t i = 0; i < kLayers; ++i) {
    pieces[i].offset += section_offset;
    if (pieces[i].fate == Fate::Damaged)
      warn_damage(self, std::string(kLayerNames[i].pad) + " of access unit " + std::to_string(unit.number) +
                            ": " + status_name(pieces[i].status));
  }
  return push_unit(self, unit, pieces, whole, pts, duration);
}

static GstFlowReturn take_buffer(GstSemanticDemux* self, GstBuffer* buffer) {
  Demux& demux = *self->priv;
  BufferMap map(buffer, GST_MAP_READ);
  if (!map) {
    GST_ELEMENT_ERROR(self, RESOURCE, READ, (nullptr), ("cannot map the access unit"));
    return GST_FLOW_ERROR;
  }
  const ByteView data(map.data(), map.size());
  size_t offset = 0;
  bool seen_unit = false;
  while (offset < data.size()) {
    size_t at = offset, size = 0;
    UnitKind kind = UnitKind::AccessUnit;
    const bool header_here =
        data.size() - offset >= 4 && std::equal(data.begin() + offset, data.begin() + offset + 4, "GSEM");
    if (header_here) {
      const GstFlowReturn flow = take_header(self, data.subspan(offset), size);
      if (flow != GST_FLOW_OK)
        return flow;
    } else if (demux.have_header) {
      const GstFlowReturn flow = take_unit(self, buffer, data, offset, size);
      seen_unit = true;
      if (flow != GST_FLOW_OK)
        return flow;
    }
    offset += size;
    if (size)
      continue;
    // Damaged, or nothing known yet: go on at the next unit that passes its checks.
    if (find_unit(data, offset + 1, at, kind) != Status::Ok)
      break;
    offset = at;
  }
  if (!demux.have_header && !seen_unit)
    GST_DEBUG_OBJECT(self, "waiting for a stream header");
  return GST_FLOW_OK;
}

static GstFlowReturn chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
  auto* self = GST_SEMANTIC_DEMUX(parent);
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT))
    self->priv->pads.break_off();
  const GstFlowReturn flow = take_buffer(self, buffer);
  gst_buffer_unref(buffer);
  return flow;
}

// ---- events and states --------------------------------------------------------------------------------

static gboolean take_caps(GstSemanticDemux* self, GstEvent* event) {
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  GstBuffer* header = header_buffer(caps);
  if (!header)
    return TRUE;
  BufferMap map(header, GST_MAP_READ);
  size_t size = 0;
  return map && take_header(self, ByteView(map.data(), map.size()), size) == GST_FLOW_OK;
}

static void forget_time(Demux& demux) {
  demux.timestamps = TimestampState{};
  demux.last_time = GST_CLOCK_TIME_NONE;
  demux.expected_number = -1;
  demux.pads.reset_flow();
  demux.pads.break_off();
  demux.fates.reset();
}

static gboolean sink_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  auto* self = GST_SEMANTIC_DEMUX(parent);
  Demux& demux = *self->priv;
  switch (GST_EVENT_TYPE(event)) {
  case GST_EVENT_STREAM_START:
    demux.pads.push_stream_start();
    gst_event_unref(event);
    return TRUE;
  case GST_EVENT_STREAM_COLLECTION:
    gst_event_unref(event); // ours replaces it
    return TRUE;
  case GST_EVENT_CAPS: {
    const gboolean ok = take_caps(self, event);
    gst_event_unref(event);
    return ok;
  }
  case GST_EVENT_SEGMENT:
    demux.pads.take_segment(event);
    gst_event_unref(event);
    return TRUE;
  case GST_EVENT_FLUSH_STOP:
    forget_time(demux);
    break;
  case GST_EVENT_EOS:
    if (!demux.pads.exposed())
      GST_ELEMENT_ERROR(self, STREAM, DEMUX, ("No layered semantic stream was found."),
                        ("the input ended before any intact stream header"));
    break;
  default:
    break;
  }
  return gst_pad_event_default(pad, parent, event);
}

static GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  auto* self = GST_SEMANTIC_DEMUX(element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    ObjectLock lock(self);
    self->priv->counters = DemuxCounters{};
    self->priv->last_warning = 0;
    self->priv->warnings_held = 0;
    self->priv->seek_seqnum = GST_SEQNUM_INVALID;
  }
  const auto result = GST_ELEMENT_CLASS(gst_semantic_demux_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY && result != GST_STATE_CHANGE_FAILURE) {
    Demux& demux = *self->priv;
    demux.pads.remove();
    forget_time(demux);
    demux.header = StreamHeader{};
    demux.header_bytes.clear();
    demux.have_header = false;
  }
  return result;
}

static GstStructure* make_stats(GstSemanticDemux* self) {
  ObjectLock lock(self);
  return self->priv->counters.to_structure();
}

static void set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  if (id == PROP_ALWAYS_CAPTION)
    GST_SEMANTIC_DEMUX(object)->priv->always_caption = g_value_get_boolean(value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  if (id == PROP_STATS)
    g_value_take_boxed(value, make_stats(GST_SEMANTIC_DEMUX(object)));
  else if (id == PROP_ALWAYS_CAPTION)
    g_value_set_boolean(value, GST_SEMANTIC_DEMUX(object)->priv->always_caption);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void finalize(GObject* object) {
  delete GST_SEMANTIC_DEMUX(object)->priv;
  G_OBJECT_CLASS(gst_semantic_demux_parent_class)->finalize(object);
}

static void gst_semantic_demux_init(GstSemanticDemux* self) {
  self->priv = new Demux(GST_ELEMENT(self), src_event);
  self->sinkpad = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(self->sinkpad, chain);
  gst_pad_set_event_function(self->sinkpad, sink_event);
  gst_element_add_pad(GST_ELEMENT(self), self->sinkpad);
}

static void gst_semantic_demux_class_init(GstSemanticDemuxClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_semantic_demux_debug, "semanticdemux", 0, "layered semantic stream demuxer");
  auto* object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  g_object_class_install_property(
      object, PROP_ALWAYS_CAPTION,
      g_param_spec_boolean(
          "always-caption", "Always caption",
          "Make a caption pad, of GAPs only, for streams without captions too: the base of a decoding "
          "chain then has something to start a picture from",
          FALSE, GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)));
  g_object_class_install_property(
      object, PROP_STATS,
      g_param_spec_boxed(
          "stats", "Statistics",
          "Counters since READY->PAUSED (guint64): access-units, damaged-units (header unreadable), "
          "and a structure for each layer: present, not-sent, lost (in transport, or what it depends "
          "on is missing), damaged (wrong checksum), bytes",
          GST_TYPE_STRUCTURE, GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
  auto* element = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element, &sink_template);
  DemuxPads::install_templates(element);
  gst_element_class_set_static_metadata(element, "Layered semantic stream demuxer", "Codec/Demuxer",
                                        "Takes a layered stream apart into caption, structure and signal",
                                        "gst-semantic developers");
  element->change_state = change_state;
}
