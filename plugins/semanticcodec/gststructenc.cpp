// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-structenc
 *
 * Layer 2: finds the edges of each picture and codes them as a small soft map with a video codec.
 * `detector=canny` needs no weights.
 *
 * For stills and files every map is coded alone, at the highest efficiency; in live pipelines (or with
 * `live=on`) most maps are deltas that refer to the last key map only, so each of them can be lost or dropped
 * alone. A live picture whose turn comes too late gets no map.
 *
 * `bitrate` and `max-bytes` hold the maps to a rate and a size, by a search over the quantiser that codes a
 * map three times at most; maps for which that is not enough are left out. A semantic-rate event from
 * downstream (docs/caps.md) sets an upper limit to the rate.
 *
 * `codec=vtm` codes the maps with VTM, the reference software of VVC, as external programs: the best
 * efficiency, at seconds a map, every map alone. `codec=vvc`, where built with VVenC and vvdec, writes the
 * same format in this process in a fraction of the time (docs/vtm.md).
 *
 * |[
 * gst-launch-1.0 filesrc location=bird.png ! pngdec ! videoconvert ! structenc ! structdec ! videoconvert ! \
 *     pngenc ! filesink location=edges.png
 * ]|
 */
#include "plugins/semanticcodec/gststructenc.h"

#include "gst/semantic/caps.hpp"
#include "gst/semantic/layer_meta.hpp"
#include "plugins/semanticcodec/cancel_switch.hpp"
#include "plugins/semanticcodec/canny.hpp"
#include "plugins/semanticcodec/encoder_base.hpp"
#include "plugins/semanticcodec/guard.hpp"
#include "plugins/semanticcodec/layer_caps.hpp"
#include "plugins/semanticcodec/picture_format.hpp"
#include "plugins/semanticcodec/structenc_settings.hpp"
#include "plugins/semanticcodec/timing.hpp"

#include <algorithm>
#include <mutex>

GST_DEBUG_CATEGORY_STATIC(gst_struct_enc_debug);
#define GST_CAT_DEFAULT gst_struct_enc_debug

using namespace gsem;
using namespace gsem::codec;

namespace {

constexpr int kDefaultSide = 128;

struct Counters {
  guint64 frames = 0, keys = 0, deltas = 0, late = 0, left_out = 0, bytes = 0, encodes = 0;
};

/// What the last semantic-rate event said of the maps.
struct Steering {
  bool steered = false;
  guint bitrate = 0; ///< bit/s, 0: no maps
};

} // namespace

struct StructEncPrivate {
  StructEncSettings settings; ///< under the object lock
  Counters counters;          ///< under the object lock
  Steering steering;          ///< under the object lock

  // From start() to stop(), streaming thread only.
  StructEncSettings started;                       ///< those that count from READY to PAUSED on
  std::shared_ptr<const profile::Profile> profile; ///< null: Canny without a profile
  std::shared_ptr<runtime::StructureModel> model;  ///< null: Canny
  std::unique_ptr<maps::MapEncoder> encoder;
  bool encoder_live = false;
  maps::MapRateControl rate;
  GstClockTime last_offered = GST_CLOCK_TIME_NONE; ///< running time of the picture before
  CancelSwitch cancel;
  CostMeter cost;
  StartDeadline deadline;
  SpareTime spare; ///< any thread
  UpstreamLatency upstream;
  GstVideoInfo info{};
  bool key_pending = true;
  guint since_key = 0;

  int side() const { return profile ? profile->map_side : kDefaultSide; }
};

struct _GstStructEnc {
  GstVideoEncoder parent;
  StructEncPrivate* priv;
};

G_DEFINE_TYPE_WITH_CODE(GstStructEnc, gst_struct_enc, GST_TYPE_VIDEO_ENCODER,
                        GST_DEBUG_CATEGORY_INIT(gst_struct_enc_debug, "structenc", 0,
                                                "Structure layer encoder");
                        G_IMPLEMENT_INTERFACE(GST_TYPE_PRESET, nullptr))
GST_ELEMENT_REGISTER_DEFINE(structenc, "structenc", GST_RANK_NONE, GST_TYPE_STRUCT_ENC)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_RAW_RGB));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_STRUCTURE));

static StructEncSettings settings_now(GstStructEnc* self) {
  ObjectLock lock(self);
  return self->priv->settings;
}

// ---- states --------------------------------------------------------------------------------------------

static bool load_networks(GstStructEnc* self, const StructEncSettings& settings) {
  StructEncPrivate* priv = self->priv;
  if (settings.detector == StructEncSettings::DETECTOR_CANNY) {
    // Only the map's size and the name come from the profile; without any profile Canny works all the same.
    std::string error;
    if (settings.model.profile.empty())
      return profile::load_profile({}, priv->profile, error), true;
    priv->profile = find_profile(GST_ELEMENT(self), settings.model);
    return priv->profile != nullptr;
  }
  priv->profile = find_profile(GST_ELEMENT(self), settings.model);
  if (!priv->profile)
    return false;
  std::string error;
  priv->model = runtime::acquire_structure(*priv->profile, settings.model.options(), true, false, error);
  if (!priv->model)
    post_model_error(GST_ELEMENT(self), settings.model, error);
  return priv->model != nullptr;
}

static bool make_encoder(GstStructEnc* self, const StructEncSettings& settings, bool live) {
  StructEncPrivate* priv = self->priv;
  maps::EncoderSettings wanted;
  wanted.codec = settings.codec;
  wanted.width = wanted.height = priv->side();
  wanted.quantiser = settings.effective_quantiser();
  wanted.live = live;
  wanted.key_interval = settings.key_interval;
  wanted.programs.program_dir = settings.vtm_dir;
  wanted.programs.cancelled = [priv] { return priv->cancel.token().cancelled(); };
  std::string error;
  if (maps::MapEncoder::create(wanted, priv->encoder, error) != Status::Ok || !priv->encoder) {
    if (priv->cancel.token().cancelled())
      return false; // flushed or stopped while an external program ran: no error
    GST_ELEMENT_ERROR(self, RESOURCE, NOT_FOUND,
                      ("The map codec \"%s\" cannot be used.", settings.codec.c_str()),
                      ("%s", error.c_str()));
    return false;
  }
  priv->encoder_live = live;
  priv->rate = maps::MapRateControl(live);
  priv->last_offered = GST_CLOCK_TIME_NONE;
  priv->key_pending = true;
  return true;
}

static gboolean gst_struct_enc_stop(GstVideoEncoder* encoder) {
  StructEncPrivate* priv = GST_STRUCT_ENC(encoder)->priv;
  priv->encoder.reset();
  priv->model.reset();
  priv->profile.reset();
  return TRUE;
}

static gboolean gst_struct_enc_start(GstVideoEncoder* encoder) {
  auto self = GST_STRUCT_ENC(encoder);
  return guarded(self, FALSE, [&]() -> gboolean {
    StructEncPrivate* priv = self->priv;
    StructEncSettings settings = settings_now(self);
    priv->cancel.rearm();
    if (!load_networks(self, settings) ||
        !make_encoder(self, settings, settings.live == StructEncSettings::LIVE_ON)) {
      gst_struct_enc_stop(encoder);
      return FALSE;
    }
    priv->started = settings;
    priv->cost = {};
    priv->deadline.reset();
    ObjectLock lock(self);
    priv->counters = {};
    priv->steering = {};
    return TRUE;
  });
}

static gboolean gst_struct_enc_flush(GstVideoEncoder* encoder) {
  StructEncPrivate* priv = GST_STRUCT_ENC(encoder)->priv;
  priv->cancel.rearm();
  priv->deadline.reset();
  priv->last_offered = GST_CLOCK_TIME_NONE;
  priv->key_pending = true; // whoever was flushed with us has lost the key map
  return TRUE;
}

static GstStateChangeReturn gst_struct_enc_change_state(GstElement* element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    GST_STRUCT_ENC(element)->priv->cancel.cancel();
  return GST_ELEMENT_CLASS(gst_struct_enc_parent_class)->change_state(element, transition);
}

static gboolean gst_struct_enc_sink_event(GstVideoEncoder* encoder, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_START)
    GST_STRUCT_ENC(encoder)->priv->cancel.cancel();
  return GST_VIDEO_ENCODER_CLASS(gst_struct_enc_parent_class)->sink_event(encoder, event);
}

/// semantic-rate, from whoever knows the network (semanticlayerfilter): what the maps may take.
static gboolean gst_struct_enc_src_event(GstVideoEncoder* encoder, GstEvent* event) {
  GST_STRUCT_ENC(encoder)->priv->spare.handle_event(event);
  if (GST_EVENT_TYPE(event) != GST_EVENT_CUSTOM_UPSTREAM || !gst_event_has_name(event, GSEM_EVENT_RATE))
    return GST_VIDEO_ENCODER_CLASS(gst_struct_enc_parent_class)->src_event(encoder, event);
  guint bitrate = 0;
  if (gst_structure_get_uint(gst_event_get_structure(event), "structure-bitrate", &bitrate)) {
    GST_DEBUG_OBJECT(encoder, "maps may take %u bit/s", bitrate);
    ObjectLock lock(encoder);
    GST_STRUCT_ENC(encoder)->priv->steering = {bitrate != G_MAXUINT, bitrate == G_MAXUINT ? 0 : bitrate};
  }
  gst_event_unref(event);
  return TRUE;
}

// ---- caps ----------------------------------------------------------------------------------------------

static gboolean gst_struct_enc_set_format(GstVideoEncoder* encoder, GstVideoCodecState* state) {
  auto self = GST_STRUCT_ENC(encoder);
  return guarded(self, FALSE, [&]() -> gboolean {
    StructEncPrivate* priv = self->priv;
    if (!check_raw_caps(GST_ELEMENT(self), state->caps, &state->info))
      return FALSE;
    priv->info = state->info;
    priv->upstream = query_upstream(GST_VIDEO_ENCODER_SINK_PAD(encoder));
    bool live = priv->started.live == StructEncSettings::LIVE_ON ||
                (priv->started.live == StructEncSettings::LIVE_AUTO && priv->upstream.live);
    if (live != priv->encoder_live && !make_encoder(self, settings_now(self), live))
      return FALSE;
    priv->key_pending = true;
    LayerIdentity id;
    id.profile = priv->profile ? priv->profile->name : "";
    id.codec = maps::coded_format(priv->started.codec);
    id.codec_data = priv->encoder->codec_header();
    GstCaps* caps = gst_caps_new_empty_simple(GSEM_CAPS_STRUCTURE);
    write_identity(caps, id);
    Ptr<GstVideoCodecState> output(gst_video_encoder_set_output_state(encoder, caps, state));
    return gst_video_encoder_negotiate(encoder);
  });
}

// ---- frames --------------------------------------------------------------------------------------------

static runtime::Outcome find_edges(GstStructEnc* self, GstBuffer* picture, SteadyTime start_by,
                                   maps::Map& map) {
  StructEncPrivate* priv = self->priv;
  VideoMap frame(&priv->info, picture, GST_MAP_READ);
  if (!frame)
    return {runtime::JobResult::Failed, "the picture cannot be read"};
  if (!priv->model) {
    if (std::chrono::steady_clock::now() > start_by)
      return {runtime::JobResult::Late, {}};
    detect_canny(view_of(frame), priv->side(), map);
    return {};
  }
  runtime::CancelToken token = priv->cancel.token();
  runtime::Picture found;
  runtime::Outcome outcome = priv->model->edges(view_of(frame), found, {&token, start_by});
  map = {found.width, found.height, std::move(found.data)};
  return outcome;
}

/// Every second delta can go without the others noticing: they refer to the key map only.
static guint temporal_id(guint since_key) {
  return since_key == 0 ? 0 : since_key % 2 == 0 ? 1 : 2;
}

static void describe_unit(GstStructEnc* self, GstBuffer* buffer, bool key) {
  StructEncPrivate* priv = self->priv;
  priv->since_key = key ? 0 : priv->since_key + 1;
  auto meta = gst_buffer_add_semantic_layer_meta(buffer);
  meta->layers = 1u << 2;
  meta->key = meta->switch_point = key;
  meta->discardable = !key || !priv->encoder_live; // in still mode no map refers to another
  meta->temporal_id = temporal_id(priv->since_key);
  if (meta->discardable)
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DROPPABLE);
}

static GstFlowReturn fail(GstStructEnc* self, GstVideoCodecFrame* frame, const char* what,
                          const std::string& why) {
  GST_ELEMENT_ERROR(self, STREAM, ENCODE, ("%s", what), ("%s", why.c_str()));
  finish_as_gap(GST_VIDEO_ENCODER(self), frame);
  return GST_FLOW_ERROR;
}

static GstFlowReturn skip_late(GstStructEnc* self, GstVideoCodecFrame* frame) {
  GST_DEBUG_OBJECT(self, "no map for %" GST_TIME_FORMAT ": too late", GST_TIME_ARGS(frame->pts));
  {
    ObjectLock lock(self);
    self->priv->counters.late++;
  }
  return finish_as_gap(GST_VIDEO_ENCODER(self), frame);
}

static GstFlowReturn leave_out(GstStructEnc* self, GstVideoCodecFrame* frame, const char* why) {
  GST_DEBUG_OBJECT(self, "no map for %" GST_TIME_FORMAT ": %s", GST_TIME_ARGS(frame->pts), why);
  {
    ObjectLock lock(self);
    self->priv->counters.left_out++;
  }
  return finish_as_gap(GST_VIDEO_ENCODER(self), frame);
}

/// Whether the limits leave room for a map of this picture.
static bool may_send(GstStructEnc* self, GstVideoCodecFrame* frame) {
  StructEncPrivate* priv = self->priv;
  Steering steering;
  maps::RateLimits limits;
  {
    ObjectLock lock(self);
    steering = priv->steering;
    limits = priv->settings.limits(steering.bitrate);
  }
  if (steering.steered && steering.bitrate == 0) {
    priv->key_pending = true; // nobody knows what receivers keep until maps come again
    priv->last_offered = GST_CLOCK_TIME_NONE;
    return false;
  }
  priv->rate.set_limits(limits);
  GstClockTime now = running_time(GST_VIDEO_ENCODER(self), frame), last = priv->last_offered;
  priv->last_offered = now;
  bool known = GST_CLOCK_TIME_IS_VALID(now) && GST_CLOCK_TIME_IS_VALID(last) && now > last;
  return priv->rate.offer(priv->key_pending, known ? gint64(now - last) : 0);
}

static GstFlowReturn codec_failed(GstStructEnc* self, GstVideoCodecFrame* frame, Status status) {
  StructEncPrivate* priv = self->priv;
  auto encoder = GST_VIDEO_ENCODER(self);
  if (priv->cancel.token().cancelled()) {
    finish_as_gap(encoder, frame);
    return GST_FLOW_FLUSHING;
  }
  // Embedded codecs do not fail; this is an external program that is missing, crashed or hung.
  std::string why = priv->encoder->last_error();
  GST_ELEMENT_ERROR(self, RESOURCE, FAILED, ("The edge map cannot be coded."),
                    ("%s: %s", priv->started.codec.c_str(), why.empty() ? status_name(status) : why.c_str()));
  finish_as_gap(encoder, frame);
  return GST_FLOW_ERROR;
}

static GstFlowReturn encode_map(GstStructEnc* self, GstVideoCodecFrame* frame, const maps::Map& map,
                                SteadyTime start) {
  StructEncPrivate* priv = self->priv;
  auto encoder = GST_VIDEO_ENCODER(self);
  maps::EncodedMap coded;
  bool sent = false;
  int encodes = 0;
  Status status = priv->rate.encode(*priv->encoder, {map.data.data(), map.width, map.height, map.width},
                                    priv->key_pending, coded, sent, encodes);
  if (status != Status::Ok || coded.payload.empty())
    return codec_failed(self, frame, status);
  {
    ObjectLock lock(self);
    priv->counters.encodes += guint(encodes);
  }
  if (!sent)
    return leave_out(self, frame, "too large at any quantiser");
  if (!set_payload(encoder, frame, coded.payload.data(), coded.payload.size()))
    return fail(self, frame, "Out of memory.", "no buffer for the map");
  describe_unit(self, frame->output_buffer, coded.key);
  if (coded.key) {
    priv->key_pending = false;
    GST_VIDEO_CODEC_FRAME_SET_SYNC_POINT(frame);
  }
  {
    ObjectLock lock(self);
    (coded.key ? priv->counters.keys : priv->counters.deltas)++;
    priv->counters.bytes += coded.payload.size();
  }
  if (priv->cost.add(elapsed_since(start)))
    gst_video_encoder_set_latency(encoder, priv->cost.reported(), priv->cost.reported());
  return gst_video_encoder_finish_frame(encoder, frame);
}

static GstFlowReturn gst_struct_enc_handle_frame(GstVideoEncoder* encoder, GstVideoCodecFrame* frame) {
  auto self = GST_STRUCT_ENC(encoder);
  return guarded(self, GST_FLOW_ERROR, [&]() -> GstFlowReturn {
    StructEncPrivate* priv = self->priv;
    {
      ObjectLock lock(self);
      priv->counters.frames++;
    }
    priv->key_pending |= GST_VIDEO_CODEC_FRAME_IS_FORCE_KEYFRAME(frame) != 0;
    if (!may_send(self, frame))
      return leave_out(self, frame, "no rate for it");
    SteadyTime start_by = SteadyTime::max(), start = std::chrono::steady_clock::now();
    if (priv->upstream.live)
      start_by = priv->deadline.at(
          GST_ELEMENT(self), running_time(encoder, frame), priv->upstream.min, priv->cost, frame->duration,
          priv->spare.of(priv->upstream.min + priv->cost.reported(), frame->duration));
    maps::Map map;
    runtime::Outcome found = find_edges(self, frame->input_buffer, start_by, map);
    if (found.result == runtime::JobResult::Late)
      return skip_late(self, frame);
    if (found.result == runtime::JobResult::Failed)
      return fail(self, frame, "The edges cannot be found.", found.error);
    if (!found) {
      finish_as_gap(encoder, frame);
      return GST_FLOW_FLUSHING;
    }
    return encode_map(self, frame, map, start);
  });
}

// ---- properties ----------------------------------------------------------------------------------------

static GstStructure* make_stats(GstStructEnc* self) {
  ObjectLock lock(self);
  const Counters& c = self->priv->counters;
  return gst_structure_new("structenc-stats", "frames", G_TYPE_UINT64, c.frames, "keys", G_TYPE_UINT64,
                           c.keys, "deltas", G_TYPE_UINT64, c.deltas, "late", G_TYPE_UINT64, c.late,
                           "left-out", G_TYPE_UINT64, c.left_out, "bytes", G_TYPE_UINT64, c.bytes, "encodes",
                           G_TYPE_UINT64, c.encodes, nullptr);
}

static void gst_struct_enc_set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  if (!set_structenc_property(object, GST_STRUCT_ENC(object)->priv->settings, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void gst_struct_enc_get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  auto self = GST_STRUCT_ENC(object);
  if (id == kStructEncStats)
    g_value_take_boxed(value, make_stats(self));
  else if (!get_structenc_property(object, self->priv->settings, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void gst_struct_enc_finalize(GObject* object) {
  delete GST_STRUCT_ENC(object)->priv;
  G_OBJECT_CLASS(gst_struct_enc_parent_class)->finalize(object);
}

static void gst_struct_enc_init(GstStructEnc* self) {
  self->priv = new StructEncPrivate;
}

static void gst_struct_enc_class_init(GstStructEncClass* klass) {
  auto object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_struct_enc_set_property;
  object_class->get_property = gst_struct_enc_get_property;
  object_class->finalize = gst_struct_enc_finalize;
  install_structenc_properties(object_class);
  g_object_class_install_property(
      object_class, kStructEncStats,
      g_param_spec_boxed(
          "stats", "Statistics",
          "Since READY to PAUSED, all guint64: frames (pictures seen), keys and deltas (maps "
          "sent), late (live pictures that got no map), left-out (maps for which bitrate, max-bytes "
          "or a semantic-rate event had no room), bytes (of maps sent), encodes (of maps, tries "
          "included: at most three a map)",
          GST_TYPE_STRUCTURE, GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));

  auto element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = gst_struct_enc_change_state;
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "Structure layer encoder", "Codec/Encoder/Video",
                                        "Finds and codes edge maps (layer 2)", "gst-semantic developers");

  auto encoder_class = GST_VIDEO_ENCODER_CLASS(klass);
  install_encoder_base(encoder_class);
  encoder_class->start = gst_struct_enc_start;
  encoder_class->stop = gst_struct_enc_stop;
  encoder_class->flush = gst_struct_enc_flush;
  encoder_class->set_format = gst_struct_enc_set_format;
  encoder_class->handle_frame = gst_struct_enc_handle_frame;
  encoder_class->sink_event = gst_struct_enc_sink_event;
  encoder_class->src_event = gst_struct_enc_src_event;
}
