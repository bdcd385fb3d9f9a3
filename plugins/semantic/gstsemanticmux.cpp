// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-semanticmux
 * @title: semanticmux
 *
 * Joins up to three coded layers of the same pictures into one stream, one access unit a buffer. Each pad is
 * optional; a layer that sends a GAP is left out of that access unit. The stream header is in-band at the
 * start, again every `config-interval` seconds at key units, and in the caps as `streamheader`: `filesink`
 * behind the muxer writes a valid .gsem file, and any capture that begins at a header is one too.
 *
 * In live pipelines an access unit waits at most for the pipeline's latency; a layer that comes later is
 * dropped and counted in `stats`.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=50 ! video/x-raw,width=256,height=256 ! videoconvert ! tee name=t \
 *   t. ! queue ! semanticenc ! m.caption  t. ! queue ! structenc ! m.structure \
 *   t. ! queue ! signalenc ! m.signal  semanticmux name=m ! filesink location=out.gsem
 * ]|
 */
#include "plugins/semantic/gstsemanticmux.h"

#include "config.h"
#include "gst/semantic/layer_meta.hpp"
#include "models/entropy/caption_coder.hpp"
#include "models/profile/profile.hpp"
#include "plugins/semantic/layer_caps.hpp"

#include <gst/tag/tag.h>
#include <gst/video/video.h>

#include <algorithm>
#include <atomic>
#include <optional>

GST_DEBUG_CATEGORY_STATIC(gst_semantic_mux_debug);
#define GST_CAT_DEFAULT gst_semantic_mux_debug

using namespace gsem;
using namespace gsem::bitstream;

namespace {

constexpr guint kDefaultConfigInterval = 2;
constexpr size_t kLayers = kLayerNames.size();

struct LayerSource {
  std::optional<LayerInfo> info; ///< once the pad has caps
  StreamHeader geometry;         ///< size, rate, pixel shape only
  bool has_geometry = false;
};

/// Everything that begins anew at READY->PAUSED; streaming thread only.
struct Stream {
  std::array<LayerSource, kLayers> layers;
  std::string profile_name;
  std::shared_ptr<const profile::Profile> profile;
  int last_caps = -1; ///< layer whose caps came last: its geometry counts
  bool header_stale = true;
  StreamHeader header;
  Bytes header_bytes;
  TimestampState timestamps;
  uint16_t number = 0;
  std::optional<uint64_t> last_tick;
  GstClockTime last_header_time = GST_CLOCK_TIME_NONE;
  bool discont = true;

  Ptr<GstTagList> tags{nullptr};
  std::string description;
  bool tags_changed = true;
  GstClockTime rate_start = GST_CLOCK_TIME_NONE;
  guint64 rate_bytes = 0;
  guint bitrate = 0, maximum_bitrate = 0;
};

struct Counters {
  guint64 units = 0, headers = 0, header_bytes = 0, bytes = 0;
  std::array<guint64, kLayers> layer_bytes{};
};

struct Mux : Stream {
  std::atomic<guint> config_interval{kDefaultConfigInterval};
  std::atomic<bool> want_header{false}; ///< downstream asked for all headers
  Counters counters;                    ///< under the object lock
};

} // namespace

struct _GstSemanticMux {
  GstSemanticLayerJoin parent;
  Mux* priv;
};

G_DEFINE_TYPE(GstSemanticMux, gst_semantic_mux, GST_TYPE_SEMANTIC_LAYER_JOIN)
GST_ELEMENT_REGISTER_DEFINE(semanticmux, "semanticmux", GST_RANK_NONE, GST_TYPE_SEMANTIC_MUX)

enum { PROP_0, PROP_CONFIG_INTERVAL, PROP_STATS };

#define LAYER_TEMPLATE(pad, caps)                                                                            \
  GST_STATIC_PAD_TEMPLATE(pad, GST_PAD_SINK, GST_PAD_REQUEST,                                                \
                          GST_STATIC_CAPS(caps ", parsed = (boolean) true"))
static GstStaticPadTemplate layer_templates[] = {
    LAYER_TEMPLATE(GSEM_PAD_CAPTION, GSEM_CAPS_CAPTION),
    LAYER_TEMPLATE(GSEM_PAD_STRUCTURE, GSEM_CAPS_STRUCTURE),
    LAYER_TEMPLATE(GSEM_PAD_SIGNAL, GSEM_CAPS_SIGNAL),
};
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS(GSEM_STREAM_PARSED_TEMPLATE ", " GSEM_CAPS_GEOMETRY ", layers = (int) [ 1, 3 ]"));

// ---- header -------------------------------------------------------------------------------------------

/// A compact header needs a profile whose resolver gives back exactly what the layers' caps say.
static bool compact_possible(const Mux& mux, const StreamHeader& header) {
  if (!mux.profile || mux.profile->id == 0)
    return false;
  StreamHeader resolved = header;
  resolved.profile_id = mux.profile->id;
  for (auto& layer : resolved.layers) {
    layer.parse_hash = layer.latent_id = 0;
    layer.codec_header.clear();
  }
  Bytes bytes;
  if (write_stream_header(resolved, true, bytes) != Status::Ok)
    return false;
  size_t size = 0;
  if (parse_stream_header(bytes, resolved, size, profile::resolve_profile_id) != Status::Ok ||
      resolved.layers.size() != header.layers.size())
    return false;
  for (size_t i = 0; i < header.layers.size(); ++i) {
    const LayerInfo &a = header.layers[i], &b = resolved.layers[i];
    if (a.kind != b.kind || a.codec != b.codec || a.parse_hash != b.parse_hash ||
        a.latent_id != b.latent_id || a.codec_header != b.codec_header)
      return false;
  }
  return true;
}

static bool same_geometry(const StreamHeader& a, const StreamHeader& b) {
  return a.width == b.width && a.height == b.height && a.par_n == b.par_n && a.par_d == b.par_d;
}

static bool build_header(GstSemanticMux* self, const GstSemanticJoinSet* set) {
  Mux& mux = *self->priv;
  StreamHeader header;
  bool sized = mux.last_caps >= 0 && mux.layers[mux.last_caps].has_geometry;
  if (sized)
    header = mux.layers[mux.last_caps].geometry;
  for (const auto& source : mux.layers)
    if (!sized && source.has_geometry) {
      header = source.geometry;
      sized = true;
    }
  if (!sized) {
    // Typed captions have no size of their own: the networks' square is as good as any.
    header.width = header.height = 256;
  }
  for (size_t i = 0; i < kLayers; ++i) {
    const LayerSource& source = mux.layers[i];
    if (!source.info)
      continue;
    if (set->pads[i].buffer && source.has_geometry && !same_geometry(source.geometry, header)) {
      GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("The layers are of different pictures."),
                        ("%s is %ux%u, but another layer %ux%u; feed all encoders from one tee",
                         kLayerNames[i].pad, source.geometry.width, source.geometry.height, header.width,
                         header.height));
      return false;
    }
    header.layers.push_back(*source.info);
  }
  const bool compact = compact_possible(mux, header);
  header.profile_id = compact ? mux.profile->id : 0;
  Bytes bytes;
  const Status status = write_stream_header(header, compact, bytes);
  if (status != Status::Ok) {
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("These pictures cannot be put into a stream header."),
                      ("%ux%u at %u/%u fps: %s", header.width, header.height, header.fps_n, header.fps_d,
                       status_name(status)));
    return false;
  }
  // Ticks count in the new time base from here on.
  if (header.fps_n != mux.header.fps_n || header.fps_d != mux.header.fps_d)
    mux.last_tick.reset();
  mux.header = std::move(header);
  mux.header_bytes = std::move(bytes);
  mux.header_stale = false;
  mux.last_header_time = GST_CLOCK_TIME_NONE;
  GST_INFO_OBJECT(self, "%s stream header of %zu bytes", compact ? "compact" : "long",
                  mux.header_bytes.size());
  auto caps = stream_caps(mux.header, mux.header_bytes);
  gst_aggregator_set_src_caps(GST_AGGREGATOR(self), caps.get());
  return true;
}

static bool header_due(Mux& mux, const AccessUnitHeader& unit, GstClockTime now) {
  if (!GST_CLOCK_TIME_IS_VALID(mux.last_header_time))
    return true;
  if (!unit.key || unit.layers.empty())
    return false;
  const guint interval = mux.config_interval;
  return mux.want_header || (interval && now >= mux.last_header_time + interval * GST_SECOND);
}

// ---- tags ---------------------------------------------------------------------------------------------

static void describe(GstSemanticMux* self, const GstSemanticJoinSet* set) {
  Mux& mux = *self->priv;
  GstBuffer* caption = set->pads[0].buffer;
  if (!caption || !mux.description.empty() || !mux.profile || !mux.profile->caption_coder)
    return;
  BufferMap map(caption, GST_MAP_READ);
  entropy::Caption decoded;
  if (map && mux.profile->caption_coder->decode(ByteView(map.data(), map.size()), decoded) == Status::Ok &&
      !decoded.text.empty()) {
    mux.description = decoded.text;
    mux.tags_changed = true;
  }
}

static void count_rate(Mux& mux, GstClockTime now, size_t bytes) {
  if (!GST_CLOCK_TIME_IS_VALID(mux.rate_start) || now < mux.rate_start)
    mux.rate_start = now, mux.rate_bytes = 0;
  const GstClockTime span = now - mux.rate_start;
  if (span >= GST_SECOND) {
    const auto rate = guint(gst_util_uint64_scale(mux.rate_bytes, 8 * GST_SECOND, span));
    if (rate != mux.bitrate) {
      mux.bitrate = rate;
      mux.maximum_bitrate = std::max(mux.maximum_bitrate, rate);
      mux.tags_changed = true;
    }
    mux.rate_start = now;
    mux.rate_bytes = 0;
  }
  mux.rate_bytes += bytes;
}

static void push_tags(GstSemanticMux* self) {
  Mux& mux = *self->priv;
  mux.tags_changed = false;
  GstTagList* tags = mux.tags ? gst_tag_list_copy(mux.tags.get()) : gst_tag_list_new_empty();
  gst_tag_list_add(tags, GST_TAG_MERGE_REPLACE, GST_TAG_VIDEO_CODEC, "Layered semantic video",
                   GST_TAG_ENCODER, GSEM_PACKAGE " " GSEM_VERSION, nullptr);
  if (!mux.description.empty())
    gst_tag_list_add(tags, GST_TAG_MERGE_KEEP, GST_TAG_DESCRIPTION, mux.description.c_str(), nullptr);
  if (mux.bitrate)
    gst_tag_list_add(tags, GST_TAG_MERGE_REPLACE, GST_TAG_BITRATE, mux.bitrate, GST_TAG_MAXIMUM_BITRATE,
                     mux.maximum_bitrate, nullptr);
  gst_tag_list_set_scope(tags, GST_TAG_SCOPE_STREAM);
  gst_pad_push_event(GST_AGGREGATOR(self)->srcpad, gst_event_new_tag(tags));
}

/// Tags of the encoders describe single layers; the rest (title, orientation) belongs to the picture and goes
/// on.
static void merge_tags(GstSemanticMux* self, GstEvent* event) {
  Mux& mux = *self->priv;
  GstTagList* list = nullptr;
  gst_event_parse_tag(event, &list);
  GstTagList* kept = gst_tag_list_copy(list);
  for (const char* tag : {GST_TAG_VIDEO_CODEC, GST_TAG_CODEC, GST_TAG_CONTAINER_FORMAT, GST_TAG_ENCODER,
                          GST_TAG_ENCODER_VERSION, GST_TAG_BITRATE, GST_TAG_NOMINAL_BITRATE,
                          GST_TAG_MINIMUM_BITRATE, GST_TAG_MAXIMUM_BITRATE})
    gst_tag_list_remove_tag(kept, tag);
  if (!gst_tag_list_is_empty(kept)) {
    mux.tags.reset(gst_tag_list_merge(mux.tags.get(), kept, GST_TAG_MERGE_REPLACE));
    mux.tags_changed = true;
  }
  gst_tag_list_unref(kept);
}

// ---- access units -------------------------------------------------------------------------------------

static void add_layer(AccessUnitHeader& unit, LayerKind kind, GstBuffer* buffer, bool lost) {
  LayerUnit layer;
  layer.kind = kind;
  layer.lost = lost;
  if (buffer) {
    layer.size = uint32_t(gst_buffer_get_size(buffer));
    layer.key = layer.switch_point = !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    layer.discardable = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DROPPABLE);
    if (const auto* meta = gst_buffer_get_semantic_layer_meta(buffer)) {
      layer.discardable = meta->discardable;
      layer.switch_point = meta->switch_point;
      layer.temporal_id = uint8_t(std::min(meta->temporal_id, 3u));
    }
    unit.key = unit.key && layer.key;
  }
  unit.layers.push_back(layer);
}

/// The access unit of `set` as bytes; false after an element error.
static bool write_unit(GstSemanticMux* self, const GstSemanticJoinSet* set, AccessUnitHeader& unit,
                       Bytes& out, size_t& header_size) {
  Mux& mux = *self->priv;
  size_t payload = 0;
  for (size_t i = 0; i < kLayers; ++i) {
    const auto& joined = set->pads[i];
    const LayerKind kind = kLayerNames[i].kind;
    if (!mux.layers[i].info)
      continue;
    if (joined.buffer && gst_buffer_get_size(joined.buffer) > max_payload_bytes(kind)) {
      GST_ELEMENT_ERROR(self, STREAM, MUX, ("A layer is too large for the stream."),
                        ("%s: %zu bytes, at most %u", kLayerNames[i].pad, gst_buffer_get_size(joined.buffer),
                         max_payload_bytes(kind)));
      return false;
    }
    // "Lost" travels on: whoever decodes this later must tell it from "not sent".
    if (joined.buffer || joined.state == GST_SEMANTIC_JOIN_LOST)
      add_layer(unit, kind, joined.buffer, !joined.buffer);
    payload += joined.buffer ? gst_buffer_get_size(joined.buffer) + 4 : 0;
  }
  unit.number = mux.number;
  unit.timestamp = time_tick(mux.header, set->running_time);
  if (mux.last_tick && unit.timestamp <= *mux.last_tick)
    unit.timestamp = *mux.last_tick + 1;

  out.reserve(mux.header_bytes.size() + 64 + payload);
  if (header_due(mux, unit, set->running_time)) {
    out = mux.header_bytes;
    mux.timestamps = TimestampState{};
    mux.last_header_time = set->running_time;
    mux.want_header = false;
  }
  header_size = out.size();
  const Status status = write_access_unit_header(unit, mux.timestamps, out);
  if (status != Status::Ok) {
    GST_ELEMENT_ERROR(self, STREAM, MUX, (nullptr), ("access unit %u: %s", unit.number, status_name(status)));
    return false;
  }
  for (const auto& joined : set->pads) {
    if (!joined.buffer)
      continue;
    BufferMap map(joined.buffer, GST_MAP_READ);
    if (!map) {
      GST_ELEMENT_ERROR(self, RESOURCE, READ, (nullptr), ("cannot map a layer's buffer"));
      return false;
    }
    append_payload(ByteView(map.data(), map.size()), out);
  }
  mux.last_tick = unit.timestamp;
  ++mux.number;
  return true;
}

static GstBuffer* wrap(Bytes&& bytes) {
  auto* owned = new Bytes(std::move(bytes));
  return gst_buffer_new_wrapped_full(GST_MEMORY_FLAG_READONLY, owned->data(), owned->size(), 0, owned->size(),
                                     owned, [](gpointer data) { delete static_cast<Bytes*>(data); });
}

static void count_unit(GstSemanticMux* self, const GstSemanticJoinSet* set, size_t total,
                       size_t header_size) {
  ObjectLock lock(self);
  Counters& c = self->priv->counters;
  ++c.units;
  c.bytes += total;
  if (header_size) {
    ++c.headers;
    c.header_bytes += header_size;
  }
  for (size_t i = 0; i < kLayers; ++i)
    if (set->pads[i].buffer)
      c.layer_bytes[i] += gst_buffer_get_size(set->pads[i].buffer);
}

static GstFlowReturn join(GstSemanticLayerJoin* base, GstSemanticJoinSet* set) {
  auto* self = GST_SEMANTIC_MUX(base);
  Mux& mux = *self->priv;
  if (std::none_of(mux.layers.begin(), mux.layers.end(), [](const auto& l) { return l.info.has_value(); })) {
    GST_DEBUG_OBJECT(self, "nothing but gaps before any caps: no size, no header, no access unit");
    return GST_FLOW_OK;
  }
  if (mux.header_stale && !build_header(self, set))
    return GST_FLOW_ERROR;

  AccessUnitHeader unit;
  Bytes bytes;
  size_t header_size = 0;
  if (!write_unit(self, set, unit, bytes, header_size))
    return GST_FLOW_ERROR;
  const size_t total = bytes.size();
  GstBuffer* buffer = wrap(std::move(bytes));
  if (!decodes_alone(mux.header, unit))
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  if (mux.discont)
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  mux.discont = false;
  GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_MARKER);
  describe(self, set);
  count_rate(mux, set->running_time, total);
  count_unit(self, set, total, header_size);

  if (!GST_CLOCK_TIME_IS_VALID(set->duration))
    set->duration = frame_duration(mux.header);
  const GstFlowReturn flow = gst_semantic_layer_join_finish(base, set, buffer);
  if (flow == GST_FLOW_OK && mux.tags_changed)
    push_tags(self);
  return flow;
}

// ---- events, states, properties -----------------------------------------------------------------------

static gboolean pad_caps(GstSemanticLayerJoin* base, GstAggregatorPad* pad, const gchar* name,
                         GstCaps* caps) {
  auto* self = GST_SEMANTIC_MUX(base);
  Mux& mux = *self->priv;
  const int index = layer_index(name);
  const GstStructure* s = gst_caps_get_structure(caps, 0);
  LayerSource& source = mux.layers[index];
  LayerInfo info;
  std::string error;
  if (!layer_from_caps(s, kLayerNames[index].kind, info, error)) {
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("The %s layer cannot be put into a stream.", name),
                      ("%s", error.c_str()));
    return FALSE;
  }
  source.info = std::move(info);
  source.has_geometry = geometry_from_caps(s, source.geometry);
  if (source.has_geometry)
    mux.last_caps = index;
  const gchar* wanted = gst_structure_get_string(s, "profile");
  if (wanted && (!mux.profile || mux.profile_name != wanted)) {
    mux.profile_name = wanted;
    std::string why;
    // Without it the header is longer and there is no description; nothing else is lost.
    if (profile::load_profile(wanted, mux.profile, why) != Status::Ok) {
      GST_INFO_OBJECT(self, "profile %s not found, long header: %s", wanted, why.c_str());
      mux.profile.reset();
    }
  }
  mux.header_stale = true;
  return TRUE;
}

static gboolean sink_event(GstAggregator* agg, GstAggregatorPad* pad, GstEvent* event) {
  auto* self = GST_SEMANTIC_MUX(agg);
  if (GST_EVENT_TYPE(event) == GST_EVENT_TAG)
    merge_tags(self, event);
  if (gst_video_event_is_force_key_unit(event)) {
    // Each encoder announces the same key unit; the access unit's own flags say it.
    gboolean all_headers = FALSE;
    if (gst_video_event_parse_downstream_force_key_unit(event, nullptr, nullptr, nullptr, &all_headers,
                                                        nullptr) &&
        all_headers)
      self->priv->want_header = true;
    gst_event_unref(event);
    return TRUE;
  }
  return GST_AGGREGATOR_CLASS(gst_semantic_mux_parent_class)->sink_event(agg, pad, event);
}

static gboolean src_event(GstAggregator* agg, GstEvent* event) {
  gboolean all_headers = FALSE;
  if (gst_video_event_is_force_key_unit(event) &&
      gst_video_event_parse_upstream_force_key_unit(event, nullptr, &all_headers, nullptr) && all_headers)
    GST_SEMANTIC_MUX(agg)->priv->want_header = true;
  return GST_AGGREGATOR_CLASS(gst_semantic_mux_parent_class)->src_event(agg, event);
}

/// Caps follow from the layers, not from downstream.
static gboolean negotiate(GstAggregator*) {
  return TRUE;
}

static void reset(GstSemanticLayerJoin* base) {
  Mux& mux = *GST_SEMANTIC_MUX(base)->priv;
  mux.last_tick.reset();
  mux.last_header_time = GST_CLOCK_TIME_NONE;
  mux.discont = true;
  mux.rate_start = GST_CLOCK_TIME_NONE;
}

static gboolean start(GstAggregator* agg) {
  auto* self = GST_SEMANTIC_MUX(agg);
  static_cast<Stream&>(*self->priv) = Stream{};
  self->priv->want_header = false;
  {
    ObjectLock lock(self);
    self->priv->counters = Counters{};
  }
  return GST_AGGREGATOR_CLASS(gst_semantic_mux_parent_class)->start(agg);
}

static gboolean stop(GstAggregator* agg) {
  const gboolean ok = GST_AGGREGATOR_CLASS(gst_semantic_mux_parent_class)->stop(agg);
  static_cast<Stream&>(*GST_SEMANTIC_MUX(agg)->priv) = Stream{};
  return ok;
}

static GstStructure* make_stats(GstSemanticMux* self) {
  GstStructure* stats =
      gst_semantic_layer_join_get_stats(GST_SEMANTIC_LAYER_JOIN(self), "application/x-semantic-mux-stats");
  ObjectLock lock(self);
  const Counters& c = self->priv->counters;
  gst_structure_set(stats, "access-units", G_TYPE_UINT64, c.units, "bytes", G_TYPE_UINT64, c.bytes, "headers",
                    G_TYPE_UINT64, c.headers, "header-bytes", G_TYPE_UINT64, c.header_bytes, "caption-bytes",
                    G_TYPE_UINT64, c.layer_bytes[0], "structure-bytes", G_TYPE_UINT64, c.layer_bytes[1],
                    "signal-bytes", G_TYPE_UINT64, c.layer_bytes[2], nullptr);
  return stats;
}

static void get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  auto* self = GST_SEMANTIC_MUX(object);
  switch (id) {
  case PROP_CONFIG_INTERVAL:
    g_value_set_uint(value, self->priv->config_interval);
    break;
  case PROP_STATS:
    g_value_take_boxed(value, make_stats(self));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  if (id == PROP_CONFIG_INTERVAL)
    GST_SEMANTIC_MUX(object)->priv->config_interval = g_value_get_uint(value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void finalize(GObject* object) {
  delete GST_SEMANTIC_MUX(object)->priv;
  G_OBJECT_CLASS(gst_semantic_mux_parent_class)->finalize(object);
}

static void gst_semantic_mux_init(GstSemanticMux* self) {
  self->priv = new Mux;
}

static void gst_semantic_mux_class_init(GstSemanticMuxClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_semantic_mux_debug, "semanticmux", 0, "layered semantic stream muxer");
  auto* object = G_OBJECT_CLASS(klass);
  object->get_property = get_property;
  object->set_property = set_property;
  object->finalize = finalize;
  g_object_class_install_property(
      object, PROP_CONFIG_INTERVAL,
      g_param_spec_uint(
          "config-interval", "Configuration interval",
          "Seconds between in-band stream headers, sent with the next key unit (0: only the first)", 0, 3600,
          kDefaultConfigInterval,
          GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      object, PROP_STATS,
      g_param_spec_boxed(
          "stats", "Statistics",
          "Counters since READY->PAUSED (guint64): access-units, bytes, headers, header-bytes, "
          "caption-bytes, structure-bytes, signal-bytes (payloads); and a structure for each pad: "
          "present, not-sent, lost, late, dropped",
          GST_TYPE_STRUCTURE, GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));

  auto* element = GST_ELEMENT_CLASS(klass);
  for (auto& templ : layer_templates)
    gst_element_class_add_static_pad_template_with_gtype(element, &templ, GST_TYPE_AGGREGATOR_PAD);
  gst_element_class_add_static_pad_template_with_gtype(element, &src_template, GST_TYPE_AGGREGATOR_PAD);
  gst_element_class_set_static_metadata(element, "Layered semantic stream muxer", "Codec/Muxer",
                                        "Joins caption, structure and signal layers into one stream",
                                        "gst-semantic developers");

  auto* agg = GST_AGGREGATOR_CLASS(klass);
  agg->sink_event = sink_event;
  agg->src_event = src_event;
  agg->negotiate = negotiate;
  agg->start = start;
  agg->stop = stop;

  auto* layer_join = GST_SEMANTIC_LAYER_JOIN_CLASS(klass);
  for (size_t i = 0; i < kLayers; ++i)
    layer_join->pad_names[i] = kLayerNames[i].pad;
  layer_join->join = join;
  layer_join->pad_caps = pad_caps;
  layer_join->reset = reset;
}
