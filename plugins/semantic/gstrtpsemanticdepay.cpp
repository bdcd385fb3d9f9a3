// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-rtpsemanticdepay
 * @title: rtpsemanticdepay
 *
 * Makes access units of RTP packets (docs/rtp.md). Whatever arrives is of use: each intact layer goes on, a
 * layer that was sent and did not arrive is marked as lost, and one that was not sent is not mentioned. An
 * access unit goes on as soon as all layers that were sent are there, or when a packet of a later one comes,
 * or, in a live pipeline, when its picture is due. An access unit of which nothing arrived becomes one GAP
 * event with the MISSING_DATA flag, however many packets it had; live, every picture of which nothing came is
 * a GAP when it is due, so that decoders show something at every frame time. Belongs behind
 * `rtpjitterbuffer`; it does not need its `do-lost`.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 udpsrc port=5004 \
 *   caps="application/x-rtp,media=video,clock-rate=90000,encoding-name=X-SEMANTIC" ! \
 *   rtpjitterbuffer ! rtpsemanticdepay ! semanticdecodebin ! videoconvert ! autovideosink
 * ]|
 */
#include "plugins/semantic/gstrtpsemanticdepay.h"

#include "gst/semantic/max_layer.hpp"
#include "plugins/semantic/deadline_timer.hpp"
#include "plugins/semantic/depay_counters.hpp"
#include "plugins/semantic/rtp_source.hpp"
#include "plugins/semantic/session_reports.hpp"
#include "plugins/semantic/unit_writer.hpp"

#include <gst/rtp/rtp.h>
#include <gst/video/video.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <utility>

GST_DEBUG_CATEGORY_STATIC(gst_rtp_semantic_depay_debug);
#define GST_CAT_DEFAULT gst_rtp_semantic_depay_debug

using namespace gsem;
using namespace gsem::bitstream;

namespace {

constexpr size_t kLayers = kLayerNames.size();
/// More lost units than this in a row become one GAP event together: a forged number must not cost much.
constexpr unsigned kMaxGaps = 64;
/// A jitter buffer gives up on a lost packet when the picture is due, and only then lets go of those behind
/// it.
constexpr guint kDefaultLatency = 20, kMaxLatency = 10000; ///< ms
/// A stream header as `config`, base64.
constexpr size_t kMaxConfig = 16384;

struct Depay : RtpSource {
  Depay(RtpAssembler::Handler handler, GstElement* owner, std::function<void()> unit_due)
      : assembler(std::move(handler)), timer(owner, std::move(unit_due)) {}
  RtpAssembler assembler;
  DeadlineTimer timer;
  UnitWriter writer;                     ///< its stream header is that of the caps on the source pad
  DepayCounters counters;                ///< changed under the object lock
  std::unique_ptr<PacedReports> reports; ///< from the first packet on
  bool sought_reports = false;

  std::atomic<bool> request_keyframe{true}, wait_for_keyframe{false}, pace_reports{true};
  std::atomic<guint> max_layer{kLayers};
  std::atomic<guint> added_latency{kDefaultLatency}; ///< ms
  guint told_max_layer = kLayers;                    ///< streaming thread

  GstClockTime slack() const { return added_latency * GST_MSECOND; }
  /// A picture's time, NONE when not known.
  GstClockTime frame() const {
    return assembler.have_header() ? frame_duration(assembler.header()) : GST_CLOCK_TIME_NONE;
  }
};

} // namespace

struct _GstRtpSemanticDepay {
  GstRTPBaseDepayload parent;
  Depay* priv;
};

G_DEFINE_TYPE(GstRtpSemanticDepay, gst_rtp_semantic_depay, GST_TYPE_RTP_BASE_DEPAYLOAD)
GST_ELEMENT_REGISTER_DEFINE(rtpsemanticdepay, "rtpsemanticdepay", GST_RANK_NONE, GST_TYPE_RTP_SEMANTIC_DEPAY)

enum {
  PROP_0,
  PROP_REQUEST_KEYFRAME,
  PROP_WAIT_FOR_KEYFRAME,
  PROP_MAX_LAYER,
  PROP_LATENCY,
  PROP_PACE_REPORTS,
  PROP_STATS
};

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_RTP));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS(GSEM_STREAM_PARSED_TEMPLATE ", " GSEM_CAPS_GEOMETRY ", layers = (int) [ 1, 3 ]"));

// ---- key units --------------------------------------------------------------------------------------------

static void request_key_unit(GstRtpSemanticDepay* self, guint32 rtp_time, const char* why) {
  Depay& depay = *self->priv;
  if (!depay.request_keyframe || !depay.may_request(rtp_time))
    return;
  GST_DEBUG_OBJECT(self, "asking for a key unit: %s", why);
  {
    ObjectLock lock(self);
    ++depay.counters.key_requests;
  }
  gst_pad_push_event(GST_RTP_BASE_DEPAYLOAD_SINKPAD(self),
                     gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
}

// ---- access units -----------------------------------------------------------------------------------------

static bool announce(GstRtpSemanticDepay* self) {
  Depay& depay = *self->priv;
  const Bytes& bytes = depay.assembler.header_bytes();
  if (depay.writer.stream_header() == bytes)
    return true;
  StreamHeader header;
  size_t size = 0;
  bool known_profile = false;
  if (read_header(bytes, header, size, known_profile) != Status::Ok)
    return false;
  depay.writer.set_stream_header(bytes);
  depay.forget_tick();
  auto caps = stream_caps(header, bytes);
  return gst_pad_set_caps(GST_RTP_BASE_DEPAYLOAD_SRCPAD(self), caps.get());
}

static void push_gap(GstRtpSemanticDepay* self, GstClockTime pts, GstClockTime duration, bool lost) {
  GstEvent* gap = gst_event_new_gap(pts, duration);
  if (lost)
    gst_event_set_gap_flags(gap, GST_GAP_FLAG_MISSING_DATA);
  gst_pad_push_event(GST_RTP_BASE_DEPAYLOAD_SRCPAD(self), gap);
}

/// One GAP for each unit of which nothing came, in the time between its neighbours; live, one for each
/// picture of which nothing was said, as not all that are missing were sent.
static void push_gaps(GstRtpSemanticDepay* self, unsigned lost, GstClockTime until) {
  const GstClockTime from = self->priv->last_pts, frame = self->priv->live_frame(self->priv->frame());
  if (!GST_CLOCK_TIME_IS_VALID(from) || !GST_CLOCK_TIME_IS_VALID(until) || until <= from)
    return;
  const bool live = GST_CLOCK_TIME_IS_VALID(frame);
  const guint64 pictures = live ? (until - from + frame / 2) / frame : guint64(lost) + 1;
  if (pictures <= 1)
    return;
  const guint64 missing = pictures - 1, events = missing > kMaxGaps ? 1 : missing;
  const GstClockTime step = live ? frame : (until - from) / pictures;
  for (guint64 i = 1; i <= events; ++i)
    push_gap(self, from + step * i, events < missing ? step * missing : step, i <= lost);
}

/// Decoders are to know that a layer is not wanted: then nothing stands in for it.
static void tell_max_layer(GstRtpSemanticDepay* self) {
  Depay& depay = *self->priv;
  const guint most = depay.max_layer;
  if (depay.told_max_layer == most)
    return;
  depay.told_max_layer = most;
  GstStructure* s = gst_structure_new(GSEM_EVENT_MAX_LAYER, "max-layer", G_TYPE_UINT, most, nullptr);
  gst_pad_push_event(GST_RTP_BASE_DEPAYLOAD_SRCPAD(self),
                     gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, s));
}

/// A unit from the assembler.
static void take_unit(GstRtpSemanticDepay* self, const ReceivedUnit& received) {
  Depay& depay = *self->priv;
  const guint32 rtp_time = received.first.rtp_time;
  if (!depay.assembler.have_header() || !announce(self)) {
    request_key_unit(self, rtp_time, "no stream header");
    return;
  }
  depay.latency = live_latency(GST_RTP_BASE_DEPAYLOAD_SINKPAD(self));
  if (depay.key_map_missing(received))
    request_key_unit(self, rtp_time, "a key map was lost");
  bool incomplete = false, loss = received.units_lost > 0;
  for (const auto& layer : received.layers) {
    incomplete = incomplete || layer.lost;
    loss = loss || (layer.lost && !layer.layer.discardable);
  }
  AccessUnitHeader unit = unit_header(received, depay.next_tick(rtp_time, depay.assembler.header()));
  const bool alone = decodes_alone(depay.assembler.header(), unit) && !incomplete;
  if (depay.wait_for_keyframe) {
    depay.waiting = (depay.waiting || loss) && !alone;
    if (depay.waiting) {
      request_key_unit(self, rtp_time, "waiting for one");
      return;
    }
  }
  if (received.header_here)
    depay.writer.repeat_header();
  GstBuffer* buffer = depay.writer.write(received, unit);
  if (!buffer)
    return;
  const GstClockTime pts = depay.time_of(received, depay.frame());
  tell_max_layer(self);
  push_gaps(self, received.units_lost, pts);
  GST_BUFFER_PTS(buffer) = pts;
  GST_BUFFER_DURATION(buffer) = depay.frame();
  GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_MARKER);
  if (!alone)
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  if (received.units_lost)
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  if (GST_CLOCK_TIME_IS_VALID(pts) && (!GST_CLOCK_TIME_IS_VALID(depay.last_pts) || pts > depay.last_pts))
    depay.last_pts = pts;
  {
    ObjectLock lock(self);
    depay.counters.add(received);
  }
  gst_rtp_base_depayload_push(GST_RTP_BASE_DEPAYLOAD(self), buffer);
}

// ---- packets ----------------------------------------------------------------------------------------------

static void publish_counters(GstRtpSemanticDepay* self) {
  ObjectLock lock(self);
  self->priv->counters.packets = self->priv->assembler.counters();
}

static void begin_source(Depay& depay) {
  depay.timer.disarm();
  depay.assembler.reset();
  static_cast<RtpSource&>(depay) = RtpSource{};
  depay.writer.repeat_header();
}

/// Running time by which the picture at `pts` has come, or will not come any more; NONE when not known.
static GstClockTime time_due(GstRtpSemanticDepay* self, GstClockTime pts) {
  const GstSegment* segment = &GST_RTP_BASE_DEPAYLOAD(self)->segment;
  const Depay& depay = *self->priv;
  return depay.time_due(gst_segment_to_running_time(segment, GST_FORMAT_TIME, pts), depay.frame(),
                        depay.slack());
}

/// A unit that stays open is to go on when its picture is due: the packet that would close it may come much
/// later, or never. The same for a picture of which nothing comes. Not live, there is no such time.
static void watch(GstRtpSemanticDepay* self) {
  Depay& depay = *self->priv;
  const auto first = depay.assembler.open_unit();
  if (!first) {
    depay.timed_unit.reset();
    depay.due = GST_CLOCK_TIME_NONE;
  } else if (depay.timed_unit != depay.assembler.number()) {
    depay.timed_unit = depay.assembler.number();
    depay.latency = live_latency(GST_RTP_BASE_DEPAYLOAD_SINKPAD(self));
    depay.due = time_due(self, first->time);
  }
  const GstClockTime frame = depay.live_frame(depay.frame());
  depay.picture_due = GST_CLOCK_TIME_NONE;
  if (GST_CLOCK_TIME_IS_VALID(frame) && GST_CLOCK_TIME_IS_VALID(depay.last_pts)) {
    const GstClockTime next = depay.last_pts + frame;
    const bool is_open = first && GST_CLOCK_TIME_IS_VALID(depay.due) && first->time <= next + frame / 2;
    if (!is_open)
      depay.picture_due = time_due(self, next);
  }
  const GstClockTime next = std::min(depay.due, depay.picture_due);
  if (GST_CLOCK_TIME_IS_VALID(next))
    depay.timer.arm(next);
  else
    depay.timer.disarm();
}

/// Nothing came for a picture, and nothing says why: those behind show what they have.
static void pass_over_picture(GstRtpSemanticDepay* self) {
  Depay& depay = *self->priv;
  const GstClockTime frame = depay.live_frame(depay.frame());
  depay.last_pts += frame;
  {
    ObjectLock lock(self);
    ++depay.counters.due_pictures;
  }
  push_gap(self, depay.last_pts, frame, false);
}

/// From the timer's thread.
static void take_due(GstRtpSemanticDepay* self) {
  Depay& depay = *self->priv;
  GstPad* sink = GST_RTP_BASE_DEPAYLOAD_SINKPAD(self);
  GST_PAD_STREAM_LOCK(sink);
  const GstClockTime now = gst_element_get_current_running_time(GST_ELEMENT(self));
  if (GST_CLOCK_TIME_IS_VALID(now) && !GST_PAD_IS_EOS(sink)) {
    if (depay.assembler.open_unit() && depay.timed_unit && now >= depay.due) {
      GST_DEBUG_OBJECT(self, "unit %u is due and not complete", *depay.timed_unit);
      depay.assembler.finish();
      publish_counters(self);
      ObjectLock lock(self);
      ++depay.counters.due_units;
    } else if (GST_CLOCK_TIME_IS_VALID(depay.picture_due) && now >= depay.picture_due) {
      pass_over_picture(self);
    }
    watch(self);
  }
  GST_PAD_STREAM_UNLOCK(sink);
}

static GstBuffer* process_rtp_packet(GstRTPBaseDepayload* base, GstRTPBuffer* rtp) {
  auto* self = GST_RTP_SEMANTIC_DEPAY(base);
  Depay& depay = *self->priv;
  if (!std::exchange(depay.sought_reports, true) && depay.pace_reports)
    depay.reports = pace_reports(GST_RTP_BASE_DEPAYLOAD_SINKPAD(self));
  const guint32 ssrc = gst_rtp_buffer_get_ssrc(rtp);
  if (depay.ssrc && *depay.ssrc != ssrc) {
    GST_INFO_OBJECT(self, "another source: %08x", ssrc);
    depay.assembler.finish();
    begin_source(depay);
    depay.assembler.forget_header();
  }
  depay.ssrc = ssrc;
  const guint max_layer = depay.max_layer;
  constexpr guint kAll = 7; // the highest kind that the format has room for
  depay.assembler.set_max_layer(max_layer < kLayers ? max_layer : kAll);
  const auto* payload = static_cast<const guint8*>(gst_rtp_buffer_get_payload(rtp));
  depay.assembler.feed(
      ByteView(payload, gst_rtp_buffer_get_payload_len(rtp)),
      {gst_rtp_buffer_get_seq(rtp), gst_rtp_buffer_get_timestamp(rtp), GST_BUFFER_PTS(rtp->buffer)});
  publish_counters(self);
  watch(self);
  return nullptr;
}

/// Unit numbers tell what is missing, once for each unit. Lost packets of units that did come show in their
/// layers.
static gboolean packet_lost(GstRTPBaseDepayload*, GstEvent*) {
  return TRUE;
}

// ---- caps, events, states ---------------------------------------------------------------------------------

static gboolean set_caps(GstRTPBaseDepayload* base, GstCaps* caps) {
  auto* self = GST_RTP_SEMANTIC_DEPAY(base);
  Depay& depay = *self->priv;
  const GstStructure* s = gst_caps_get_structure(caps, 0);
  base->clock_rate = RtpSource::kClockRate;
  const gchar* version = gst_structure_get_string(s, "version");
  if (version && g_ascii_strtoull(version, nullptr, 10) != kMajorVersion) {
    GST_ERROR_OBJECT(self, "version %s of the stream, this is %u", version, kMajorVersion);
    return FALSE;
  }
  Bytes header;
  const gchar* config = gst_structure_get_string(s, "config");
  if (config && strlen(config) <= kMaxConfig) {
    gsize size = 0;
    Ptr<gchar> decoded(reinterpret_cast<gchar*>(g_base64_decode(config, &size)));
    header.assign(decoded.get(), decoded.get() + size);
  }
  if (!depay.assembler.set_outside_header(header))
    GST_WARNING_OBJECT(self, "config is not a stream header");
  if (depay.assembler.have_header())
    announce(self);
  return TRUE;
}

static gboolean handle_event(GstRTPBaseDepayload* base, GstEvent* event) {
  auto* self = GST_RTP_SEMANTIC_DEPAY(base);
  Depay& depay = *self->priv;
  switch (GST_EVENT_TYPE(event)) {
  case GST_EVENT_EOS:
    depay.timer.disarm();
    depay.assembler.finish();
    publish_counters(self);
    break;
  case GST_EVENT_FLUSH_STOP:
    begin_source(depay);
    break;
  default:
    break;
  }
  return GST_RTP_BASE_DEPAYLOAD_CLASS(gst_rtp_semantic_depay_parent_class)->handle_event(base, event);
}

static void forget(Depay& depay) {
  begin_source(depay);
  depay.assembler.set_outside_header({});
  depay.assembler.forget_header();
  depay.writer.forget();
  depay.told_max_layer = kLayers;
}

/// What is lost is known when the jitter buffer gives up, and a bit: sinks are not to take that for late.
static gboolean src_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
    return gst_pad_query_default(pad, parent, query);
  if (!gst_pad_peer_query(GST_RTP_BASE_DEPAYLOAD_SINKPAD(parent), query))
    return FALSE;
  gboolean live = FALSE;
  GstClockTime least = 0, most = GST_CLOCK_TIME_NONE;
  gst_query_parse_latency(query, &live, &least, &most);
  const GstClockTime slack = GST_RTP_SEMANTIC_DEPAY(parent)->priv->slack();
  if (live && least > 0)
    gst_query_set_latency(query, live, least + slack, GST_CLOCK_TIME_IS_VALID(most) ? most + slack : most);
  return TRUE;
}

static GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  auto* self = GST_RTP_SEMANTIC_DEPAY(element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    forget(*self->priv);
    self->priv->assembler.clear_counters();
    ObjectLock lock(self);
    self->priv->counters = DepayCounters{};
  }
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING || transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED)
    self->priv->timer.set_running(transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    self->priv->timer.shut();
  const auto result =
      GST_ELEMENT_CLASS(gst_rtp_semantic_depay_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    self->priv->timer.stop(); // the pads are inactive: it cannot be stuck in a push
    self->priv->reports.reset();
    self->priv->sought_reports = false;
    if (result != GST_STATE_CHANGE_FAILURE)
      forget(*self->priv);
  }
  return result;
}

// ---- properties -------------------------------------------------------------------------------------------

static GstStructure* make_stats(GstRtpSemanticDepay* self) {
  ObjectLock lock(self);
  return self->priv->counters.to_structure();
}

static void set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  Depay& depay = *GST_RTP_SEMANTIC_DEPAY(object)->priv;
  switch (id) {
  case PROP_REQUEST_KEYFRAME:
    depay.request_keyframe = g_value_get_boolean(value);
    break;
  case PROP_WAIT_FOR_KEYFRAME:
    depay.wait_for_keyframe = g_value_get_boolean(value);
    break;
  case PROP_MAX_LAYER:
    depay.max_layer = g_value_get_uint(value);
    break;
  case PROP_PACE_REPORTS:
    depay.pace_reports = g_value_get_boolean(value);
    break;
  case PROP_LATENCY:
    if (depay.added_latency.exchange(g_value_get_uint(value)) != g_value_get_uint(value))
      gst_element_post_message(GST_ELEMENT(object), gst_message_new_latency(GST_OBJECT(object)));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  auto* self = GST_RTP_SEMANTIC_DEPAY(object);
  switch (id) {
  case PROP_REQUEST_KEYFRAME:
    g_value_set_boolean(value, self->priv->request_keyframe);
    break;
  case PROP_WAIT_FOR_KEYFRAME:
    g_value_set_boolean(value, self->priv->wait_for_keyframe);
    break;
  case PROP_MAX_LAYER:
    g_value_set_uint(value, self->priv->max_layer);
    break;
  case PROP_LATENCY:
    g_value_set_uint(value, self->priv->added_latency);
    break;
  case PROP_PACE_REPORTS:
    g_value_set_boolean(value, self->priv->pace_reports);
    break;
  case PROP_STATS:
    g_value_take_boxed(value, make_stats(self));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void finalize(GObject* object) {
  delete GST_RTP_SEMANTIC_DEPAY(object)->priv;
  G_OBJECT_CLASS(gst_rtp_semantic_depay_parent_class)->finalize(object);
}

static void gst_rtp_semantic_depay_init(GstRtpSemanticDepay* self) {
  self->priv = new Depay([self](const ReceivedUnit& unit) { take_unit(self, unit); }, GST_ELEMENT(self),
                         [self] { take_due(self); });
  gst_pad_set_query_function(GST_RTP_BASE_DEPAYLOAD_SRCPAD(self), src_query);
}

static void gst_rtp_semantic_depay_class_init(GstRtpSemanticDepayClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_rtp_semantic_depay_debug, "rtpsemanticdepay", 0,
                          "layered semantic RTP depayloader");
  auto* object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  const auto flags = GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  g_object_class_install_property(
      object, PROP_REQUEST_KEYFRAME,
      g_param_spec_boolean(
          "request-keyframe", "Request key units",
          "Ask the sender for a key unit when a key map is lost or no stream header is known, "
          "at most once a second",
          TRUE, flags));
  g_object_class_install_property(
      object, PROP_WAIT_FOR_KEYFRAME,
      g_param_spec_boolean("wait-for-keyframe", "Wait for key units",
                           "At the start and after losses hand on nothing before an access unit from which "
                           "alone a picture can be made",
                           FALSE, flags));
  g_object_class_install_property(
      object, PROP_MAX_LAYER,
      g_param_spec_uint("max-layer", "Highest layer",
                        "Highest layer handed on: 1 caption, 2 and structure, 3 and signal; what is above "
                        "counts as not sent, and nothing waits for it",
                        1, kLayers, kLayers, flags));
  g_object_class_install_property(
      object, PROP_LATENCY,
      g_param_spec_uint("latency", "Latency",
                        "Milliseconds, in live pipelines, to wait for a picture's packets beyond what the "
                        "jitter buffer waits. That gives up on lost packets one after the other: each "
                        "picture's time more saves one more lost in a row, where the sender repeats maps",
                        0, kMaxLatency, kDefaultLatency, flags));
  g_object_class_install_property(
      object, PROP_PACE_REPORTS,
      g_param_spec_boolean(
          "pace-reports", "Pace reports",
          "Where rtpbin is in front of this element: have it report what came when the "
          "sender's semanticlayerfilter needs it, and keep its RTCP to a twentieth of that",
          TRUE, GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)));
  g_object_class_install_property(
      object, PROP_STATS,
      g_param_spec_boxed(
          "stats", "Statistics",
          "Counters since READY->PAUSED (guint64): packets, bad-packets (broken), late-packets "
          "(of units that are over), access-units, lost-units (nothing of them came), "
          "headerless-units (no stream header known), due-units (handed on incomplete because their "
          "picture was due), due-pictures (passed over because nothing had come), recovered-units (of which "
          "only repeats came), repeats-used (layers that a repeat brought back), key-requests, and a "
          "structure for each layer: present, lost",
          GST_TYPE_STRUCTURE, GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
  auto* element = GST_ELEMENT_CLASS(klass);
  element->change_state = change_state;
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_set_static_metadata(element, "Layered semantic RTP depayloader",
                                        "Codec/Depayloader/Network/RTP",
                                        "Makes layered streams of RTP packets", "gst-semantic developers");
  auto* base = GST_RTP_BASE_DEPAYLOAD_CLASS(klass);
  base->set_caps = set_caps;
  base->handle_event = handle_event;
  base->process_rtp_packet = process_rtp_packet;
  base->packet_lost = packet_lost;
}
