// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-semanticenc
 *
 * Layer 1: says in words what a picture shows. A caption goes out with the first picture, when the scene has
 * changed and the words with it, on a forced key unit and each `refresh`; for the pictures in between a GAP
 * does. Downstream caps choose between the entropy-coded caption (some ten bytes, with a layout hint for the
 * painter) and plain text.
 *
 * In live pipelines the captions are made in the background and go out with the first picture after they are
 * ready; else the picture waits.
 *
 * |[
 * gst-launch-1.0 filesrc location=bird.png ! pngdec ! videoconvert ! semanticenc ! text/x-raw ! fdsink
 * ]|
 */
#include "plugins/semanticcodec/gstsemanticenc.h"

#include "gst/semantic/caps.hpp"
#include "gst/semantic/layer_meta.hpp"
#include "plugins/semanticcodec/background.hpp"
#include "plugins/semanticcodec/encoder_base.hpp"
#include "plugins/semanticcodec/guard.hpp"
#include "plugins/semanticcodec/layer_caps.hpp"
#include "plugins/semanticcodec/model_settings.hpp"
#include "plugins/semanticcodec/picture_format.hpp"
#include "plugins/semanticcodec/scene_change.hpp"
#include "plugins/semanticcodec/timing.hpp"

#include <cmath>
#include <limits>

GST_DEBUG_CATEGORY_STATIC(gst_semantic_enc_debug);
#define GST_CAT_DEFAULT gst_semantic_enc_debug

using namespace gsem;
using namespace gsem::codec;
using entropy::Caption;

namespace {

constexpr guint kDefaultRefresh = 2000, kDefaultEffort = 1, kMaxEffort = 64;
constexpr gdouble kDefaultThreshold = 0.06;

enum {
  PROP_MODEL = 1,
  PROP_CAPTION = PROP_MODEL + kModelProperties,
  PROP_REFRESH,
  PROP_CHANGE_THRESHOLD,
  PROP_EFFORT,
  PROP_STATS
};

/// What the user set, copied at the start of each frame.
struct Settings {
  ModelSettings model;
  std::string typed; ///< empty: the network's words
  guint refresh = kDefaultRefresh, effort = kDefaultEffort;
  gdouble threshold = kDefaultThreshold;
};

struct Described {
  runtime::Outcome outcome;
  Caption caption;
  GstClockTime cost = 0;
};

/// One picture to describe, with the networks to do it: nothing of the element, which may be flushed
/// meanwhile.
struct DescribeRequest {
  std::shared_ptr<runtime::SemanticModel> model;
  GstVideoInfo info;
  Ptr<GstBuffer> picture;
  guint effort = 1;
};

struct Counters {
  guint64 frames = 0, described = 0, sent = 0, unchanged = 0, bytes = 0;
};

/// Tries the generator's first `effort` seeds and keeps the one whose picture is nearest to the source.
runtime::Outcome choose_seed(runtime::SemanticModel& model, runtime::PictureView source, guint effort,
                             Caption& caption, const runtime::CallOptions& options) {
  float best = std::numeric_limits<float>::max();
  uint8_t best_seed = 0;
  for (guint seed = 0; seed < effort; seed++) {
    Caption candidate = caption;
    candidate.seed = uint8_t(seed);
    runtime::Picture painted;
    float distance = 0;
    runtime::Outcome outcome = model.paint(candidate, painted, options);
    if (outcome)
      outcome = model.distance(
          source, {painted.data.data(), painted.width, painted.height, painted.width * 3}, distance, options);
    if (!outcome)
      return outcome;
    if (distance < best) {
      best = distance;
      best_seed = candidate.seed;
    }
  }
  caption.seed = best_seed;
  return {};
}

Described describe(DescribeRequest& request, runtime::CancelToken token) {
  Described result;
  SteadyTime start = std::chrono::steady_clock::now();
  VideoMap map(&request.info, request.picture.get(), GST_MAP_READ);
  if (!map) {
    result.outcome = {runtime::JobResult::Failed, "the picture cannot be read"};
    return result;
  }
  runtime::CallOptions options;
  options.cancel = &token;
  result.outcome = request.model->describe(view_of(map), result.caption, options);
  if (result.outcome && request.effort > 1)
    result.outcome = choose_seed(*request.model, view_of(map), request.effort, result.caption, options);
  result.cost = elapsed_since(start);
  return result;
}

using Describer = Background<DescribeRequest, Described>;

} // namespace

struct SemanticEncPrivate {
  Settings settings; ///< under the object lock
  Counters counters; ///< under the object lock

  // From start() to stop(), streaming thread only.
  std::shared_ptr<const profile::Profile> profile;
  std::shared_ptr<runtime::SemanticModel> model; ///< null while captions are typed
  bool model_paints = false;
  std::unique_ptr<Describer> describer; ///< live only
  CancelSwitch cancel;
  GstVideoInfo info{};
  bool live = false, text = false;
  CostMeter cost;

  // What the stream has seen.
  bool described = false, known = false, sent = false, key_pending = false;
  Thumbnail scene; ///< of the picture the caption was made for
  Caption current, last_sent;
  GstClockTime last_sent_time = GST_CLOCK_TIME_NONE;

  void forget_stream() {
    described = known = sent = key_pending = false;
    last_sent_time = GST_CLOCK_TIME_NONE;
    if (describer)
      describer->clear();
  }
};

struct _GstSemanticEnc {
  GstVideoEncoder parent;
  SemanticEncPrivate* priv;
};

G_DEFINE_TYPE_WITH_CODE(GstSemanticEnc, gst_semantic_enc, GST_TYPE_VIDEO_ENCODER,
                        GST_DEBUG_CATEGORY_INIT(gst_semantic_enc_debug, "semanticenc", 0,
                                                "Semantic layer encoder");
                        G_IMPLEMENT_INTERFACE(GST_TYPE_PRESET, nullptr))
GST_ELEMENT_REGISTER_DEFINE(semanticenc, "semanticenc", GST_RANK_NONE, GST_TYPE_SEMANTIC_ENC)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_RAW_RGB));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_CAPTION "; " GSEM_CAPS_TEXT));

// ---- networks ------------------------------------------------------------------------------------------

/// The networks are loaded when they are first needed: typed captions need none, one seed needs no painter.
static bool load_networks(GstSemanticEnc* self, const Settings& settings) {
  SemanticEncPrivate* priv = self->priv;
  bool paints = settings.effort > 1;
  if (priv->model && (priv->model_paints || !paints))
    return true;
  std::string error;
  auto model = runtime::acquire_semantic(*priv->profile, settings.model.options(), true, paints, error);
  if (!model) {
    post_model_error(GST_ELEMENT(self), settings.model, error);
    return false;
  }
  priv->model = std::move(model);
  priv->model_paints = paints;
  return true;
}

static Settings settings_now(GstSemanticEnc* self) {
  ObjectLock lock(self);
  return self->priv->settings;
}

static gboolean gst_semantic_enc_start(GstVideoEncoder* encoder) {
  auto self = GST_SEMANTIC_ENC(encoder);
  return guarded(self, FALSE, [&]() -> gboolean {
    SemanticEncPrivate* priv = self->priv;
    Settings settings = settings_now(self);
    priv->cancel.rearm();
    priv->profile = find_profile(GST_ELEMENT(self), settings.model);
    if (!priv->profile)
      return FALSE;
    if (settings.typed.empty() && !load_networks(self, settings)) {
      priv->profile.reset();
      return FALSE;
    }
    priv->forget_stream();
    priv->cost = {};
    ObjectLock lock(self);
    priv->counters = {};
    return TRUE;
  });
}

static gboolean gst_semantic_enc_stop(GstVideoEncoder* encoder) {
  SemanticEncPrivate* priv = GST_SEMANTIC_ENC(encoder)->priv;
  priv->describer.reset();
  priv->model.reset();
  priv->profile.reset();
  priv->forget_stream();
  return TRUE;
}

static gboolean gst_semantic_enc_flush(GstVideoEncoder* encoder) {
  SemanticEncPrivate* priv = GST_SEMANTIC_ENC(encoder)->priv;
  priv->forget_stream();
  priv->cancel.rearm();
  return TRUE;
}

// ---- caps ----------------------------------------------------------------------------------------------

static gboolean gst_semantic_enc_set_format(GstVideoEncoder* encoder, GstVideoCodecState* state) {
  auto self = GST_SEMANTIC_ENC(encoder);
  return guarded(self, FALSE, [&]() -> gboolean {
    SemanticEncPrivate* priv = self->priv;
    if (!check_raw_caps(GST_ELEMENT(self), state->caps, &state->info))
      return FALSE;
    Ptr<GstCaps> allowed(gst_pad_get_allowed_caps(GST_VIDEO_ENCODER_SRC_PAD(encoder)));
    if (allowed && gst_caps_is_empty(allowed.get()))
      return FALSE;
    priv->text = allowed && !gst_caps_is_any(allowed.get()) &&
                 gst_structure_has_name(gst_caps_get_structure(allowed.get(), 0), "text/x-raw");
    Ptr<GstCaps> caps(gst_caps_from_string(priv->text ? GSEM_CAPS_TEXT : GSEM_CAPS_CAPTION));
    if (!priv->text)
      write_identity(caps.get(), {priv->profile->name, "trigram", priv->profile->caption_parse_hash, 0, {}});
    priv->info = state->info;
    priv->live = query_upstream(GST_VIDEO_ENCODER_SINK_PAD(encoder)).live;
    priv->sent = false; // whoever reads the new caps needs a caption to begin with
    Ptr<GstVideoCodecState> output(gst_video_encoder_set_output_state(encoder, caps.release(), state));
    gst_video_encoder_set_latency(encoder, priv->live ? 0 : priv->cost.reported(),
                                  priv->live ? 0 : priv->cost.reported());
    return gst_video_encoder_negotiate(encoder);
  });
}

// ---- frames --------------------------------------------------------------------------------------------

static GstFlowReturn report(GstSemanticEnc* self, const Described& result) {
  switch (result.outcome.result) {
  case runtime::JobResult::Done:
    return GST_FLOW_OK;
  case runtime::JobResult::Failed:
    GST_ELEMENT_ERROR(self, STREAM, ENCODE, ("The picture cannot be described."),
                      ("%s", result.outcome.error.c_str()));
    return GST_FLOW_ERROR;
  default:
    return GST_FLOW_FLUSHING;
  }
}

static void adopt(GstSemanticEnc* self, Described&& result) {
  SemanticEncPrivate* priv = self->priv;
  GST_DEBUG_OBJECT(self, "\"%s\", hint %u, seed %u, after %" GST_TIME_FORMAT, result.caption.text.c_str(),
                   result.caption.hint, result.caption.seed, GST_TIME_ARGS(result.cost));
  priv->current = std::move(result.caption);
  priv->known = true;
  if (priv->cost.add(result.cost) && !priv->live)
    gst_video_encoder_set_latency(GST_VIDEO_ENCODER(self), priv->cost.reported(), priv->cost.reported());
  ObjectLock lock(self);
  priv->counters.described++;
}

/// Brings `current` up to date with the picture, at once or, live, when the background has it.
static GstFlowReturn update_caption(GstSemanticEnc* self, const Settings& settings, GstBuffer* picture,
                                    bool due) {
  SemanticEncPrivate* priv = self->priv;
  if (!settings.typed.empty()) {
    priv->current = {settings.typed, entropy::kNoHint, 0};
    priv->known = true;
    priv->described = false; // when the typed words go away, the picture is described again
    return GST_FLOW_OK;
  }
  if (!load_networks(self, settings))
    return GST_FLOW_ERROR;
  if (priv->live && priv->describer) {
    if (auto result = priv->describer->take()) {
      if (GstFlowReturn flow = report(self, *result); flow == GST_FLOW_ERROR)
        return flow;
      if (result->outcome)
        adopt(self, std::move(*result));
    }
    if (priv->describer->busy())
      return GST_FLOW_OK;
  }
  Thumbnail now;
  {
    VideoMap map(&priv->info, picture, GST_MAP_READ);
    if (!map) {
      GST_ELEMENT_ERROR(self, STREAM, ENCODE, ("The picture cannot be read."), (nullptr));
      return GST_FLOW_ERROR;
    }
    now = Thumbnail(view_of(map));
  }
  // A due caption is made anew after a small change already, so that slow drift does not go unnoticed for
  // ever.
  gdouble threshold = due ? settings.threshold / 4 : settings.threshold;
  if (priv->described && now.distance(priv->scene) <= threshold)
    return GST_FLOW_OK;
  DescribeRequest request{priv->model, priv->info, Ptr<GstBuffer>(gst_buffer_ref(picture)), settings.effort};
  priv->scene = now;
  priv->described = true;
  if (priv->live) {
    if (!priv->describer)
      priv->describer = std::make_unique<Describer>(describe);
    priv->describer->submit(std::move(request));
    return GST_FLOW_OK;
  }
  Described result = describe(request, priv->cancel.token());
  GstFlowReturn flow = report(self, result);
  if (flow == GST_FLOW_OK)
    adopt(self, std::move(result));
  return flow;
}

static GstFlowReturn send(GstSemanticEnc* self, GstVideoCodecFrame* frame) {
  SemanticEncPrivate* priv = self->priv;
  auto encoder = GST_VIDEO_ENCODER(self);
  Bytes coded;
  if (priv->text) {
    coded.assign(priv->current.text.begin(), priv->current.text.end());
    if (coded.empty())
      coded.push_back(' '); // an empty buffer is no text
  } else if (Status status = priv->profile->caption_coder->encode(priv->current, coded);
             status != Status::Ok) {
    GST_ELEMENT_ERROR(self, STREAM, ENCODE, ("The caption cannot be coded."),
                      ("%s. Captions are valid UTF-8 of at most %u bytes", status_name(status),
                       guint(entropy::kMaxCaptionText)));
    gst_video_encoder_finish_frame(encoder, frame);
    return GST_FLOW_ERROR;
  }
  if (!set_payload(encoder, frame, coded.data(), coded.size())) {
    GST_ELEMENT_ERROR(self, RESOURCE, NO_SPACE_LEFT, (nullptr), ("no memory for %zu bytes", coded.size()));
    gst_video_encoder_finish_frame(encoder, frame);
    return GST_FLOW_ERROR;
  }
  auto meta = gst_buffer_add_semantic_layer_meta(frame->output_buffer);
  meta->layers = 1u << 1;
  meta->key = meta->switch_point = TRUE;
  GST_VIDEO_CODEC_FRAME_SET_SYNC_POINT(frame);
  {
    ObjectLock lock(self);
    priv->counters.sent++;
    priv->counters.bytes += coded.size();
  }
  priv->last_sent = priv->current;
  priv->last_sent_time = running_time(encoder, frame);
  priv->sent = true;
  priv->key_pending = false;
  return gst_video_encoder_finish_frame(encoder, frame);
}

static bool refresh_due(GstSemanticEnc* self, const Settings& settings, GstClockTime now) {
  SemanticEncPrivate* priv = self->priv;
  return settings.refresh > 0 && GST_CLOCK_TIME_IS_VALID(now) &&
         GST_CLOCK_TIME_IS_VALID(priv->last_sent_time) &&
         now >= priv->last_sent_time + settings.refresh * GST_MSECOND;
}

static GstFlowReturn gst_semantic_enc_handle_frame(GstVideoEncoder* encoder, GstVideoCodecFrame* frame) {
  auto self = GST_SEMANTIC_ENC(encoder);
  return guarded(self, GST_FLOW_ERROR, [&]() -> GstFlowReturn {
    SemanticEncPrivate* priv = self->priv;
    Settings settings = settings_now(self);
    {
      ObjectLock lock(self);
      priv->counters.frames++;
    }
    priv->key_pending |= GST_VIDEO_CODEC_FRAME_IS_FORCE_KEYFRAME(frame) != 0;
    bool due = !priv->sent || priv->key_pending || refresh_due(self, settings, running_time(encoder, frame));
    GstFlowReturn flow = update_caption(self, settings, frame->input_buffer, due);
    if (flow != GST_FLOW_OK) {
      // Not finish_frame: it would count the frame as dropped for a reason that has been reported.
      finish_as_gap(encoder, frame);
      return flow;
    }
    if (priv->known && (due || !(priv->current == priv->last_sent)))
      return send(self, frame);
    {
      ObjectLock lock(self);
      priv->counters.unchanged++;
    }
    return finish_as_gap(encoder, frame);
  });
}

// ---- events, states ------------------------------------------------------------------------------------

static gboolean gst_semantic_enc_sink_event(GstVideoEncoder* encoder, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_START)
    GST_SEMANTIC_ENC(encoder)->priv->cancel.cancel();
  return GST_VIDEO_ENCODER_CLASS(gst_semantic_enc_parent_class)->sink_event(encoder, event);
}

static GstStateChangeReturn gst_semantic_enc_change_state(GstElement* element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    GST_SEMANTIC_ENC(element)->priv->cancel.cancel();
  return GST_ELEMENT_CLASS(gst_semantic_enc_parent_class)->change_state(element, transition);
}

// ---- properties ----------------------------------------------------------------------------------------

static GstStructure* make_stats(GstSemanticEnc* self) {
  ObjectLock lock(self);
  const Counters& c = self->priv->counters;
  return gst_structure_new("semanticenc-stats", "frames", G_TYPE_UINT64, c.frames, "described", G_TYPE_UINT64,
                           c.described, "sent", G_TYPE_UINT64, c.sent, "unchanged", G_TYPE_UINT64,
                           c.unchanged, "bytes", G_TYPE_UINT64, c.bytes, nullptr);
}

static void gst_semantic_enc_set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  SemanticEncPrivate* priv = GST_SEMANTIC_ENC(object)->priv;
  if (id < PROP_CAPTION) {
    set_model_property(object, priv->settings.model, id - PROP_MODEL, value);
    return;
  }
  ObjectLock lock(object);
  switch (id) {
  case PROP_CAPTION:
    priv->settings.typed = g_value_get_string(value) ? g_value_get_string(value) : "";
    break;
  case PROP_REFRESH:
    priv->settings.refresh = g_value_get_uint(value);
    break;
  case PROP_CHANGE_THRESHOLD:
    priv->settings.threshold = g_value_get_double(value);
    break;
  case PROP_EFFORT:
    priv->settings.effort = g_value_get_uint(value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void gst_semantic_enc_get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  auto self = GST_SEMANTIC_ENC(object);
  SemanticEncPrivate* priv = self->priv;
  if (id < PROP_CAPTION) {
    get_model_property(object, priv->settings.model, id - PROP_MODEL, value);
    return;
  }
  if (id == PROP_STATS) {
    g_value_take_boxed(value, make_stats(self));
    return;
  }
  ObjectLock lock(object);
  switch (id) {
  case PROP_CAPTION:
    g_value_set_string(value, priv->settings.typed.empty() ? nullptr : priv->settings.typed.c_str());
    break;
  case PROP_REFRESH:
    g_value_set_uint(value, priv->settings.refresh);
    break;
  case PROP_CHANGE_THRESHOLD:
    g_value_set_double(value, priv->settings.threshold);
    break;
  case PROP_EFFORT:
    g_value_set_uint(value, priv->settings.effort);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void gst_semantic_enc_finalize(GObject* object) {
  delete GST_SEMANTIC_ENC(object)->priv;
  G_OBJECT_CLASS(gst_semantic_enc_parent_class)->finalize(object);
}

static void gst_semantic_enc_init(GstSemanticEnc* self) {
  self->priv = new SemanticEncPrivate;
}

static void install_properties(GObjectClass* klass) {
  constexpr auto kPlaying =
      GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  install_model_properties(klass, PROP_MODEL);
  g_object_class_install_property(
      klass, PROP_CAPTION,
      g_param_spec_string("caption", "Caption",
                          "Words to send instead of the network's: UTF-8, at most 4096 bytes (empty = "
                          "describe the pictures). Carries no layout hint",
                          nullptr, kPlaying));
  g_object_class_install_property(
      klass, PROP_REFRESH,
      g_param_spec_uint("refresh", "Refresh",
                        "Send the caption again after this time, in milliseconds (0 = never)", 0, G_MAXUINT,
                        kDefaultRefresh, kPlaying));
  g_object_class_install_property(
      klass, PROP_CHANGE_THRESHOLD,
      g_param_spec_double(
          "change-threshold", "Change threshold",
          "Describe again when a 16x16 thumbnail differs from the last described one by more than this (mean "
          "absolute difference, full scale 1)",
          0, 1, kDefaultThreshold, kPlaying));
  g_object_class_install_property(
      klass, PROP_EFFORT,
      g_param_spec_uint("effort", "Effort",
                        "Generator seeds to try for the painted picture nearest to the source (1 = no try; "
                        "each costs one run of the generator a caption)",
                        1, kMaxEffort, kDefaultEffort, kPlaying));
  g_object_class_install_property(
      klass, PROP_STATS,
      g_param_spec_boxed("stats", "Statistics",
                         "Since READY to PAUSED, all guint64: frames (pictures seen), described (captions "
                         "made), sent (captions "
                         "sent), unchanged (pictures that needed none), bytes (of captions sent)",
                         GST_TYPE_STRUCTURE, GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

static void gst_semantic_enc_class_init(GstSemanticEncClass* klass) {
  auto object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_semantic_enc_set_property;
  object_class->get_property = gst_semantic_enc_get_property;
  object_class->finalize = gst_semantic_enc_finalize;
  install_properties(object_class);

  auto element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = gst_semantic_enc_change_state;
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "Semantic layer encoder", "Codec/Encoder/Video",
                                        "Describes pictures in words (layer 1)", "gst-semantic developers");

  auto encoder_class = GST_VIDEO_ENCODER_CLASS(klass);
  install_encoder_base(encoder_class);
  encoder_class->start = gst_semantic_enc_start;
  encoder_class->stop = gst_semantic_enc_stop;
  encoder_class->flush = gst_semantic_enc_flush;
  encoder_class->set_format = gst_semantic_enc_set_format;
  encoder_class->handle_frame = gst_semantic_enc_handle_frame;
  encoder_class->sink_event = gst_semantic_enc_sink_event;
}
