// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-semanticdec
 *
 * Layer 1: paints a picture from words, those of the coded caption or typed ones. A caption stays valid until
 * it is replaced; every buffer and every GAP on the sink pad gives one picture, repeated by reference as long
 * as the words stay. Before the first caption it is mid-grey.
 *
 * The size of the picture comes from the caps, else from what downstream wants, else it is 512x512. In live
 * pipelines painting happens in the background: the old picture stays until the new one is ready.
 *
 * |[
 * printf 'a small yellow bird with a black head' | gst-launch-1.0 fdsrc ! text/x-raw,format=utf8 ! \
 *     semanticdec ! videoconvert ! pngenc ! filesink location=bird.png
 * ]|
 */
#include "plugins/semanticcodec/gstsemanticdec.h"

#include "gst/semantic/caps.hpp"
#include "gst/semantic/layer_meta.hpp"
#include "gst/semantic/segment.hpp"
#include "plugins/semanticcodec/background.hpp"
#include "plugins/semanticcodec/guard.hpp"
#include "plugins/semanticcodec/join_output.hpp"
#include "plugins/semanticcodec/layer_caps.hpp"
#include "plugins/semanticcodec/model_settings.hpp"
#include "plugins/semanticcodec/picture_format.hpp"
#include "plugins/semanticcodec/timing.hpp"
#include "plugins/semanticcodec/typed_caption.hpp"

GST_DEBUG_CATEGORY_STATIC(gst_semantic_dec_debug);
#define GST_CAT_DEFAULT gst_semantic_dec_debug

using namespace gsem;
using namespace gsem::codec;
using entropy::Caption;

namespace {

enum { PROP_MODEL = 1, PROP_STATS = PROP_MODEL + kModelProperties };

constexpr int kDefaultSide = 512;
constexpr guint kCaptionBit = 1u << 1;

/// What `text/x-raw` becomes before the base class sees it: GstVideoDecoder takes only names under video/ and
/// image/.
constexpr const char* kTypedField = "typed-format";

struct Painted {
  runtime::Outcome outcome;
  runtime::Picture picture;
  GstClockTime cost = 0;
};
struct PaintRequest {
  std::shared_ptr<runtime::SemanticModel> model;
  Caption caption;
};

Painted paint(PaintRequest& request, runtime::CancelToken token) {
  Painted result;
  SteadyTime start = std::chrono::steady_clock::now();
  runtime::CallOptions options;
  options.cancel = &token;
  result.outcome = request.model->paint(request.caption, result.picture, options);
  result.cost = elapsed_since(start);
  return result;
}

using Painter = Background<PaintRequest, Painted>;

struct Counters {
  guint64 pictures = 0, captions = 0, painted = 0, gaps = 0, lost = 0, corrupt = 0, mismatched = 0,
          same_time = 0;
};

/// What an input buffer says.
enum class Input { NewCaption, SameCaption, Gap, Lost, Failed };

} // namespace

struct SemanticDecPrivate {
  ModelSettings settings; ///< under the object lock
  Counters counters;      ///< under the object lock

  // From start() to stop(), streaming thread only.
  std::shared_ptr<const profile::Profile> profile;
  std::shared_ptr<runtime::SemanticModel> model;
  std::unique_ptr<Painter> painter; ///< live only
  CancelSwitch cancel;
  CostMeter cost;
  OncePerSecond warn;

  // From the caps.
  bool typed = false, markup = false, mismatched = false, warned_mismatch = false, live = false;
  LayerGeometry geometry;
  GstVideoInfo info{};
  bool configured = false; ///< `info` is set as output state

  // What the stream has shown.
  bool have_caption = false, paint_due = false, in_flight = false;
  Caption caption;
  runtime::Picture square;                       ///< as painted; empty before the first
  Ptr<GstBuffer> base;                           ///< at frame size; null when it must be made from `square`
  GstClockTime shown_time = GST_CLOCK_TIME_NONE; ///< of the last picture

  void forget_pending() {
    paint_due = paint_due || in_flight;
    in_flight = false;
    if (painter)
      painter->clear();
  }
};

struct _GstSemanticDec {
  GstVideoDecoder parent;
  SemanticDecPrivate* priv;
};

G_DEFINE_TYPE_WITH_CODE(GstSemanticDec, gst_semantic_dec, GST_TYPE_VIDEO_DECODER,
                        GST_DEBUG_CATEGORY_INIT(gst_semantic_dec_debug, "semanticdec", 0,
                                                "Semantic layer decoder"))
GST_ELEMENT_REGISTER_DEFINE(semanticdec, "semanticdec", GST_RANK_NONE, GST_TYPE_SEMANTIC_DEC)

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS(GSEM_CAPS_CAPTION "; text/x-raw, format=(string){ utf8, pango-markup }"));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_RAW_RGB));

static void count(GstSemanticDec* self, guint64 Counters::*counter) {
  ObjectLock lock(self);
  self->priv->counters.*counter += 1;
}

// ---- states --------------------------------------------------------------------------------------------

static gboolean gst_semantic_dec_start(GstVideoDecoder* decoder) {
  auto self = GST_SEMANTIC_DEC(decoder);
  return guarded(self, FALSE, [&]() -> gboolean {
    SemanticDecPrivate* priv = self->priv;
    ModelSettings settings = copy_settings(self, priv->settings);
    priv->cancel.rearm();
    priv->profile = find_profile(GST_ELEMENT(self), settings);
    if (!priv->profile)
      return FALSE;
    std::string error;
    priv->model = runtime::acquire_semantic(*priv->profile, settings.options(), false, true, error);
    if (!priv->model) {
      priv->profile.reset();
      post_model_error(GST_ELEMENT(self), settings, error);
      return FALSE;
    }
    priv->cost = {};
    ObjectLock lock(self);
    priv->counters = {};
    return TRUE;
  });
}

static gboolean gst_semantic_dec_stop(GstVideoDecoder* decoder) {
  SemanticDecPrivate* priv = GST_SEMANTIC_DEC(decoder)->priv;
  priv->painter.reset();
  priv->model.reset();
  priv->profile.reset();
  priv->typed = priv->markup = priv->mismatched = priv->warned_mismatch = priv->configured = false;
  priv->geometry = {};
  priv->have_caption = priv->paint_due = priv->in_flight = false;
  priv->square = {};
  priv->base.reset();
  priv->shown_time = GST_CLOCK_TIME_NONE;
  return TRUE;
}

/// A caption outlives a flush (it stays valid until replaced); only work under way does not.
static gboolean gst_semantic_dec_flush(GstVideoDecoder* decoder) {
  SemanticDecPrivate* priv = GST_SEMANTIC_DEC(decoder)->priv;
  priv->forget_pending();
  priv->shown_time = GST_CLOCK_TIME_NONE;
  priv->cancel.rearm();
  return TRUE;
}

/// Every picture has left by the time the next one comes.
static GstFlowReturn gst_semantic_dec_drain(GstVideoDecoder*) {
  return GST_FLOW_OK;
}

static GstStateChangeReturn gst_semantic_dec_change_state(GstElement* element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    GST_SEMANTIC_DEC(element)->priv->cancel.cancel();
  return GST_ELEMENT_CLASS(gst_semantic_dec_parent_class)->change_state(element, transition);
}

// ---- caps ----------------------------------------------------------------------------------------------

/// One mismatch, one warning, naming both hashes. The stream goes on without this layer: others may be
/// readable.
static void check_parse_hash(GstSemanticDec* self, const LayerIdentity& id) {
  SemanticDecPrivate* priv = self->priv;
  uint64_t own = priv->profile->caption_parse_hash;
  priv->mismatched = (id.parse_hash && id.parse_hash != own) || (!id.codec.empty() && id.codec != "trigram");
  if (!priv->mismatched || priv->warned_mismatch)
    return;
  priv->warned_mismatch = true;
  GST_ELEMENT_WARNING(self, STREAM, WRONG_TYPE,
                      ("The captions of this stream were coded with another model and cannot be read."),
                      ("codec \"%s\", parse-hash %s, but profile \"%s\" has %s. Install the sender's profile "
                       "and name it with the profile property",
                       id.codec.c_str(), hash_text(id.parse_hash).c_str(), priv->profile->name.c_str(),
                       hash_text(own).c_str()));
}

static gboolean gst_semantic_dec_set_format(GstVideoDecoder* decoder, GstVideoCodecState* state) {
  auto self = GST_SEMANTIC_DEC(decoder);
  return guarded(self, FALSE, [&]() -> gboolean {
    SemanticDecPrivate* priv = self->priv;
    const char* typed = gst_structure_get_string(gst_caps_get_structure(state->caps, 0), kTypedField);
    LayerGeometry geometry = read_geometry(state->caps);
    if (geometry.sized() && !geometry.possible()) {
      GST_ELEMENT_ERROR(self, STREAM, FORMAT,
                        ("A picture of %dx%d cannot be painted.", geometry.width, geometry.height),
                        ("16x16 to 4096x4096 is possible"));
      return FALSE;
    }
    priv->typed = typed != nullptr;
    priv->markup = typed && g_str_equal(typed, "pango-markup");
    priv->mismatched = false;
    if (!priv->typed)
      check_parse_hash(self, read_identity(state->caps));
    priv->geometry = geometry;
    priv->configured = false;
    priv->live = query_upstream(GST_VIDEO_DECODER_SINK_PAD(decoder)).live;
    return TRUE;
  });
}

/// Caps, then what downstream wants, then 512x512 and 0/1.
static GstVideoInfo choose_output(GstSemanticDec* self) {
  LayerGeometry g = self->priv->geometry;
  GstPad* pad = GST_VIDEO_DECODER_SRC_PAD(self);
  Ptr<GstCaps> ours(gst_pad_get_pad_template_caps(pad)), allowed(gst_pad_peer_query_caps(pad, ours.get()));
  if (allowed && !gst_caps_is_empty(allowed.get()) && !gst_caps_is_any(allowed.get())) {
    Ptr<GstCaps> choice(gst_caps_truncate(allowed.release()));
    choice.reset(gst_caps_make_writable(choice.release()));
    GstStructure* s = gst_caps_get_structure(choice.get(), 0);
    if (!g.sized()) {
      gst_structure_fixate_field_nearest_int(s, "width", kDefaultSide);
      gst_structure_fixate_field_nearest_int(s, "height", kDefaultSide);
      gst_structure_get_int(s, "width", &g.width);
      gst_structure_get_int(s, "height", &g.height);
    }
    if (g.fps_n == 0) {
      gst_structure_fixate_field_nearest_fraction(s, "framerate", 0, 1);
      gst_structure_get_fraction(s, "framerate", &g.fps_n, &g.fps_d);
    }
  }
  if (!g.possible())
    g.width = g.height = kDefaultSide;
  GstVideoInfo info = make_info(GST_VIDEO_FORMAT_RGB, g.width, g.height, nullptr);
  GST_VIDEO_INFO_FPS_N(&info) = g.fps_n;
  GST_VIDEO_INFO_FPS_D(&info) = g.fps_d;
  GST_VIDEO_INFO_PAR_N(&info) = g.par_n;
  GST_VIDEO_INFO_PAR_D(&info) = g.par_d;
  return info;
}

static bool configure_output(GstSemanticDec* self) {
  SemanticDecPrivate* priv = self->priv;
  auto decoder = GST_VIDEO_DECODER(self);
  if (priv->configured)
    return true;
  GstVideoInfo info = choose_output(self);
  Ptr<GstVideoCodecState> state(
      gst_video_decoder_set_output_state(decoder, GST_VIDEO_FORMAT_RGB, guint(GST_VIDEO_INFO_WIDTH(&info)),
                                         guint(GST_VIDEO_INFO_HEIGHT(&info)), nullptr));
  state->info = info;
  if (!gst_video_decoder_negotiate(decoder))
    return false;
  priv->info = info;
  priv->base.reset(); // of another size, maybe
  priv->configured = true;
  return true;
}

/// Any caption can be painted at any size: what downstream wants does not narrow what upstream may send.
static GstCaps* gst_semantic_dec_getcaps(GstVideoDecoder* decoder, GstCaps* filter) {
  Ptr<GstCaps> caps(gst_pad_get_pad_template_caps(GST_VIDEO_DECODER_SINK_PAD(decoder)));
  return filter ? gst_caps_intersect_full(filter, caps.get(), GST_CAPS_INTERSECT_FIRST) : caps.release();
}

// ---- input ---------------------------------------------------------------------------------------------

static void warn_damaged(GstSemanticDec* self, Status status) {
  if (self->priv->warn())
    GST_ELEMENT_WARNING(self, STREAM, DECODE, ("A damaged caption was dropped."),
                        ("%s; the last picture stays (said once a second at most, all are counted in stats)",
                         status_name(status)));
}

static Input read_typed(GstSemanticDec* self, ByteView data, Caption& caption) {
  std::string reason;
  std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  if (read_typed_caption(text, self->priv->markup, caption.text, reason))
    return Input::NewCaption;
  GST_ELEMENT_ERROR(self, STREAM, DECODE, ("This text cannot be painted: %s.", reason.c_str()),
                    ("captions are valid UTF-8 of at most %u bytes", guint(entropy::kMaxCaptionText)));
  return Input::Failed;
}

static Input read_coded(GstSemanticDec* self, ByteView data, Caption& caption) {
  SemanticDecPrivate* priv = self->priv;
  if (priv->mismatched) {
    count(self, &Counters::mismatched);
    return Input::Lost;
  }
  Status status = priv->profile->caption_coder->decode(data, caption);
  if (status == Status::Ok)
    return Input::NewCaption;
  warn_damaged(self, status);
  count(self, &Counters::corrupt);
  return Input::Lost;
}

static Input read_input(GstSemanticDec* self, GstBuffer* buffer) {
  SemanticDecPrivate* priv = self->priv;
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP) && gst_buffer_get_size(buffer) == 0) {
    auto meta = gst_buffer_get_semantic_layer_meta(buffer);
    bool lost = meta && (meta->lost & kCaptionBit);
    count(self, lost ? &Counters::lost : &Counters::gaps);
    return lost ? Input::Lost : Input::Gap;
  }
  Caption caption;
  Input input;
  {
    BufferMap map(buffer, GST_MAP_READ);
    if (!map) {
      GST_ELEMENT_ERROR(self, RESOURCE, READ, (nullptr), ("the caption buffer cannot be mapped"));
      return Input::Failed;
    }
    ByteView data(map.data(), map.size());
    input = priv->typed ? read_typed(self, data, caption) : read_coded(self, data, caption);
  }
  if (input != Input::NewCaption)
    return input;
  count(self, &Counters::captions);
  if (priv->have_caption && caption == priv->caption)
    return Input::SameCaption;
  priv->caption = std::move(caption);
  priv->have_caption = true;
  priv->paint_due = true;
  return Input::NewCaption;
}

// ---- painting ------------------------------------------------------------------------------------------

static GstFlowReturn adopt(GstSemanticDec* self, Painted&& result) {
  SemanticDecPrivate* priv = self->priv;
  if (result.outcome.result == runtime::JobResult::Failed) {
    GST_ELEMENT_ERROR(self, STREAM, DECODE, ("The caption cannot be painted."),
                      ("%s", result.outcome.error.c_str()));
    return GST_FLOW_ERROR;
  }
  if (!result.outcome)
    return GST_FLOW_FLUSHING;
  GST_DEBUG_OBJECT(self, "painted \"%s\" in %" GST_TIME_FORMAT, priv->caption.text.c_str(),
                   GST_TIME_ARGS(result.cost));
  priv->square = std::move(result.picture);
  priv->base.reset();
  priv->in_flight = priv->painter && priv->painter->busy();
  if (priv->cost.add(result.cost) && !priv->live)
    gst_video_decoder_set_latency(GST_VIDEO_DECODER(self), priv->cost.reported(), priv->cost.reported());
  count(self, &Counters::painted);
  return GST_FLOW_OK;
}

static GstFlowReturn update_picture(GstSemanticDec* self) {
  SemanticDecPrivate* priv = self->priv;
  if (priv->live) {
    if (priv->painter)
      if (auto result = priv->painter->take();
          result && result->outcome.result != runtime::JobResult::Cancelled)
        if (GstFlowReturn flow = adopt(self, std::move(*result)); flow != GST_FLOW_OK)
          return flow;
    if (!priv->paint_due)
      return GST_FLOW_OK;
    if (!priv->painter)
      priv->painter = std::make_unique<Painter>(paint);
    priv->painter->submit({priv->model, priv->caption});
    priv->in_flight = true;
    priv->paint_due = false;
    return GST_FLOW_OK;
  }
  if (!priv->paint_due)
    return GST_FLOW_OK;
  PaintRequest request{priv->model, priv->caption};
  GstFlowReturn flow = adopt(self, paint(request, priv->cancel.token()));
  if (flow == GST_FLOW_OK)
    priv->paint_due = false;
  return flow;
}

/// The base picture at frame size, made once a caption and repeated by reference.
static GstBuffer* base_picture(GstSemanticDec* self) {
  SemanticDecPrivate* priv = self->priv;
  if (priv->base)
    return priv->base.get();
  Ptr<GstBuffer> buffer(gst_video_decoder_allocate_output_buffer(GST_VIDEO_DECODER(self)));
  if (!buffer)
    return nullptr;
  bool painted = !priv->square.data.empty();
  {
    VideoMap map(&priv->info, buffer.get(), GST_MAP_WRITE);
    if (!map)
      return nullptr;
    runtime::PictureView square{priv->square.data.data(), priv->square.width, priv->square.height,
                                priv->square.width * 3};
    if (!painted)
      fill_grey(map);
    else if (!stretch(square, map))
      return nullptr;
  }
  set_layers(buffer.get(), 0, painted ? kCaptionBit : 0, 0, gst_semantic_next_base_id());
  priv->base = std::move(buffer);
  return priv->base.get();
}

/// In a video: an access unit that was given up (a GAP told so) came after all. Its words count from the next
/// picture on; a second one for the same time would be one too many.
static bool has_picture(GstSemanticDec* self, GstClockTime time) {
  const SemanticDecPrivate* priv = self->priv;
  const GstVideoInfo& info = priv->info;
  if (!GST_CLOCK_TIME_IS_VALID(time) || !GST_CLOCK_TIME_IS_VALID(priv->shown_time) ||
      GST_VIDEO_INFO_FPS_N(&info) <= 0 || GST_VIDEO_DECODER_INPUT_SEGMENT(self).rate < 0)
    return false;
  const GstClockTime frame =
      gst_util_uint64_scale_int(GST_SECOND, GST_VIDEO_INFO_FPS_D(&info), GST_VIDEO_INFO_FPS_N(&info));
  return time < priv->shown_time + frame / 4;
}

static GstFlowReturn gst_semantic_dec_handle_frame(GstVideoDecoder* decoder, GstVideoCodecFrame* frame) {
  auto self = GST_SEMANTIC_DEC(decoder);
  return guarded(self, GST_FLOW_ERROR, [&]() -> GstFlowReturn {
    Input input = read_input(self, frame->input_buffer);
    GstFlowReturn flow = input == Input::Failed ? GST_FLOW_ERROR : update_picture(self);
    if (flow == GST_FLOW_OK && !configure_output(self))
      flow = GST_PAD_IS_FLUSHING(GST_VIDEO_DECODER_SRC_PAD(decoder)) ? GST_FLOW_FLUSHING
                                                                     : GST_FLOW_NOT_NEGOTIATED;
    if (flow == GST_FLOW_OK && has_picture(self, frame->pts)) {
      count(self, &Counters::same_time);
      gst_video_decoder_release_frame(decoder, frame);
      return GST_FLOW_OK;
    }
    GstBuffer* base = flow == GST_FLOW_OK ? base_picture(self) : nullptr;
    if (!base) {
      gst_video_decoder_release_frame(decoder, frame);
      return flow == GST_FLOW_OK ? GST_FLOW_ERROR : flow;
    }
    frame->output_buffer = gst_buffer_copy(base);
    auto from = gst_buffer_get_semantic_layer_meta(frame->input_buffer);
    auto meta = gst_buffer_get_semantic_layer_meta(frame->output_buffer);
    if (meta) {
      meta->number = from ? from->number : 0;
      meta->lost = input == Input::Lost ? kCaptionBit : 0;
      meta->concealed = meta->lost & meta->layers; // grey stands in for nothing
    }
    count(self, &Counters::pictures);
    self->priv->shown_time = frame->pts;
    return gst_video_decoder_finish_frame(decoder, frame);
  });
}

// ---- events --------------------------------------------------------------------------------------------

/// A GAP is an access unit without a caption: it runs through the base class as an empty buffer, so that
/// clipping, timestamps and QoS are those of any other picture. (The base class alone would pass the GAP on
/// and show nothing.)
static gboolean picture_for_gap(GstVideoDecoder* decoder, GstEvent* event) {
  GstClockTime timestamp, duration;
  GstGapFlags flags = GstGapFlags(0);
  gst_event_parse_gap(event, &timestamp, &duration);
  gst_event_parse_gap_flags(event, &flags);
  gst_event_unref(event);
  GstBuffer* buffer = gst_buffer_new();
  GST_BUFFER_PTS(buffer) = timestamp;
  GST_BUFFER_DURATION(buffer) = duration;
  GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_GAP);
  if (flags & GST_GAP_FLAG_MISSING_DATA)
    gst_buffer_add_semantic_layer_meta(buffer)->lost = kCaptionBit;
  GstPad* pad = GST_VIDEO_DECODER_SINK_PAD(decoder);
  GstFlowReturn flow = GST_PAD_CHAINFUNC(pad)(pad, GST_OBJECT(decoder), buffer);
  return flow == GST_FLOW_OK;
}

static GstEvent* rename_text_caps(GstEvent* event) {
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  const GstStructure* s = gst_caps_get_structure(caps, 0);
  if (!gst_structure_has_name(s, "text/x-raw"))
    return event;
  const char* format = gst_structure_get_string(s, "format");
  Ptr<GstCaps> renamed(gst_caps_copy(caps));
  GstStructure* r = gst_caps_get_structure(renamed.get(), 0);
  gst_structure_set_name(r, GSEM_CAPS_CAPTION);
  gst_structure_set(r, kTypedField, G_TYPE_STRING, format ? format : "utf8", nullptr);
  gst_structure_remove_field(r, "format");
  GstEvent* result = gst_event_new_caps(renamed.get());
  gst_event_set_seqnum(result, gst_event_get_seqnum(event));
  gst_event_unref(event);
  return result;
}

static gboolean gst_semantic_dec_sink_event(GstVideoDecoder* decoder, GstEvent* event) {
  switch (GST_EVENT_TYPE(event)) {
  case GST_EVENT_FLUSH_START:
    GST_SEMANTIC_DEC(decoder)->priv->cancel.cancel();
    break;
  case GST_EVENT_GAP:
    return picture_for_gap(decoder, event);
  case GST_EVENT_CAPS:
    event = rename_text_caps(event);
    break;
  case GST_EVENT_SEGMENT:
    event = as_time_segment(event);
    GST_SEMANTIC_DEC(decoder)->priv->shown_time = GST_CLOCK_TIME_NONE;
    break;
  default:
    break;
  }
  return GST_VIDEO_DECODER_CLASS(gst_semantic_dec_parent_class)->sink_event(decoder, event);
}

static gboolean gst_semantic_dec_transform_meta(GstVideoDecoder* decoder, GstVideoCodecFrame* frame,
                                                GstMeta* meta) {
  if (meta->info->api == gst_semantic_layer_meta_api_get_type())
    return FALSE;
  return GST_VIDEO_DECODER_CLASS(gst_semantic_dec_parent_class)->transform_meta(decoder, frame, meta);
}

// ---- properties ----------------------------------------------------------------------------------------

static GstStructure* make_stats(GstSemanticDec* self) {
  ObjectLock lock(self);
  const Counters& c = self->priv->counters;
  return gst_structure_new("semanticdec-stats", "pictures", G_TYPE_UINT64, c.pictures, "captions",
                           G_TYPE_UINT64, c.captions, "painted", G_TYPE_UINT64, c.painted, "gaps",
                           G_TYPE_UINT64, c.gaps, "lost", G_TYPE_UINT64, c.lost, "corrupt", G_TYPE_UINT64,
                           c.corrupt, "mismatched", G_TYPE_UINT64, c.mismatched, "same-time", G_TYPE_UINT64,
                           c.same_time, nullptr);
}

static void gst_semantic_dec_set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  if (id < PROP_STATS)
    set_model_property(object, GST_SEMANTIC_DEC(object)->priv->settings, id - PROP_MODEL, value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void gst_semantic_dec_get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  auto self = GST_SEMANTIC_DEC(object);
  if (id < PROP_STATS)
    get_model_property(object, self->priv->settings, id - PROP_MODEL, value);
  else if (id == PROP_STATS)
    g_value_take_boxed(value, make_stats(self));
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void gst_semantic_dec_finalize(GObject* object) {
  delete GST_SEMANTIC_DEC(object)->priv;
  G_OBJECT_CLASS(gst_semantic_dec_parent_class)->finalize(object);
}

static void gst_semantic_dec_init(GstSemanticDec* self) {
  self->priv = new SemanticDecPrivate;
  gst_video_decoder_set_packetized(GST_VIDEO_DECODER(self), TRUE);
  gst_video_decoder_set_needs_format(GST_VIDEO_DECODER(self), FALSE);
}

static void gst_semantic_dec_class_init(GstSemanticDecClass* klass) {
  auto object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_semantic_dec_set_property;
  object_class->get_property = gst_semantic_dec_get_property;
  object_class->finalize = gst_semantic_dec_finalize;
  install_model_properties(object_class, PROP_MODEL);
  g_object_class_install_property(
      object_class, PROP_STATS,
      g_param_spec_boxed("stats", "Statistics",
                         "Since READY to PAUSED, all guint64: pictures (put out), captions (read), painted "
                         "(base pictures made), gaps "
                         "(access units without a caption), lost (captions announced lost), corrupt (damaged "
                         "captions), mismatched "
                         "(captions of another model), same-time (access units whose time had a picture)",
                         GST_TYPE_STRUCTURE, GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));

  auto element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = gst_semantic_dec_change_state;
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "Semantic layer decoder", "Codec/Decoder/Video",
                                        "Paints pictures from words (layer 1)", "gst-semantic developers");

  auto decoder_class = GST_VIDEO_DECODER_CLASS(klass);
  decoder_class->start = gst_semantic_dec_start;
  decoder_class->stop = gst_semantic_dec_stop;
  decoder_class->flush = gst_semantic_dec_flush;
  decoder_class->drain = gst_semantic_dec_drain;
  decoder_class->finish = gst_semantic_dec_drain;
  decoder_class->set_format = gst_semantic_dec_set_format;
  decoder_class->getcaps = gst_semantic_dec_getcaps;
  decoder_class->handle_frame = gst_semantic_dec_handle_frame;
  decoder_class->sink_event = gst_semantic_dec_sink_event;
  decoder_class->transform_meta = gst_semantic_dec_transform_meta;
}
