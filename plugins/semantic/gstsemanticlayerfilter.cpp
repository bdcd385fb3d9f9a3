// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-semanticlayerfilter
 * @title: semanticlayerfilter
 *
 * Takes layers out of a layered stream so that it keeps to a bit rate: before `rtpsemanticpay`, or in a relay
 * between `rtpsemanticdepay` and `rtpsemanticpay`. With less rate it thins the signal layer in time, then the
 * maps, then drops the layer, from the top; captions always go. Down at once; up when it has fitted for
 * `hold-time`, at a switch point of the layer, for which it asks upstream with a force-key-unit event. What
 * it takes out is *not sent* (not *lost*) for all who come after it. Units that stay whole are not copied.
 *
 * `target-bitrate` is counted on the wire: `overhead` bytes a packet of at most `mtu`, and `fec-percentage`
 * of it all. The event `semantic-rate` (docs/caps.md) tells `structenc` and `signalenc` upstream what they
 * may use, so that between layers the rate is continuous. See docs/adaptation.md.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=in.gsem ! semanticparse ! semanticlayerfilter target-bitrate=20000 ! \
 *   rtpsemanticpay ! udpsink host=127.0.0.1 port=5004
 * ]|
 */
#include "plugins/semantic/gstsemanticlayerfilter.h"

#include "plugins/semantic/copy_query.hpp"
#include "plugins/semantic/layer_caps.hpp"
#include "plugins/semantic/layer_filter_settings.hpp"
#include "plugins/semantic/layer_selector.hpp"
#include "plugins/semantic/rate_feedback.hpp"
#include "plugins/semantic/unit_trim.hpp"

#include <gst/video/video.h>

#include <algorithm>

GST_DEBUG_CATEGORY_STATIC(gst_semantic_layer_filter_debug);
#define GST_CAT_DEFAULT gst_semantic_layer_filter_debug

using namespace gsem;
using namespace gsem::bitstream;

namespace {

constexpr GstClockTime kKeyRequestInterval = GST_SECOND;
constexpr GstClockTime kRatesInterval = 100 * GST_MSECOND, kRatesRepeat = 2 * GST_SECOND;
constexpr GstClockTime kCopiesInterval = GST_SECOND; ///< between questions to the payloader
constexpr GstClockTime kUnknownFrame = 40 * GST_MSECOND;
constexpr GstClockTime kWarningInterval = GST_SECOND;
constexpr size_t kCounted = kLayerNames.size();

struct LayerCounters {
  guint64 sent = 0, cut = 0, thinned = 0, paced = 0, blocked = 0;
};

struct Counters {
  guint64 units = 0, trimmed = 0, damaged = 0, bytes_in = 0, bytes_out = 0, wire_bytes = 0;
  guint64 key_requests = 0, rate_events = 0;
  std::array<LayerCounters, kCounted> layers;
};

/// What the encoders were told last.
struct ToldRates {
  guint structure = G_MAXUINT, signal = G_MAXUINT;
  GstClockTime time = GST_CLOCK_TIME_NONE;
};

/// Streaming thread.
struct Stream {
  LayerSelector selector;
  StreamHeader header;
  bool have_header = false;
  TimestampState timestamps;
  AccessUnitHeader unit, kept; ///< members, so that their memory is used again
  GstSegment segment;
  GstClockTime now = 0;
  GstClockTime last_key_request = GST_CLOCK_TIME_NONE, last_warning = GST_CLOCK_TIME_NONE;
  ToldRates told;
  CopySettings copies;
  GstClockTime asked_copies = GST_CLOCK_TIME_NONE;
  Sparing told_sparing;
  bool discont = false;
};

struct Filter : Stream {
  GstPad *sink = nullptr, *src = nullptr; ///< the element's
  RateFeedback feedback;
  // under the object lock
  ToldRates outside; ///< what another filter behind this one lets the encoders use
  LayerFilterSettings settings;
  Counters counters;
  guint current_layer = 0;
};

/// What became of a buffer.
struct Outcome {
  bool units = false; ///< it had one
  bool changed = false;
  Bytes bytes; ///< when changed
  bool delta = true;
  guint64 wire_bytes = 0;
  bool want_key = false;
};

} // namespace

struct _GstSemanticLayerFilter {
  GstElement parent;
  Filter* priv;
};

G_DEFINE_TYPE(GstSemanticLayerFilter, gst_semantic_layer_filter, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE(semanticlayerfilter, "semanticlayerfilter", GST_RANK_NONE,
                            GST_TYPE_SEMANTIC_LAYER_FILTER)

enum { PROP_CURRENT_LAYER = kLayerFilterSettings, PROP_STATS };
static GParamSpec* current_layer_property;

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_STREAM_PARSED_TEMPLATE));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_STREAM_PARSED_TEMPLATE));

// ---- what is said to others -------------------------------------------------------------------------------

static void report_layer(GstSemanticLayerFilter* self, const LayerFilterSettings& settings) {
  Filter& filter = *self->priv;
  const guint layer = filter.selector.current_layer();
  guint previous;
  {
    ObjectLock lock(self);
    previous = filter.current_layer;
    filter.current_layer = layer;
  }
  if (layer == previous)
    return;
  const bool by_user = previous > settings.max_layer || !settings.bitrate;
  const char* reason = previous == 0 ? "start" : by_user ? "max-layer" : "bitrate";
  GST_INFO_OBJECT(self, "layer %u, was %u: %s", layer, previous, reason);
  g_object_notify_by_pspec(G_OBJECT(self), current_layer_property);
  gst_element_post_message(
      GST_ELEMENT(self),
      gst_message_new_element(GST_OBJECT(self),
                              gst_structure_new("semantic-layer-changed", "layer", G_TYPE_UINT, layer,
                                                "previous-layer", G_TYPE_UINT, previous, "reason",
                                                G_TYPE_STRING, reason, "bitrate", G_TYPE_UINT,
                                                guint(settings.bitrate), "running-time", G_TYPE_UINT64,
                                                guint64(filter.now), nullptr)));
}

static void request_key(GstSemanticLayerFilter* self) {
  Filter& filter = *self->priv;
  if (GST_CLOCK_TIME_IS_VALID(filter.last_key_request) &&
      filter.now < filter.last_key_request + kKeyRequestInterval)
    return;
  filter.last_key_request = filter.now;
  {
    ObjectLock lock(self);
    ++filter.counters.key_requests;
  }
  gst_pad_push_event(filter.sink, gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, FALSE, 0));
}

static guint as_guint(uint64_t rate) {
  return guint(std::min<uint64_t>(rate, G_MAXUINT));
}

static bool far_from(guint now, guint before) {
  if ((now == 0) != (before == 0) || (now == G_MAXUINT) != (before == G_MAXUINT))
    return true;
  return std::max(now, before) - std::min(now, before) > before / 20;
}

/// Otherwise what the encoders are told is the business of a filter behind this one.
static bool has_own_rates(const LayerFilterSettings& settings) {
  return settings.steer && (settings.bitrate || settings.adaptive || settings.max_layer < kCounted);
}

/// Tells the encoders when what they may use has changed by more than a twentieth, and again in between.
static void steer_encoders(GstSemanticLayerFilter* self, const LayerFilterSettings& settings) {
  Filter& filter = *self->priv;
  ToldRates rates;
  if (!settings.bitrate) {
    rates.structure = settings.max_layer >= 2 ? G_MAXUINT : 0;
    rates.signal = settings.max_layer >= 3 ? G_MAXUINT : 0;
  } else {
    const LayerRates may = filter.selector.encoder_rates(settings);
    rates.structure = as_guint(may.structure);
    rates.signal = as_guint(may.signal);
  }
  if (has_own_rates(settings)) {
    ObjectLock lock(self);
    rates.structure = std::min(rates.structure, filter.outside.structure);
    rates.signal = std::min(rates.signal, filter.outside.signal);
  } else {
    rates = ToldRates{};
  }
  const ToldRates& told = filter.told;
  filter.selector.set_silenced(rates.structure == 0, rates.signal == 0);
  const bool known = GST_CLOCK_TIME_IS_VALID(told.time);
  const GstClockTime since = known && filter.now > told.time ? filter.now - told.time : 0;
  const bool free = rates.structure == G_MAXUINT && rates.signal == G_MAXUINT;
  const bool changed = far_from(rates.structure, told.structure) || far_from(rates.signal, told.signal);
  const bool cut = rates.structure < told.structure * 0.8 || rates.signal < told.signal * 0.8;
  const bool soon = !known || cut || free || since >= kRatesInterval;
  if (!(changed && soon) && !(known && !free && since >= kRatesRepeat))
    return;
  filter.told = rates;
  filter.told.time = filter.now;
  {
    ObjectLock lock(self);
    ++filter.counters.rate_events;
  }
  GST_LOG_OBJECT(self, "encoders may use %u and %u bit/s", rates.structure, rates.signal);
  gst_pad_push_event(filter.sink,
                     gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM,
                                          gst_structure_new(GSEM_EVENT_RATE, "structure-bitrate", G_TYPE_UINT,
                                                            rates.structure, "signal-bitrate", G_TYPE_UINT,
                                                            rates.signal, nullptr)));
}

// ---- access units -----------------------------------------------------------------------------------------

static void count_layers(GstSemanticLayerFilter* self, const AccessUnitHeader& unit,
                         const LayerChoice& choice) {
  ObjectLock lock(self);
  Counters& counters = self->priv->counters;
  ++counters.units;
  counters.trimmed += choice.any_cut;
  counters.wire_bytes += choice.wire_bytes;
  for (size_t i = 0; i < unit.layers.size(); ++i) {
    const size_t index = size_t(unit.layers[i].kind) - 1;
    if (index >= counters.layers.size())
      continue;
    LayerCounters& layer = counters.layers[index];
    switch (choice.cut[i]) {
    case CutReason::Kept:
      layer.sent += !unit.layers[i].lost;
      break;
    case CutReason::Layer:
      ++layer.cut;
      break;
    case CutReason::Thinned:
      ++layer.thinned;
      break;
    case CutReason::Pace:
      ++layer.paced;
      break;
    case CutReason::Blocked:
      ++layer.blocked;
      break;
    }
  }
}

/// One unit at the start of `rest`, behind the first `at` bytes of `data`. 0: not one that can be read.
static size_t filter_unit(GstSemanticLayerFilter* self, ByteView data, size_t at, bool behind_header,
                          const LayerFilterSettings& settings, Outcome& outcome) {
  Filter& filter = *self->priv;
  const ByteView rest = data.subspan(at);
  size_t size = 0;
  TimestampState before = filter.timestamps;
  if (parse_access_unit_header(rest, filter.unit, size, &filter.timestamps) != Status::Ok)
    return 0;
  const size_t section_size = std::min(payload_section_size(filter.unit), rest.size() - size);
  const LayerChoice choice = filter.selector.choose(filter.unit, filter.now, settings);
  count_layers(self, filter.unit, choice);
  outcome.units = true;
  outcome.want_key = outcome.want_key || choice.want_key;
  outcome.wire_bytes += choice.wire_bytes;
  const AccessUnitHeader* result = &filter.unit;
  if (choice.any_cut) {
    std::array<bool, Limits::max_layers> keep{};
    for (size_t i = 0; i < filter.unit.layers.size(); ++i)
      keep[i] = choice.cut[i] == CutReason::Kept;
    if (!outcome.changed) {
      outcome.bytes.reserve(at + trimmed_unit_bound(filter.unit, keep));
      outcome.bytes.assign(data.begin(), data.begin() + std::ptrdiff_t(at));
    }
    outcome.changed = true;
    if (behind_header)
      before = TimestampState{}; // a unit behind a header spells its time out
    if (write_trimmed_unit(filter.unit, rest.subspan(size, section_size), keep, before, filter.kept,
                           outcome.bytes) != Status::Ok)
      return 0;
    result = &filter.kept;
  } else if (outcome.changed) {
    outcome.bytes.insert(outcome.bytes.end(), rest.begin(),
                         rest.begin() + std::ptrdiff_t(size + section_size));
  }
  outcome.delta = !decodes_alone(filter.header, *result);
  return size + section_size;
}

static void take_header(Filter& filter, const StreamHeader& header) {
  if (header.fps_n != filter.header.fps_n || header.fps_d != filter.header.fps_d)
    filter.timestamps = TimestampState{};
  filter.header = header;
  filter.have_header = true;
  filter.selector.set_layers(header);
}

/// Walks over a buffer: stream headers as they are, units through the selector. False: it ends in something
/// that cannot be read.
static bool filter_data(GstSemanticLayerFilter* self, ByteView data, const LayerFilterSettings& settings,
                        Outcome& outcome) {
  Filter& filter = *self->priv;
  bool behind_header = false;
  for (size_t at = 0; at < data.size();) {
    const ByteView rest = data.subspan(at);
    StreamHeader header;
    size_t size = 0;
    if (rest.size() >= 4 && std::equal(rest.begin(), rest.begin() + 4, "GSEM")) {
      if (parse_stream_header(rest, header, size) != Status::Ok)
        return false;
      take_header(filter, header);
      behind_header = true;
      if (outcome.changed)
        outcome.bytes.insert(outcome.bytes.end(), rest.begin(), rest.begin() + std::ptrdiff_t(size));
    } else {
      size = filter_unit(self, data, at, behind_header, settings, outcome);
      behind_header = false;
    }
    if (size == 0)
      return false;
    at += size;
  }
  return outcome.units;
}

static GstFlowReturn drop_damaged(GstSemanticLayerFilter* self, GstBuffer* buffer) {
  Filter& filter = *self->priv;
  {
    ObjectLock lock(self);
    ++filter.counters.damaged;
  }
  filter.discont = true;
  if (!GST_CLOCK_TIME_IS_VALID(filter.last_warning) || filter.now >= filter.last_warning + kWarningInterval) {
    filter.last_warning = filter.now;
    GST_WARNING_OBJECT(self, "an access unit of %zu bytes cannot be read", gst_buffer_get_size(buffer));
  }
  gst_buffer_unref(buffer);
  return GST_FLOW_OK;
}

static GstBuffer* replace(GstBuffer* buffer, Outcome& outcome) {
  GstBuffer* out = new_buffer(outcome.bytes.data(), outcome.bytes.size());
  gst_buffer_copy_into(out, buffer, GST_BUFFER_COPY_METADATA, 0, gsize(-1));
  gst_buffer_unref(buffer);
  if (outcome.delta)
    GST_BUFFER_FLAG_SET(out, GST_BUFFER_FLAG_DELTA_UNIT);
  else
    GST_BUFFER_FLAG_UNSET(out, GST_BUFFER_FLAG_DELTA_UNIT);
  return out;
}

/// Running time of a buffer; those without one follow each other at the frame rate.
static GstClockTime time_of(Filter& filter, GstBuffer* buffer) {
  const GstClockTime time =
      gst_segment_to_running_time(&filter.segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  if (GST_CLOCK_TIME_IS_VALID(time))
    return time;
  const GstClockTime frame = filter.have_header ? frame_duration(filter.header) : GST_CLOCK_TIME_NONE;
  return filter.now + (GST_CLOCK_TIME_IS_VALID(frame) ? frame : kUnknownFrame);
}

/// What goes again behind this element may be changed at any time.
static void ask_for_copies(Filter& filter) {
  const GstClockTime last = filter.asked_copies;
  if (GST_CLOCK_TIME_IS_VALID(last) && filter.now >= last && filter.now < last + kCopiesInterval)
    return;
  filter.asked_copies = filter.now;
  GstQuery* query = new_copy_query();
  filter.copies = gst_pad_peer_query(filter.src, query) ? read_copy_query(query) : CopySettings{};
  gst_query_unref(query);
}

static GstFlowReturn chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
  auto* self = GST_SEMANTIC_LAYER_FILTER(parent);
  Filter& filter = *self->priv;
  LayerFilterSettings settings;
  {
    ObjectLock lock(self);
    settings = filter.settings;
    filter.counters.bytes_in += gst_buffer_get_size(buffer);
  }
  filter.now = time_of(filter, buffer);
  ask_for_copies(filter);
  settings.copies = filter.copies;
  if (settings.adaptive) {
    const auto allowed = filter.feedback.allowance(settings.limits());
    settings.bitrate = allowed.rate;
    settings.pace = allowed.pace;
    settings.room = allowed.room;
  } else {
    settings.window = 0; // nobody reports
  }
  settings.copies.every_second = settings.copies.every_second && !settings.bitrate;
  Outcome outcome;
  bool readable = false;
  {
    BufferMap map(buffer, GST_MAP_READ);
    readable = map && filter_data(self, ByteView(map.data(), map.size()), settings, outcome);
  }
  if (!readable)
    return drop_damaged(self, buffer);
  if (outcome.changed)
    buffer = replace(buffer, outcome);
  if (filter.discont) {
    buffer = gst_buffer_make_writable(buffer);
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    filter.discont = false;
  }
  {
    ObjectLock lock(self);
    filter.counters.bytes_out += gst_buffer_get_size(buffer);
  }
  if (settings.adaptive)
    filter.feedback.sent(outcome.wire_bytes, filter.selector.next_rate(settings),
                         filter.selector.full_rate(settings));
  const Sparing sparing{settings.bitrate && filter.selector.sparing(), settings.bitrate != 0};
  if (sparing != filter.told_sparing) {
    filter.told_sparing = sparing;
    gst_pad_push_event(filter.src, new_sparing_event(sparing));
  }
  report_layer(self, settings);
  if (outcome.want_key)
    request_key(self);
  steer_encoders(self, settings);
  return gst_pad_push(filter.src, buffer);
}

// ---- events, states, properties ---------------------------------------------------------------------------

static void take_caps(Filter& filter, GstCaps* caps) {
  GstBuffer* bytes = header_buffer(caps);
  if (!bytes)
    return;
  BufferMap map(bytes, GST_MAP_READ);
  StreamHeader header;
  size_t size = 0;
  if (map && parse_stream_header(ByteView(map.data(), map.size()), header, size) == Status::Ok)
    take_header(filter, header);
}

static gboolean sink_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  Filter& filter = *GST_SEMANTIC_LAYER_FILTER(parent)->priv;
  switch (GST_EVENT_TYPE(event)) {
  case GST_EVENT_CAPS: {
    GstCaps* caps = nullptr;
    gst_event_parse_caps(event, &caps);
    take_caps(filter, caps);
    break;
  }
  case GST_EVENT_SEGMENT:
    gst_event_copy_segment(event, &filter.segment);
    break;
  case GST_EVENT_FLUSH_STOP:
    filter.selector.restart();
    filter.timestamps = TimestampState{};
    filter.last_key_request = GST_CLOCK_TIME_NONE;
    filter.told.time = GST_CLOCK_TIME_NONE;
    gst_segment_init(&filter.segment, GST_FORMAT_TIME);
    break;
  default:
    break;
  }
  return gst_pad_event_default(pad, parent, event);
}

/// From a filter behind this one: encoders follow the lower rates of both. True: they are told with the next
/// unit.
static bool take_rates(Filter& filter, const LayerFilterSettings& settings, GstEvent* event) {
  ToldRates rates;
  const GstStructure* s = gst_event_get_structure(event);
  gst_structure_get_uint(s, "structure-bitrate", &rates.structure);
  gst_structure_get_uint(s, "signal-bitrate", &rates.signal);
  filter.outside = rates;
  return has_own_rates(settings);
}

static gboolean src_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  auto* self = GST_SEMANTIC_LAYER_FILTER(parent);
  if (GST_EVENT_TYPE(event) == GST_EVENT_CUSTOM_UPSTREAM) {
    LayerFilterSettings settings;
    bool taken = false;
    {
      ObjectLock lock(self);
      settings = self->priv->settings;
      taken = gst_event_has_name(event, GSEM_EVENT_RATE) && take_rates(*self->priv, settings, event);
    }
    if (taken) {
      gst_event_unref(event);
      return TRUE;
    }
    if (settings.adaptive && self->priv->feedback.take(event, settings.limits())) {
      gst_event_unref(event); // of this hop, and of no other
      return TRUE;
    }
  }
  return gst_pad_event_default(pad, parent, event);
}

static void reset(GstSemanticLayerFilter* self) {
  Filter& filter = *self->priv;
  static_cast<Stream&>(filter) = Stream{};
  filter.feedback.reset();
  gst_segment_init(&filter.segment, GST_FORMAT_TIME);
  ObjectLock lock(self);
  filter.current_layer = 0;
  filter.outside = ToldRates{};
}

static GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  auto* self = GST_SEMANTIC_LAYER_FILTER(element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    reset(self);
    ObjectLock lock(self);
    self->priv->counters = Counters{};
  }
  const auto result =
      GST_ELEMENT_CLASS(gst_semantic_layer_filter_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY && result != GST_STATE_CHANGE_FAILURE)
    reset(self);
  return result;
}

static GstStructure* layer_stats(const LayerCounters& c) {
  return gst_structure_new("layer", "sent", G_TYPE_UINT64, c.sent, "cut", G_TYPE_UINT64, c.cut, "thinned",
                           G_TYPE_UINT64, c.thinned, "paced", G_TYPE_UINT64, c.paced, "blocked",
                           G_TYPE_UINT64, c.blocked, nullptr);
}

static GstStructure* make_stats(GstSemanticLayerFilter* self) {
  const RateFeedback::State network = self->priv->feedback.state();
  ObjectLock lock(self);
  const Counters& c = self->priv->counters;
  GstStructure* stats = gst_structure_new(
      "application/x-semantic-layer-filter-stats", "access-units", G_TYPE_UINT64, c.units, "trimmed-units",
      G_TYPE_UINT64, c.trimmed, "damaged-units", G_TYPE_UINT64, c.damaged, "bytes-in", G_TYPE_UINT64,
      c.bytes_in, "bytes-out", G_TYPE_UINT64, c.bytes_out, "wire-bytes", G_TYPE_UINT64, c.wire_bytes,
      "key-requests", G_TYPE_UINT64, c.key_requests, "rate-events", G_TYPE_UINT64, c.rate_events,
      "estimated-bitrate", G_TYPE_UINT64, guint64(network.estimate), "received-bitrate", G_TYPE_UINT64,
      guint64(network.received), "queue-delay", G_TYPE_UINT64, guint64(network.queue_delay), "loss",
      G_TYPE_DOUBLE, network.loss, nullptr);
  for (size_t i = 0; i < kCounted; ++i) {
    Ptr<GstStructure> layer(layer_stats(c.layers[i]));
    gst_structure_set(stats, kLayerNames[i].pad, GST_TYPE_STRUCTURE, layer.get(), nullptr);
  }
  return stats;
}

static void set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  if (!set_layer_filter_property(object, GST_SEMANTIC_LAYER_FILTER(object)->priv->settings, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  auto* self = GST_SEMANTIC_LAYER_FILTER(object);
  if (id == PROP_STATS) {
    g_value_take_boxed(value, make_stats(self));
  } else if (id == PROP_CURRENT_LAYER) {
    ObjectLock lock(object);
    g_value_set_int(value, int(self->priv->current_layer));
  } else if (!get_layer_filter_property(object, self->priv->settings, id, value)) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void finalize(GObject* object) {
  delete GST_SEMANTIC_LAYER_FILTER(object)->priv;
  G_OBJECT_CLASS(gst_semantic_layer_filter_parent_class)->finalize(object);
}

static void gst_semantic_layer_filter_init(GstSemanticLayerFilter* self) {
  self->priv = new Filter;
  Filter& filter = *self->priv;
  gst_segment_init(&filter.segment, GST_FORMAT_TIME);
  filter.sink = gst_pad_new_from_static_template(&sink_template, "sink");
  filter.src = gst_pad_new_from_static_template(&src_template, "src");
  gst_pad_set_chain_function(filter.sink, chain);
  gst_pad_set_event_function(filter.sink, sink_event);
  gst_pad_set_event_function(filter.src, src_event);
  for (GstPad* pad : {filter.sink, filter.src}) {
    GST_PAD_SET_PROXY_CAPS(pad);
    gst_element_add_pad(GST_ELEMENT(self), pad);
  }
}

static void install_readable_properties(GObjectClass* object) {
  const auto readable = GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  current_layer_property = g_param_spec_int(
      "current-layer", "Current layer",
      "Highest layer that is being sent, 0 before the first access unit; notifies", 0, 3, 0, readable);
  g_object_class_install_property(object, PROP_CURRENT_LAYER, current_layer_property);
  g_object_class_install_property(
      object, PROP_STATS,
      g_param_spec_boxed(
          "stats", "Statistics",
          "Counters since READY->PAUSED (guint64): access-units, trimmed-units, damaged-units, bytes-in, "
          "bytes-out, "
          "wire-bytes (with headers and FEC), key-requests, rate-events; of the network, with adaptive: "
          "estimated-bitrate, received-bitrate, queue-delay (ns), loss (double, 0..1); and for caption, "
          "structure, signal a "
          "structure: sent, cut (layer not sent at the present rate), thinned, paced (too much at once), "
          "blocked "
          "(refers to something cut or lost, or waits for a switch point)",
          GST_TYPE_STRUCTURE, readable));
}
static void gst_semantic_layer_filter_class_init(GstSemanticLayerFilterClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_semantic_layer_filter_debug, "semanticlayerfilter", 0, "layered stream filter");
  auto* object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  install_layer_filter_properties(object);
  install_readable_properties(object);
  auto* element = GST_ELEMENT_CLASS(klass);
  element->change_state = change_state;
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_set_static_metadata(element, "Layered stream filter", "Filter/Network/Video",
                                        "Drops layers of a layered stream to keep to a bit rate",
                                        "gst-semantic developers");
}
