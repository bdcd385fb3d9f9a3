// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-rtpsemanticpay
 * @title: rtpsemanticpay
 *
 * Puts the access units of a layered stream into RTP packets (docs/rtp.md). Small layers share a packet,
 * large ones are fragmented within `mtu`, which includes RTP header extensions. Access units without layers
 * are not sent. A caption is a few bytes: it goes along with the next `caption-redundancy` access units, so
 * that it is known as soon as any of them arrives, and where none follow goes out again at the times of
 * `caption-repeat`. Key maps, to which others refer, go along with `key-map-redundancy` access units;
 * `map-redundancy` does that for all maps, and costs more.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=in.gsem ! semanticparse ! rtpsemanticpay ! \
 *   udpsink host=127.0.0.1 port=5004
 * ]|
 */
#include "plugins/semantic/gstrtpsemanticpay.h"

#include "gst/bitstream/rtp_descriptor.hpp"
#include "plugins/semantic/copy_query.hpp"
#include "plugins/semantic/deadline_timer.hpp"
#include "plugins/semantic/layer_caps.hpp"
#include "plugins/semantic/pay_header.hpp"
#include "plugins/semantic/pay_settings.hpp"
#include "plugins/semantic/rtp_copies.hpp"
#include "plugins/semantic/rtp_packets.hpp"
#include "plugins/semantic/session_reports.hpp"

#include <gst/rtp/rtp.h>
#include <gst/video/video.h>

#include <algorithm>
#include <atomic>
#include <memory>

GST_DEBUG_CATEGORY(gst_rtp_semantic_pay_debug);
#define GST_CAT_DEFAULT gst_rtp_semantic_pay_debug

using namespace gsem;
using namespace gsem::bitstream;

namespace {

/// What a repeat waits for a unit to travel with, when the frame rate is not known, and at most.
constexpr GstClockTime kUsualFrame = 40 * GST_MSECOND, kLongestFrame = 200 * GST_MSECOND;

struct Counters {
  guint64 units = 0, empty_units = 0, packets = 0, headers = 0, repeats = 0, map_repeats = 0;
};

/// What goes along with the layers of a unit.
struct Extras {
  bool header = false, caption = false;
  size_t maps = 0;
};

/// Streaming thread, but for what says otherwise.
struct Pay : PaySettings {
  Pay(GstElement* owner, std::function<void()> repeat_due) : timer(owner, std::move(repeat_due)) {}
  DeadlineTimer timer; ///< for repeats that no unit takes along
  PayHeader header;
  TimestampState timestamps;
  uint16_t number = 0; ///< of the next unit
  bool sent_unit = false;
  GstClockTime last_pts = GST_CLOCK_TIME_NONE; ///< of the last unit sent
  RtpCopies copies;
  Sparing sparing;                                 ///< what semanticlayerfilter has no rate for
  GstClockTime timed_repeat = GST_CLOCK_TIME_NONE; ///< the one the timer waits for
  Ptr<GstCaps> measured_caps;                      ///< `extension_bytes` are of these
  size_t extension_bytes = 0;
  bool warned_header = false;
  std::unique_ptr<PacedReports> reports; ///< from the caps on
  Counters counters;                     ///< under the object lock
};

} // namespace

struct _GstRtpSemanticPay {
  GstRTPBasePayload parent;
  Pay* priv;
};

G_DEFINE_TYPE(GstRtpSemanticPay, gst_rtp_semantic_pay, GST_TYPE_RTP_BASE_PAYLOAD)
GST_ELEMENT_REGISTER_DEFINE(rtpsemanticpay, "rtpsemanticpay", GST_RANK_NONE, GST_TYPE_RTP_SEMANTIC_PAY)

enum { PROP_STATS = kPaySettings };

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_STREAM_PARSED_TEMPLATE));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_RTP ", payload = (int) [ 96, 127 ]"));

// ---- caps and stream header -------------------------------------------------------------------------------

static gboolean announce(GstRtpSemanticPay* self) {
  Pay& pay = *self->priv;
  auto* base = GST_RTP_BASE_PAYLOAD(self);
  gst_rtp_base_payload_set_options(base, "video", TRUE, "X-SEMANTIC", 90000);
  const std::string version = std::to_string(kMajorVersion);
  if (!pay.header.known())
    return gst_rtp_base_payload_set_outcaps(base, "version", G_TYPE_STRING, version.c_str(), nullptr);
  pay.header.set_announced();
  return gst_rtp_base_payload_set_outcaps(base, "version", G_TYPE_STRING, version.c_str(), "layers",
                                          G_TYPE_STRING, std::to_string(pay.header.highest_layer()).c_str(),
                                          "config", G_TYPE_STRING, pay.header.config().get(), nullptr);
}

/// `size`: bytes of the header at the start of `data`, 0 when there is none to be trusted.
static void take_header(GstRtpSemanticPay* self, ByteView data, size_t& size) {
  if (!self->priv->header.take(data, size))
    GST_WARNING_OBJECT(self, "a damaged stream header");
}

static gboolean set_caps(GstRTPBasePayload* base, GstCaps* caps) {
  auto* self = GST_RTP_SEMANTIC_PAY(base);
  if (!self->priv->reports && self->priv->pace_reports)
    self->priv->reports = pace_reports(GST_RTP_BASE_PAYLOAD_SRCPAD(base));
  if (GstBuffer* header = header_buffer(caps)) {
    BufferMap map(header, GST_MAP_READ);
    size_t size = 0;
    if (map)
      take_header(self, ByteView(map.data(), map.size()), size);
  }
  return announce(self);
}

// ---- packets ----------------------------------------------------------------------------------------------

static size_t max_payload(GstRtpSemanticPay* self, GstBuffer* input) {
  Pay& pay = *self->priv;
  auto* base = GST_RTP_BASE_PAYLOAD(self);
  Ptr<GstCaps> caps(gst_pad_get_current_caps(GST_RTP_BASE_PAYLOAD_SRCPAD(base)));
  if (input && caps && caps.get() != pay.measured_caps.get()) {
    pay.extension_bytes = rtp_extension_bytes(caps.get(), input);
    pay.measured_caps = std::move(caps);
  }
  const size_t room = gst_rtp_buffer_calc_payload_len(GST_RTP_BASE_PAYLOAD_MTU(base), 0, 0);
  return std::max(room, pay.extension_bytes + kMinRtpPayload) - pay.extension_bytes;
}

// ---- access units -----------------------------------------------------------------------------------------

/// A layer whose checksum is wrong counts as lost: nobody behind this could find that out.
static void add_layers(GstRtpSemanticPay* self, const AccessUnitHeader& unit, ByteView section,
                       std::vector<RtpEntry>& entries) {
  for (size_t i = 0; i < unit.layers.size(); ++i) {
    const LayerUnit& layer = unit.layers[i];
    RtpEntry entry;
    entry.layer = {layer.kind, layer.key, layer.discardable, layer.switch_point, layer.temporal_id};
    const Status status = find_payload(unit, section, i, entry.data);
    if (status == Status::Ok && !entry.data.empty())
      entries.push_back(entry);
    else
      GST_DEBUG_OBJECT(self, "unit %u: layer %u: %s", unit.number, unsigned(layer.kind),
                       layer.lost ? "lost upstream" : status_name(status));
  }
}

static void take_caption(GstRtpSemanticPay* self, const std::vector<RtpEntry>& layers, GstClockTime now) {
  Pay& pay = *self->priv;
  std::vector<unsigned> delays;
  {
    ObjectLock lock(self);
    delays = pay.repeat_delays;
  }
  pay.copies.take_caption(layers, pay.number, pay.caption_redundancy, now, delays);
}

static CopySettings copies_of(const Pay& pay) {
  CopySettings copies;
  copies.caption_rides = pay.caption_redundancy;
  copies.key_map_rides = pay.key_map_redundancy;
  copies.map_rides = pay.map_redundancy;
  copies.start = pay.repeat_start;
  copies.every_second = copies.key_map_rides > 0 && !pay.sparing.every_second;
  return copies;
}

/// Running time at which the next repeat goes out alone: a frame after it is due and could have arrived here
/// with a unit. None when there is none, or the pipeline is not live.
static GstClockTime lonely_repeat_time(GstRtpSemanticPay* self) {
  Pay& pay = *self->priv;
  const GstClockTime next = pay.copies.next_caption();
  if (!GST_CLOCK_TIME_IS_VALID(next) || !pay.sent_unit)
    return GST_CLOCK_TIME_NONE;
  auto* base = GST_RTP_BASE_PAYLOAD(self);
  const auto latency = live_latency(GST_RTP_BASE_PAYLOAD_SINKPAD(base));
  const GstClockTime due = gst_segment_to_running_time(&base->segment, GST_FORMAT_TIME, next);
  if (!latency || !GST_CLOCK_TIME_IS_VALID(due))
    return GST_CLOCK_TIME_NONE;
  const GstClockTime frame = pay.header.frame();
  return due + *latency + (pay.sparing.maps ? kSparingWait : 0) +
         (GST_CLOCK_TIME_IS_VALID(frame) ? std::min(frame, kLongestFrame) : kUsualFrame);
}

static void watch_repeats(GstRtpSemanticPay* self) {
  Pay& pay = *self->priv;
  const GstClockTime next = pay.copies.next_caption();
  if (next == pay.timed_repeat)
    return;
  pay.timed_repeat = next;
  const GstClockTime time = lonely_repeat_time(self);
  if (GST_CLOCK_TIME_IS_VALID(time))
    pay.timer.arm(time);
  else
    pay.timer.disarm();
}

static void count(GstRtpSemanticPay* self, bool of_unit, const Extras& extras, size_t packets) {
  ObjectLock lock(self);
  Counters& c = self->priv->counters;
  ++(of_unit ? c.units : c.empty_units);
  c.headers += extras.header;
  c.repeats += extras.caption;
  c.map_repeats += extras.maps;
  c.packets += packets;
}

static GstFlowReturn push_payloads(GstRtpSemanticPay* self, const std::vector<RtpPayload>& payloads,
                                   GstBuffer* input, ByteView mapped, GstClockTime pts, bool of_unit) {
  if (payloads.empty())
    return GST_FLOW_OK;
  auto* base = GST_RTP_BASE_PAYLOAD(self);
  return gst_rtp_base_payload_push_list(base, make_packets(base, payloads, input, mapped, pts, of_unit));
}

/// Of the first unit, at once: the stream header, the caption and a key map. Until one of them comes nothing
/// can be shown, and nobody knows that there is something.
static GstFlowReturn send_first_again(GstRtpSemanticPay* self, const std::vector<RtpEntry>& layers,
                                      GstBuffer* input, ByteView mapped, GstClockTime now) {
  Pay& pay = *self->priv;
  if (!pay.repeat_start)
    return GST_FLOW_OK;
  std::vector<RtpEntry> entries;
  if (pay.header.sent()) {
    RtpEntry& header = entries.emplace_back();
    header.type = RtpEntry::Type::StreamHeader;
    header.data = pay.header.bytes();
  }
  for (const auto& entry : layers) {
    const bool caption = entry.layer.kind == LayerKind::Caption && entry.layer.key;
    const bool map = entry.layer.kind == LayerKind::Structure && entry.layer.key;
    if (caption || map) {
      entries.push_back(entry);
      entries.back().type = RtpEntry::Type::Repeat;
      entries.back().number = uint16_t(pay.number - 1);
    }
  }
  bool left_out = false;
  const auto payloads = pack_unit(uint16_t(pay.number - 1), 0, entries, max_payload(self, input), left_out);
  {
    ObjectLock lock(self);
    pay.counters.packets += payloads.size();
  }
  return push_payloads(self, payloads, input, mapped, now, false);
}

/// What goes in front of the layers: the stream header when that is due, and copies of earlier units' layers.
static Extras add_extras(Pay& pay, const AccessUnitHeader& unit, bool new_caption, bool any_layer,
                         GstClockTime now, std::vector<RtpEntry>& entries) {
  Extras extras;
  extras.header = any_layer && pay.header.due(pay.config_interval, unit, now);
  if (extras.header) {
    RtpEntry& header = entries.emplace_back();
    header.type = RtpEntry::Type::StreamHeader;
    header.data = pay.header.bytes();
    pay.header.note_sent(now);
  }
  const bool of_unit = !unit.layers.empty();
  const GstClockTime wait = pay.sparing.maps && !any_layer ? kSparingWait : 0;
  extras.caption = !new_caption && (of_unit || pay.sent_unit) && pay.copies.caption_due(now, any_layer, wait);
  if (extras.caption)
    entries.push_back(pay.copies.caption());
  extras.maps = any_layer ? pay.copies.add_maps(entries) : 0;
  return extras;
}

static void warn_left_out(GstRtpSemanticPay* self) {
  Pay& pay = *self->priv;
  if (pay.warned_header)
    return;
  pay.warned_header = true;
  GST_WARNING_OBJECT(self, "a stream header of %zu bytes or a caption does not fit into packets of %u bytes",
                     pay.header.bytes().size(), GST_RTP_BASE_PAYLOAD_MTU(self));
}

/// `unit` without layers: a time at which there was none, but copies may go.
static GstFlowReturn send_unit(GstRtpSemanticPay* self, const AccessUnitHeader& unit, ByteView section,
                               GstBuffer* input, ByteView mapped, GstClockTime now) {
  Pay& pay = *self->priv;
  std::vector<RtpEntry> layers, entries;
  add_layers(self, unit, section, layers);
  const bool of_unit = !unit.layers.empty();
  uint8_t set = 0;
  for (const auto& layer : unit.layers)
    set |= uint8_t(1u << unsigned(layer.kind));
  const bool new_caption = std::any_of(
      layers.begin(), layers.end(), [](const auto& entry) { return entry.layer.kind == LayerKind::Caption; });
  if (new_caption)
    take_caption(self, layers, now);
  const Extras extras = add_extras(pay, unit, new_caption, !layers.empty(), now, entries);
  entries.insert(entries.end(), layers.begin(), layers.end());

  bool left_out = false;
  const uint16_t number = of_unit ? pay.number : uint16_t(pay.number - 1);
  const auto payloads = pack_unit(number, set, entries, max_payload(self, input), left_out);
  if (left_out && extras.header)
    warn_left_out(self);
  const bool first = of_unit && !pay.sent_unit;
  if (of_unit) {
    if (!pay.sparing.maps) // without a key map all that refer to it are lost
      pay.copies.take_maps(layers, pay.number, copies_of(pay));
    ++pay.number;
    pay.sent_unit = true;
    pay.last_pts = now;
  }
  count(self, of_unit, extras, payloads.size());
  watch_repeats(self);
  GstFlowReturn flow = push_payloads(self, payloads, input, mapped, of_unit ? now : pay.last_pts, of_unit);
  if (first && flow == GST_FLOW_OK)
    flow = send_first_again(self, layers, input, mapped, now);
  pay.copies.drop_spent_maps();
  return flow;
}

static GstFlowReturn send_buffer(GstRtpSemanticPay* self, GstBuffer* buffer) {
  Pay& pay = *self->priv;
  BufferMap map(buffer, GST_MAP_READ);
  if (!map) {
    GST_ELEMENT_ERROR(self, RESOURCE, READ, (nullptr), ("cannot map the access unit"));
    return GST_FLOW_ERROR;
  }
  const ByteView data(map.data(), map.size());
  for (size_t at = 0; at < data.size();) {
    const ByteView rest = data.subspan(at);
    size_t size = 0;
    if (rest.size() >= 4 && std::equal(rest.begin(), rest.begin() + 4, "GSEM")) {
      take_header(self, rest, size);
      if (!pay.header.announced() && size && !announce(self))
        return GST_FLOW_NOT_NEGOTIATED;
    } else {
      AccessUnitHeader unit;
      if (parse_access_unit_header(rest, unit, size, &pay.timestamps) == Status::Ok) {
        const ByteView section = rest.subspan(size);
        GstClockTime now = GST_BUFFER_PTS(buffer);
        if (!GST_CLOCK_TIME_IS_VALID(now) && pay.header.known())
          now = tick_time(pay.header.header(), unit.timestamp);
        const GstFlowReturn flow = send_unit(self, unit, section, buffer, data, now);
        if (flow != GST_FLOW_OK)
          return flow;
        size += std::min(payload_section_size(unit), section.size());
      }
    }
    UnitKind kind = UnitKind::AccessUnit;
    at += size;
    // Damaged: on to the next unit that passes its checks.
    if (!size && find_unit(data, at + 1, at, kind) != Status::Ok)
      break;
  }
  return GST_FLOW_OK;
}

static GstFlowReturn handle_buffer(GstRTPBasePayload* base, GstBuffer* buffer) {
  const GstFlowReturn flow = send_buffer(GST_RTP_SEMANTIC_PAY(base), buffer);
  gst_buffer_unref(buffer);
  return flow;
}

// ---- events, states, properties ---------------------------------------------------------------------------

static void forget_time(Pay& pay) {
  pay.timer.disarm();
  pay.timed_repeat = GST_CLOCK_TIME_NONE;
  pay.timestamps = TimestampState{};
  pay.copies = RtpCopies{};
  pay.header.forget_time();
}

/// No access unit at this time. One that was lost on the way here uses up a number, so that receivers see it.
static void take_gap(GstRtpSemanticPay* self, GstEvent* event) {
  Pay& pay = *self->priv;
  GstClockTime pts = GST_CLOCK_TIME_NONE;
  GstGapFlags flags = GstGapFlags(0);
  gst_event_parse_gap(event, &pts, nullptr);
  gst_event_parse_gap_flags(event, &flags);
  if (!pay.sent_unit)
    return;
  if (flags & GST_GAP_FLAG_MISSING_DATA)
    ++pay.number;
  send_unit(self, AccessUnitHeader{}, {}, nullptr, {}, pts);
}

/// From the timer's thread: no unit came that a repeat could have travelled with.
static void send_lonely_repeat(GstRtpSemanticPay* self) {
  Pay& pay = *self->priv;
  GstPad* sink = GST_RTP_BASE_PAYLOAD_SINKPAD(self);
  GST_PAD_STREAM_LOCK(sink);
  const GstClockTime now = gst_element_get_current_running_time(GST_ELEMENT(self));
  const GstClockTime time = lonely_repeat_time(self);
  if (GST_CLOCK_TIME_IS_VALID(now) && GST_CLOCK_TIME_IS_VALID(time)) {
    if (now < time)
      pay.timer.arm(time);
    else
      send_unit(self, AccessUnitHeader{}, {}, nullptr, {},
                pay.copies.next_caption() + (pay.sparing.maps ? kSparingWait : 0));
  }
  GST_PAD_STREAM_UNLOCK(sink);
}

static gboolean sink_event(GstRTPBasePayload* base, GstEvent* event) {
  auto* self = GST_RTP_SEMANTIC_PAY(base);
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP)
    forget_time(*self->priv);
  if (GST_EVENT_TYPE(event) == GST_EVENT_GAP)
    take_gap(self, event);
  if (read_sparing_event(event, self->priv->sparing) && self->priv->sparing.maps)
    self->priv->copies.drop_maps();
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS)
    self->priv->timer.disarm();
  return GST_RTP_BASE_PAYLOAD_CLASS(gst_rtp_semantic_pay_parent_class)->sink_event(base, event);
}

static gboolean src_event(GstRTPBasePayload* base, GstEvent* event) {
  // Whoever asks for a key unit may lack the stream header as well.
  if (gst_video_event_is_force_key_unit(event))
    GST_RTP_SEMANTIC_PAY(base)->priv->header.ask();
  return GST_RTP_BASE_PAYLOAD_CLASS(gst_rtp_semantic_pay_parent_class)->src_event(base, event);
}

/// semanticlayerfilter asks what it has to count besides the layers. In the streaming thread, as it is.
static gboolean query(GstRTPBasePayload* base, GstPad* pad, GstQuery* query) {
  if (!is_copy_query(query))
    return GST_RTP_BASE_PAYLOAD_CLASS(gst_rtp_semantic_pay_parent_class)->query(base, pad, query);
  Pay& pay = *GST_RTP_SEMANTIC_PAY(base)->priv;
  CopySettings copies = copies_of(pay);
  copies.every_second = copies.key_map_rides > 0; // whatever was spared
  const int interval = pay.config_interval;
  copies.header_interval =
      (interval < 0 ? 1 : guint64(interval)) * GST_SECOND; // key units come as often, about
  ObjectLock lock(base);
  copies.header_bytes = pay.header.size();
  for (unsigned delay : pay.repeat_delays)
    copies.repeats[copies.repeat_count++] = delay * GST_MSECOND;
  answer_copy_query(query, copies);
  return TRUE;
}

static void reset(GstRtpSemanticPay* self) {
  Pay& pay = *self->priv;
  forget_time(pay);
  pay.header.reset();
  pay.sent_unit = pay.warned_header = false;
  pay.sparing = Sparing{};
  pay.last_pts = GST_CLOCK_TIME_NONE;
  pay.measured_caps.reset();
  pay.extension_bytes = 0;
  const int offset = pay.number_offset;
  pay.number = offset < 0 ? uint16_t(g_random_int()) : uint16_t(offset);
}

static GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  auto* self = GST_RTP_SEMANTIC_PAY(element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    reset(self);
    ObjectLock lock(self);
    self->priv->counters = Counters{};
  }
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING || transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED)
    self->priv->timer.set_running(transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    self->priv->timer.shut();
  const auto result = GST_ELEMENT_CLASS(gst_rtp_semantic_pay_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    self->priv->timer.stop(); // the pads are inactive: it cannot be stuck in a push
    self->priv->reports.reset();
    if (result != GST_STATE_CHANGE_FAILURE)
      reset(self);
  }
  return result;
}

static GstStructure* make_stats(GstRtpSemanticPay* self) {
  ObjectLock lock(self);
  const Counters& c = self->priv->counters;
  return gst_structure_new("application/x-rtp-semantic-pay-stats", "access-units", G_TYPE_UINT64, c.units,
                           "empty-units", G_TYPE_UINT64, c.empty_units, "packets", G_TYPE_UINT64, c.packets,
                           "headers", G_TYPE_UINT64, c.headers, "caption-repeats", G_TYPE_UINT64, c.repeats,
                           "map-repeats", G_TYPE_UINT64, c.map_repeats, nullptr);
}

static void set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  if (!set_pay_property(object, *GST_RTP_SEMANTIC_PAY(object)->priv, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  auto* self = GST_RTP_SEMANTIC_PAY(object);
  if (id == PROP_STATS)
    g_value_take_boxed(value, make_stats(self));
  else if (!get_pay_property(object, *self->priv, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void finalize(GObject* object) {
  delete GST_RTP_SEMANTIC_PAY(object)->priv;
  G_OBJECT_CLASS(gst_rtp_semantic_pay_parent_class)->finalize(object);
}

static void gst_rtp_semantic_pay_init(GstRtpSemanticPay* self) {
  self->priv = new Pay(GST_ELEMENT(self), [self] { send_lonely_repeat(self); });
}

static void gst_rtp_semantic_pay_class_init(GstRtpSemanticPayClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_rtp_semantic_pay_debug, "rtpsemanticpay", 0, "layered semantic RTP payloader");
  auto* object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  install_pay_properties(object);
  g_object_class_install_property(
      object, PROP_STATS,
      g_param_spec_boxed("stats", "Statistics",
                         "Counters since READY->PAUSED (guint64): access-units, empty-units (nothing to "
                         "send), packets, headers (in-band), caption-repeats, map-repeats",
                         GST_TYPE_STRUCTURE, GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
  auto* element = GST_ELEMENT_CLASS(klass);
  element->change_state = change_state;
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_set_static_metadata(element, "Layered semantic RTP payloader",
                                        "Codec/Payloader/Network/RTP",
                                        "Puts layered streams into RTP packets", "gst-semantic developers");
  auto* base = GST_RTP_BASE_PAYLOAD_CLASS(klass);
  base->set_caps = set_caps;
  base->handle_buffer = handle_buffer;
  base->sink_event = sink_event;
  base->src_event = src_event;
  base->query = query;
}
