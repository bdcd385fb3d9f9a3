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
#include "plugins/semantic/rtp_copies.hpp"
#include "plugins/semantic/rtp_packer.hpp"
#include "plugins/semantic/rtp_settings.hpp"

#include <gst/rtp/rtp.h>
#include <gst/video/video.h>

#include <algorithm>
#include <atomic>
#include <cstring>

GST_DEBUG_CATEGORY_STATIC(gst_rtp_semantic_pay_debug);
#define GST_CAT_DEFAULT gst_rtp_semantic_pay_debug

using namespace gsem;
using namespace gsem::bitstream;

namespace {

constexpr int kDefaultConfigInterval = 2;
constexpr char kDefaultCaptionRepeat[] = "40,200";
constexpr guint kDefaultCaptionRedundancy = 8, kMostCaptionRedundancy = 64;
constexpr guint kDefaultKeyMapRedundancy = 1, kMostMapRedundancy = 4;

/// What a repeat waits for a unit to travel with, when the frame rate is not known, and at most.
constexpr GstClockTime kUsualFrame = 40 * GST_MSECOND, kLongestFrame = 200 * GST_MSECOND;

struct Counters {
  guint64 units = 0, empty_units = 0, packets = 0, headers = 0, repeats = 0, map_repeats = 0;
};

/// Streaming thread, but for what says otherwise.
struct Pay {
  Pay(GstElement* owner, std::function<void()> repeat_due) : timer(owner, std::move(repeat_due)) {}
  DeadlineTimer timer; ///< for repeats that no unit takes along
  StreamHeader header;
  Bytes header_bytes;
  bool announced = false; ///< `header_bytes` are in the caps
  bool sent_header = false;
  GstClockTime header_time = GST_CLOCK_TIME_NONE;
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

  std::atomic<int> config_interval{kDefaultConfigInterval};
  std::atomic<int> number_offset{-1};
  std::atomic<guint> caption_redundancy{kDefaultCaptionRedundancy};
  std::atomic<guint> key_map_redundancy{kDefaultKeyMapRedundancy}, map_redundancy{0};
  std::atomic<bool> repeat_start{true};
  std::atomic<guint> header_size{0};    ///< of `header_bytes`
  std::atomic<bool> want_header{false}; ///< downstream asked for a key unit
  // under the object lock
  std::string repeat_text = kDefaultCaptionRepeat;
  std::vector<unsigned> repeat_delays{40, 200}; ///< ms
  Counters counters;
};

} // namespace

struct _GstRtpSemanticPay {
  GstRTPBasePayload parent;
  Pay* priv;
};

G_DEFINE_TYPE(GstRtpSemanticPay, gst_rtp_semantic_pay, GST_TYPE_RTP_BASE_PAYLOAD)
GST_ELEMENT_REGISTER_DEFINE(rtpsemanticpay, "rtpsemanticpay", GST_RANK_NONE, GST_TYPE_RTP_SEMANTIC_PAY)

enum {
  PROP_0,
  PROP_CAPTION_REPEAT,
  PROP_CAPTION_REDUNDANCY,
  PROP_KEY_MAP_REDUNDANCY,
  PROP_MAP_REDUNDANCY,
  PROP_REPEAT_START,
  PROP_CONFIG_INTERVAL,
  PROP_NUMBER_OFFSET,
  PROP_STATS
};

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
  if (pay.header_bytes.empty())
    return gst_rtp_base_payload_set_outcaps(base, "version", G_TYPE_STRING, version.c_str(), nullptr);
  Ptr<gchar> config(g_base64_encode(pay.header_bytes.data(), pay.header_bytes.size()));
  unsigned highest = 1;
  for (const auto& layer : pay.header.layers)
    highest = std::max(highest, unsigned(layer.kind));
  pay.announced = true;
  return gst_rtp_base_payload_set_outcaps(base, "version", G_TYPE_STRING, version.c_str(), "layers",
                                          G_TYPE_STRING, std::to_string(highest).c_str(), "config",
                                          G_TYPE_STRING, config.get(), nullptr);
}

/// `size`: bytes of the header at the start of `data`, 0 when there is none to be trusted.
static void take_header(GstRtpSemanticPay* self, ByteView data, size_t& size) {
  Pay& pay = *self->priv;
  StreamHeader header;
  if (parse_stream_header(data, header, size) != Status::Ok) {
    GST_WARNING_OBJECT(self, "a damaged stream header");
    size = 0;
    return;
  }
  const ByteView bytes = data.first(size);
  if (std::equal(bytes.begin(), bytes.end(), pay.header_bytes.begin(), pay.header_bytes.end()))
    return;
  pay.header = std::move(header);
  pay.header_bytes.assign(bytes.begin(), bytes.end());
  pay.header_size = guint(bytes.size());
  pay.announced = pay.sent_header = false;
}

static gboolean set_caps(GstRTPBasePayload* base, GstCaps* caps) {
  auto* self = GST_RTP_SEMANTIC_PAY(base);
  if (GstBuffer* header = header_buffer(caps)) {
    BufferMap map(header, GST_MAP_READ);
    size_t size = 0;
    if (map)
      take_header(self, ByteView(map.data(), map.size()), size);
  }
  return announce(self);
}

/// In-band with units of which something decodes without earlier ones: who joins there sees it at once.
static bool header_due(const Pay& pay, const AccessUnitHeader& unit, GstClockTime now) {
  const int interval = pay.config_interval;
  if (interval == 0 || pay.header_bytes.empty())
    return false;
  if (!pay.sent_header)
    return true;
  if (std::none_of(unit.layers.begin(), unit.layers.end(), [](const auto& l) { return l.key && !l.lost; }))
    return false;
  if (interval < 0)
    return unit.key || pay.want_header;
  return pay.want_header || !GST_CLOCK_TIME_IS_VALID(now) || now < pay.header_time ||
         now - pay.header_time >= guint(interval) * GST_SECOND;
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

/// Layer data that lies in `input`, mapped at `mapped`, is not copied.
static GstBuffer* make_packet(GstRtpSemanticPay* self, const RtpPayload& payload, GstBuffer* input,
                              const guint8* mapped, gsize mapped_size, GstClockTime pts) {
  const ByteView own(payload.own);
  size_t written = payload.pieces.empty() ? own.size() : payload.pieces[0].at;
  GstBuffer* packet =
      gst_rtp_base_payload_allocate_output_buffer(GST_RTP_BASE_PAYLOAD(self), guint(written), 0, 0);
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  gst_rtp_buffer_map(packet, GST_MAP_WRITE, &rtp);
  memcpy(gst_rtp_buffer_get_payload(&rtp), own.data(), written);
  gst_rtp_buffer_unmap(&rtp);
  for (size_t i = 0; i < payload.pieces.size(); ++i) {
    const ByteView data = payload.pieces[i].data;
    const bool inside = data.data() >= mapped && data.data() + data.size() <= mapped + mapped_size;
    GstBuffer* piece = inside ? gst_buffer_copy_region(input, GST_BUFFER_COPY_MEMORY,
                                                       gsize(data.data() - mapped), data.size())
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
  const GstClockTime frame = pay.header_bytes.empty() ? GST_CLOCK_TIME_NONE : frame_duration(pay.header);
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

static void count(GstRtpSemanticPay* self, bool unit, bool header, bool repeat, size_t map_repeats,
                  size_t packets) {
  ObjectLock lock(self);
  Counters& c = self->priv->counters;
  ++(unit ? c.units : c.empty_units);
  c.headers += header;
  c.repeats += repeat;
  c.map_repeats += map_repeats;
  c.packets += packets;
}

static GstFlowReturn push_payloads(GstRtpSemanticPay* self, const std::vector<RtpPayload>& payloads,
                                   GstBuffer* input, ByteView mapped, GstClockTime pts, bool of_unit) {
  if (payloads.empty())
    return GST_FLOW_OK;
  GstBufferList* list = gst_buffer_list_new_sized(guint(payloads.size()));
  for (const auto& payload : payloads) {
    GstBuffer* packet = make_packet(self, payload, input, mapped.data(), mapped.size(), pts);
    if (of_unit && &payload == &payloads.back())
      mark_last(packet);
    gst_buffer_list_add(list, packet);
  }
  return gst_rtp_base_payload_push_list(GST_RTP_BASE_PAYLOAD(self), list);
}

/// Of the first unit, at once: the stream header, the caption and a key map. Until one of them comes nothing
/// can be shown, and nobody knows that there is something.
static GstFlowReturn send_first_again(GstRtpSemanticPay* self, const std::vector<RtpEntry>& layers,
                                      GstBuffer* input, ByteView mapped, GstClockTime now) {
  Pay& pay = *self->priv;
  if (!pay.repeat_start)
    return GST_FLOW_OK;
  std::vector<RtpEntry> entries;
  if (pay.sent_header) {
    RtpEntry& header = entries.emplace_back();
    header.type = RtpEntry::Type::StreamHeader;
    header.data = pay.header_bytes;
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

static GstFlowReturn send_unit(GstRtpSemanticPay* self, const AccessUnitHeader& unit, ByteView section,
                               GstBuffer* input, ByteView mapped, GstClockTime now) {
  Pay& pay = *self->priv;
  std::vector<RtpEntry> layers, entries;
  add_layers(self, unit, section, layers);
  const bool of_unit = !unit.layers.empty();
  uint8_t set = 0;
  for (const auto& layer : unit.layers)
    set |= uint8_t(1u << unsigned(layer.kind));
  // What rides along is of earlier units: asked before this unit's own caption takes its place.
  const bool new_caption = std::any_of(
      layers.begin(), layers.end(), [](const auto& entry) { return entry.layer.kind == LayerKind::Caption; });
  if (new_caption)
    take_caption(self, layers, now);

  RtpEntry extra;
  const bool header = !layers.empty() && header_due(pay, unit, now);
  if (header) {
    extra.type = RtpEntry::Type::StreamHeader;
    extra.data = pay.header_bytes;
    entries.push_back(extra);
    pay.sent_header = true;
    pay.header_time = now;
    pay.want_header = false;
  }
  const GstClockTime wait = pay.sparing.maps && layers.empty() ? kSparingWait : 0;
  const bool repeat =
      !new_caption && (of_unit || pay.sent_unit) && pay.copies.caption_due(now, !layers.empty(), wait);
  if (repeat)
    entries.push_back(pay.copies.caption());
  const size_t map_repeats = layers.empty() ? 0 : pay.copies.add_maps(entries);
  entries.insert(entries.end(), layers.begin(), layers.end());

  bool left_out = false;
  const uint16_t number = of_unit ? pay.number : uint16_t(pay.number - 1);
  const auto payloads = pack_unit(number, set, entries, max_payload(self, input), left_out);
  if (left_out && header && !pay.warned_header) {
    pay.warned_header = true;
    GST_WARNING_OBJECT(self,
                       "a stream header of %zu bytes or a caption does not fit into packets of %u bytes",
                       pay.header_bytes.size(), GST_RTP_BASE_PAYLOAD_MTU(self));
  }
  const bool first = of_unit && !pay.sent_unit;
  if (of_unit) {
    if (!pay.sparing.maps) // without a key map all that refer to it are lost
      pay.copies.take_maps(layers, pay.number, copies_of(pay));
    ++pay.number;
    pay.sent_unit = true;
    pay.last_pts = now;
  }
  count(self, of_unit, header, repeat, map_repeats, payloads.size());
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
      if (!pay.announced && size && !announce(self))
        return GST_FLOW_NOT_NEGOTIATED;
    } else {
      AccessUnitHeader unit;
      if (parse_access_unit_header(rest, unit, size, &pay.timestamps) == Status::Ok) {
        const ByteView section = rest.subspan(size);
        GstClockTime now = GST_BUFFER_PTS(buffer);
        if (!GST_CLOCK_TIME_IS_VALID(now) && !pay.header_bytes.empty())
          now = tick_time(pay.header, unit.timestamp);
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
  pay.sent_header = false;
  pay.header_time = GST_CLOCK_TIME_NONE;
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
    GST_RTP_SEMANTIC_PAY(base)->priv->want_header = true;
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
  copies.header_bytes = pay.header_size;
  for (unsigned delay : pay.repeat_delays)
    copies.repeats[copies.repeat_count++] = delay * GST_MSECOND;
  answer_copy_query(query, copies);
  return TRUE;
}

static void reset(GstRtpSemanticPay* self) {
  Pay& pay = *self->priv;
  forget_time(pay);
  pay.header = StreamHeader{};
  pay.header_bytes.clear();
  pay.header_size = 0;
  pay.announced = pay.sent_unit = pay.want_header = pay.warned_header = false;
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

static void set_caption_repeat(GstRtpSemanticPay* self, const char* text) {
  std::vector<unsigned> delays;
  if (!parse_repeat_delays(text ? text : "", delays)) {
    GST_WARNING_OBJECT(self, "caption-repeat: '%s' is not a list of up to %zu times in ms, 1 to %u", text,
                       kMaxRepeats, kMaxRepeatDelay);
    return;
  }
  ObjectLock lock(self);
  self->priv->repeat_text = text ? text : "";
  self->priv->repeat_delays = std::move(delays);
}

static void set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  auto* self = GST_RTP_SEMANTIC_PAY(object);
  switch (id) {
  case PROP_CAPTION_REPEAT:
    set_caption_repeat(self, g_value_get_string(value));
    break;
  case PROP_CAPTION_REDUNDANCY:
    self->priv->caption_redundancy = g_value_get_uint(value);
    break;
  case PROP_KEY_MAP_REDUNDANCY:
    self->priv->key_map_redundancy = g_value_get_uint(value);
    break;
  case PROP_MAP_REDUNDANCY:
    self->priv->map_redundancy = g_value_get_uint(value);
    break;
  case PROP_REPEAT_START:
    self->priv->repeat_start = g_value_get_boolean(value);
    break;
  case PROP_CONFIG_INTERVAL:
    self->priv->config_interval = g_value_get_int(value);
    break;
  case PROP_NUMBER_OFFSET:
    self->priv->number_offset = g_value_get_int(value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  auto* self = GST_RTP_SEMANTIC_PAY(object);
  switch (id) {
  case PROP_CAPTION_REPEAT: {
    ObjectLock lock(self);
    g_value_set_string(value, self->priv->repeat_text.c_str());
    break;
  }
  case PROP_CAPTION_REDUNDANCY:
    g_value_set_uint(value, self->priv->caption_redundancy);
    break;
  case PROP_KEY_MAP_REDUNDANCY:
    g_value_set_uint(value, self->priv->key_map_redundancy);
    break;
  case PROP_MAP_REDUNDANCY:
    g_value_set_uint(value, self->priv->map_redundancy);
    break;
  case PROP_REPEAT_START:
    g_value_set_boolean(value, self->priv->repeat_start);
    break;
  case PROP_CONFIG_INTERVAL:
    g_value_set_int(value, self->priv->config_interval);
    break;
  case PROP_NUMBER_OFFSET:
    g_value_set_int(value, self->priv->number_offset);
    break;
  case PROP_STATS:
    g_value_take_boxed(value, make_stats(self));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
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
  const auto flags = [](int more) { return GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | more); };
  g_object_class_install_property(
      object, PROP_CAPTION_REPEAT,
      g_param_spec_string(
          "caption-repeat", "Caption repeats",
          "Times in ms after which a caption is sent again with the packets of a later access "
          "unit, separated by commas; empty: never",
          kDefaultCaptionRepeat, flags(GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      object, PROP_CAPTION_REDUNDANCY,
      g_param_spec_uint("caption-redundancy", "Caption redundancy",
                        "With how many of the next access units a caption is sent again", 0,
                        kMostCaptionRedundancy, kDefaultCaptionRedundancy, flags(GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      object, PROP_KEY_MAP_REDUNDANCY,
      g_param_spec_uint("key-map-redundancy", "Key map redundancy",
                        "With how many of the next access units a map that others refer to is sent again", 0,
                        kMostMapRedundancy, kDefaultKeyMapRedundancy, flags(GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      object, PROP_MAP_REDUNDANCY,
      g_param_spec_uint(
          "map-redundancy", "Map redundancy",
          "With how many of the next access units any map is sent again; receivers' jitter buffers "
          "must wait for so many pictures",
          0, kMostMapRedundancy, 0, flags(GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      object, PROP_REPEAT_START,
      g_param_spec_boolean("repeat-start", "Repeat the start",
                           "Send the stream header, caption and key map of the first access unit again at "
                           "once: nothing can be shown before they are there",
                           TRUE, flags(GST_PARAM_MUTABLE_READY)));
  g_object_class_install_property(
      object, PROP_CONFIG_INTERVAL,
      g_param_spec_int("config-interval", "Configuration interval",
                       "Seconds between in-band stream headers (-1: with every key unit, 0: never, receivers "
                       "have it from the caps)",
                       -1, 3600, kDefaultConfigInterval, flags(GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      object, PROP_NUMBER_OFFSET,
      g_param_spec_int("unit-number-offset", "Unit number offset",
                       "Number of the first access unit in the payload descriptors (-1: random)", -1, 65535,
                       -1, flags(GST_PARAM_MUTABLE_READY)));
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
