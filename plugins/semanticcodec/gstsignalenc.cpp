// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-signalenc
 *
 * Layer 3: the picture itself, as quantised latents of a learned transform codec. It looks at the source
 * only: its bits can be read without the layers below, which enter the synthesis at the receiver. A live
 * picture whose turn comes too late is not coded.
 *
 * A semantic-rate event from downstream (docs/caps.md) lowers the quality of each picture as far as its rate
 * needs, never over `quality`; at rate 0 nothing is coded.
 *
 * |[
 * gst-launch-1.0 filesrc location=bird.png ! pngdec ! videoconvert ! signalenc quality=40 ! signaldec ! \
 *     videoconvert ! pngenc ! filesink location=coded.png
 * ]|
 */
#include "plugins/semanticcodec/gstsignalenc.h"

#include "gst/semantic/caps.hpp"
#include "gst/semantic/layer_meta.hpp"
#include "plugins/semanticcodec/cancel_switch.hpp"
#include "plugins/semanticcodec/encoder_base.hpp"
#include "plugins/semanticcodec/guard.hpp"
#include "plugins/semanticcodec/layer_caps.hpp"
#include "plugins/semanticcodec/model_settings.hpp"
#include "plugins/semanticcodec/picture_format.hpp"
#include "plugins/semanticcodec/signal_payload.hpp"
#include "plugins/semanticcodec/signal_rate.hpp"
#include "plugins/semanticcodec/timing.hpp"

GST_DEBUG_CATEGORY_STATIC(gst_signal_enc_debug);
#define GST_CAT_DEFAULT gst_signal_enc_debug

using namespace gsem;
using namespace gsem::codec;

namespace {

enum { PROP_MODEL = 1, PROP_QUALITY = PROP_MODEL + kModelProperties, PROP_STATS };

constexpr int kDefaultQuality = 32;

struct Counters {
  guint64 frames = 0, coded = 0, late = 0, left_out = 0, bytes = 0;
};

} // namespace

struct SignalEncPrivate {
  ModelSettings settings;        ///< under the object lock
  int quality = kDefaultQuality; ///< under the object lock
  guint allowed = G_MAXUINT;     ///< bit/s by the last semantic-rate event; under the object lock
  Counters counters;             ///< under the object lock

  // From start() to stop(), streaming thread only.
  std::shared_ptr<const profile::Profile> profile;
  std::shared_ptr<runtime::SignalModel> model;
  CancelSwitch cancel;
  CostMeter cost;
  SignalRate rate;
  GstClockTime last_picture = GST_CLOCK_TIME_NONE; ///< running time
  StartDeadline deadline;
  UpstreamLatency upstream;
  GstVideoInfo info{};
};

struct _GstSignalEnc {
  GstVideoEncoder parent;
  SignalEncPrivate* priv;
};

G_DEFINE_TYPE_WITH_CODE(GstSignalEnc, gst_signal_enc, GST_TYPE_VIDEO_ENCODER,
                        GST_DEBUG_CATEGORY_INIT(gst_signal_enc_debug, "signalenc", 0, "Signal layer encoder");
                        G_IMPLEMENT_INTERFACE(GST_TYPE_PRESET, nullptr))
GST_ELEMENT_REGISTER_DEFINE(signalenc, "signalenc", GST_RANK_NONE, GST_TYPE_SIGNAL_ENC)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_RAW_RGB));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_SIGNAL));

// ---- states --------------------------------------------------------------------------------------------

static gboolean gst_signal_enc_start(GstVideoEncoder* encoder) {
  auto self = GST_SIGNAL_ENC(encoder);
  return guarded(self, FALSE, [&]() -> gboolean {
    SignalEncPrivate* priv = self->priv;
    ModelSettings settings = copy_settings(self, priv->settings);
    priv->cancel.rearm();
    priv->profile = find_profile(GST_ELEMENT(self), settings);
    if (!priv->profile)
      return FALSE;
    std::string error;
    priv->model = runtime::acquire_signal(*priv->profile, settings.options(), true, false, error);
    if (!priv->model) {
      priv->profile.reset();
      post_model_error(GST_ELEMENT(self), settings, error);
      return FALSE;
    }
    priv->cost = {};
    priv->deadline.reset();
    priv->rate.reset();
    priv->last_picture = GST_CLOCK_TIME_NONE;
    ObjectLock lock(self);
    priv->allowed = G_MAXUINT;
    priv->counters = {};
    return TRUE;
  });
}

static gboolean gst_signal_enc_stop(GstVideoEncoder* encoder) {
  SignalEncPrivate* priv = GST_SIGNAL_ENC(encoder)->priv;
  priv->model.reset();
  priv->profile.reset();
  return TRUE;
}

static gboolean gst_signal_enc_flush(GstVideoEncoder* encoder) {
  SignalEncPrivate* priv = GST_SIGNAL_ENC(encoder)->priv;
  priv->cancel.rearm();
  priv->deadline.reset();
  priv->last_picture = GST_CLOCK_TIME_NONE;
  return TRUE;
}

static GstStateChangeReturn gst_signal_enc_change_state(GstElement* element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    GST_SIGNAL_ENC(element)->priv->cancel.cancel();
  return GST_ELEMENT_CLASS(gst_signal_enc_parent_class)->change_state(element, transition);
}

static gboolean gst_signal_enc_sink_event(GstVideoEncoder* encoder, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_START)
    GST_SIGNAL_ENC(encoder)->priv->cancel.cancel();
  return GST_VIDEO_ENCODER_CLASS(gst_signal_enc_parent_class)->sink_event(encoder, event);
}

/// semantic-rate, from whoever knows the network (semanticlayerfilter).
static gboolean gst_signal_enc_src_event(GstVideoEncoder* encoder, GstEvent* event) {
  if (GST_EVENT_TYPE(event) != GST_EVENT_CUSTOM_UPSTREAM || !gst_event_has_name(event, GSEM_EVENT_RATE))
    return GST_VIDEO_ENCODER_CLASS(gst_signal_enc_parent_class)->src_event(encoder, event);
  guint allowed = 0;
  if (gst_structure_get_uint(gst_event_get_structure(event), "signal-bitrate", &allowed)) {
    GST_DEBUG_OBJECT(encoder, "signals may take %u bit/s", allowed);
    ObjectLock lock(encoder);
    GST_SIGNAL_ENC(encoder)->priv->allowed = allowed;
  }
  gst_event_unref(event);
  return TRUE;
}

static gboolean gst_signal_enc_set_format(GstVideoEncoder* encoder, GstVideoCodecState* state) {
  auto self = GST_SIGNAL_ENC(encoder);
  return guarded(self, FALSE, [&]() -> gboolean {
    SignalEncPrivate* priv = self->priv;
    if (!check_raw_caps(GST_ELEMENT(self), state->caps, &state->info))
      return FALSE;
    priv->info = state->info;
    priv->cost = {};    // it grows with the area
    priv->rate.reset(); // as do the bytes
    priv->upstream = query_upstream(GST_VIDEO_ENCODER_SINK_PAD(encoder));
    GstCaps* caps = gst_caps_new_empty_simple(GSEM_CAPS_SIGNAL);
    write_identity(caps, {priv->profile->name,
                          "hyperprior",
                          priv->profile->signal_parse_hash,
                          priv->profile->signal_latent_id,
                          {}});
    Ptr<GstVideoCodecState> output(gst_video_encoder_set_output_state(encoder, caps, state));
    return gst_video_encoder_negotiate(encoder);
  });
}

// ---- frames --------------------------------------------------------------------------------------------

static GstFlowReturn fail(GstSignalEnc* self, GstVideoCodecFrame* frame, const char* what,
                          const std::string& why) {
  GST_ELEMENT_ERROR(self, STREAM, ENCODE, ("%s", what), ("%s", why.c_str()));
  finish_as_gap(GST_VIDEO_ENCODER(self), frame);
  return GST_FLOW_ERROR;
}

static GstFlowReturn skip_late(GstSignalEnc* self, GstVideoCodecFrame* frame) {
  GST_DEBUG_OBJECT(self, "%" GST_TIME_FORMAT " is not coded: too late", GST_TIME_ARGS(frame->pts));
  {
    ObjectLock lock(self);
    self->priv->counters.late++;
  }
  return finish_as_gap(GST_VIDEO_ENCODER(self), frame);
}

/// What the rate allows for this picture, at most `quality`; -1: no signal at all.
static int allowed_quality(GstSignalEnc* self, GstVideoCodecFrame* frame, int quality) {
  SignalEncPrivate* priv = self->priv;
  guint allowed;
  {
    ObjectLock lock(self);
    allowed = priv->allowed;
    priv->counters.left_out += allowed == 0;
  }
  GstClockTime now = running_time(GST_VIDEO_ENCODER(self), frame), last = priv->last_picture;
  priv->last_picture = now;
  if (allowed == 0)
    return -1;
  if (allowed == G_MAXUINT)
    return quality;
  bool known = GST_CLOCK_TIME_IS_VALID(now) && GST_CLOCK_TIME_IS_VALID(last) && now > last;
  return priv->rate.quality(quality, allowed, known ? now - last : 0);
}

static runtime::Outcome analyze(GstSignalEnc* self, GstBuffer* picture, int quality, SteadyTime start_by,
                                entropy::Latents& latents) {
  SignalEncPrivate* priv = self->priv;
  VideoMap frame(&priv->info, picture, GST_MAP_READ);
  if (!frame)
    return {runtime::JobResult::Failed, "the picture cannot be read"};
  runtime::CancelToken token = priv->cancel.token();
  return priv->model->analyze(view_of(frame), quality, latents, {&token, start_by});
}

static GstFlowReturn send(GstSignalEnc* self, GstVideoCodecFrame* frame, const entropy::Latents& latents) {
  SignalEncPrivate* priv = self->priv;
  auto encoder = GST_VIDEO_ENCODER(self);
  Bytes payload;
  int width = GST_VIDEO_INFO_WIDTH(&priv->info), height = GST_VIDEO_INFO_HEIGHT(&priv->info);
  Status status = write_signal_payload(priv->model->coder(), width, height, latents, payload);
  if (status != Status::Ok)
    return fail(self, frame, "The picture cannot be coded.", status_name(status));
  if (!set_payload(encoder, frame, payload.data(), payload.size()))
    return fail(self, frame, "Out of memory.", "no buffer for the coded picture");
  auto meta = gst_buffer_add_semantic_layer_meta(frame->output_buffer);
  meta->layers = 1u << 3;
  meta->key = meta->switch_point = meta->discardable = TRUE;
  GST_BUFFER_FLAG_SET(frame->output_buffer, GST_BUFFER_FLAG_DROPPABLE);
  GST_VIDEO_CODEC_FRAME_SET_SYNC_POINT(frame);
  ObjectLock lock(self);
  priv->counters.coded++;
  priv->counters.bytes += payload.size();
  return GST_FLOW_OK;
}

static GstFlowReturn gst_signal_enc_handle_frame(GstVideoEncoder* encoder, GstVideoCodecFrame* frame) {
  auto self = GST_SIGNAL_ENC(encoder);
  return guarded(self, GST_FLOW_ERROR, [&]() -> GstFlowReturn {
    SignalEncPrivate* priv = self->priv;
    int quality;
    {
      ObjectLock lock(self);
      priv->counters.frames++;
      quality = priv->quality;
    }
    quality = allowed_quality(self, frame, quality);
    if (quality < 0)
      return finish_as_gap(encoder, frame);
    SteadyTime start_by = SteadyTime::max(), start = std::chrono::steady_clock::now();
    if (priv->upstream.live)
      start_by = priv->deadline.at(GST_ELEMENT(self), running_time(encoder, frame), priv->upstream.min,
                                   priv->cost, frame->duration);
    entropy::Latents latents;
    runtime::Outcome analysed = analyze(self, frame->input_buffer, quality, start_by, latents);
    if (analysed.result == runtime::JobResult::Late)
      return skip_late(self, frame);
    if (analysed.result == runtime::JobResult::Failed)
      return fail(self, frame, "The picture cannot be analysed.", analysed.error);
    if (!analysed) {
      finish_as_gap(encoder, frame);
      return GST_FLOW_FLUSHING;
    }
    if (GstFlowReturn flow = send(self, frame, latents); flow != GST_FLOW_OK)
      return flow;
    priv->rate.coded(quality, gst_buffer_get_size(frame->output_buffer));
    if (priv->cost.add(elapsed_since(start)))
      gst_video_encoder_set_latency(encoder, priv->cost.reported(), priv->cost.reported());
    return gst_video_encoder_finish_frame(encoder, frame);
  });
}

// ---- properties ----------------------------------------------------------------------------------------

static GstStructure* make_stats(GstSignalEnc* self) {
  ObjectLock lock(self);
  const Counters& c = self->priv->counters;
  return gst_structure_new("signalenc-stats", "frames", G_TYPE_UINT64, c.frames, "coded", G_TYPE_UINT64,
                           c.coded, "late", G_TYPE_UINT64, c.late, "left-out", G_TYPE_UINT64, c.left_out,
                           "bytes", G_TYPE_UINT64, c.bytes, nullptr);
}

static void gst_signal_enc_set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  SignalEncPrivate* priv = GST_SIGNAL_ENC(object)->priv;
  if (id < PROP_QUALITY) {
    set_model_property(object, priv->settings, id - PROP_MODEL, value);
  } else if (id == PROP_QUALITY) {
    ObjectLock lock(object);
    priv->quality = g_value_get_int(value);
  } else {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void gst_signal_enc_get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  auto self = GST_SIGNAL_ENC(object);
  if (id < PROP_QUALITY) {
    get_model_property(object, self->priv->settings, id - PROP_MODEL, value);
  } else if (id == PROP_STATS) {
    g_value_take_boxed(value, make_stats(self));
  } else if (id == PROP_QUALITY) {
    ObjectLock lock(object);
    g_value_set_int(value, self->priv->quality);
  } else {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void gst_signal_enc_finalize(GObject* object) {
  delete GST_SIGNAL_ENC(object)->priv;
  G_OBJECT_CLASS(gst_signal_enc_parent_class)->finalize(object);
}

static void gst_signal_enc_init(GstSignalEnc* self) {
  self->priv = new SignalEncPrivate;
}

static void gst_signal_enc_class_init(GstSignalEncClass* klass) {
  auto object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_signal_enc_set_property;
  object_class->get_property = gst_signal_enc_get_property;
  object_class->finalize = gst_signal_enc_finalize;
  install_model_properties(object_class, PROP_MODEL);
  g_object_class_install_property(
      object_class, PROP_QUALITY,
      g_param_spec_int("quality", "Quality", "Quality of the pictures, 63 the best and largest", 0, 63,
                       kDefaultQuality,
                       GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      object_class, PROP_STATS,
      g_param_spec_boxed("stats", "Statistics",
                         "Since READY to PAUSED, all guint64: frames (pictures seen), coded (pictures sent), "
                         "late (live pictures that were not coded), left-out (a semantic-rate event had no "
                         "room), bytes (of pictures sent)",
                         GST_TYPE_STRUCTURE, GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));

  auto element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = gst_signal_enc_change_state;
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "Signal layer encoder", "Codec/Encoder/Video",
                                        "Codes pictures as learned latents (layer 3)",
                                        "gst-semantic developers");

  auto encoder_class = GST_VIDEO_ENCODER_CLASS(klass);
  install_encoder_base(encoder_class);
  encoder_class->start = gst_signal_enc_start;
  encoder_class->stop = gst_signal_enc_stop;
  encoder_class->flush = gst_signal_enc_flush;
  encoder_class->set_format = gst_signal_enc_set_format;
  encoder_class->handle_frame = gst_signal_enc_handle_frame;
  encoder_class->sink_event = gst_signal_enc_sink_event;
  encoder_class->src_event = gst_signal_enc_src_event;
}
