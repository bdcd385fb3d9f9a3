// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-signaldec
 *
 * Layer 3: the real picture, synthesised from its coded latents with the help of the picture from below
 * (request pad `sink`) and of the edge map (request pad `structure`), where there are any.
 *
 * A coded picture that is missing, lost, late, damaged or of another model is no error: the picture from
 * below goes through by reference, with the same caps, and `stats` counts why. In a video it does not come at
 * once: over `fade` pictures the last good one gives way to it. Without a picture from below the last one is
 * repeated.
 *
 * |[
 * gst-launch-1.0 filesrc location=bird.png ! pngdec ! videoconvert ! signalenc ! signaldec ! videoconvert ! \
 *     autovideosink
 * ]|
 */
#include "plugins/semanticcodec/gstsignaldec.h"

#include "gst/semantic/caps.hpp"
#include "gst/semantic/layer_meta.hpp"
#include "plugins/semanticcodec/guard.hpp"
#include "plugins/semanticcodec/layer_caps.hpp"
#include "plugins/semanticcodec/signal_payload.hpp"

GST_DEBUG_CATEGORY_STATIC(gst_signal_dec_debug);
#define GST_CAT_DEFAULT gst_signal_dec_debug

using namespace gsem;
using namespace gsem::codec;

namespace {

enum { PROP_STATS = kPictureJoinProperties };
enum { SINK, STRUCTURE, SIGNAL };

constexpr guint kStructureBit = 1u << 2, kSignalBit = 1u << 3;
constexpr guint kDefaultFade = 4;

struct Counters {
  guint64 decoded = 0, passed = 0, repeated = 0, corrupt = 0, corrupt_maps = 0, mismatched = 0, no_time = 0,
          key_requests = 0;
};

} // namespace

struct SignalDecPrivate : PictureJoin {
  explicit SignalDecPrivate(GstPictureJoin* owner)
      : PictureJoin(owner, JoinPacing::Layer::Signal, SIGNAL, kSignalBit, kDefaultFade) {}

  Counters counters; ///< under the object lock

  // From start() to stop(), aggregator's thread only.
  std::shared_ptr<runtime::SignalModel> model;
  LayerGeometry geometry; ///< of the signal stream
  bool signal_known = false, mismatched = false, warned_mismatch = false;
  Ptr<GstBuffer> last_base; ///< serves again when the next one is missing
  OncePerSecond warn;
};

struct _GstSignalDec {
  GstPictureJoin parent;
  SignalDecPrivate* priv; ///< of GstPictureJoin
};

G_DEFINE_TYPE_WITH_CODE(GstSignalDec, gst_signal_dec, GST_TYPE_PICTURE_JOIN,
                        GST_DEBUG_CATEGORY_INIT(gst_signal_dec_debug, "signaldec", 0, "Signal layer decoder"))
GST_ELEMENT_REGISTER_DEFINE(signaldec, "signaldec", GST_RANK_NONE, GST_TYPE_SIGNAL_DEC)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS(GSEM_CAPS_RAW_RGB));
static GstStaticPadTemplate structure_template = GST_STATIC_PAD_TEMPLATE(
    GSEM_PAD_STRUCTURE, GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS(GSEM_CAPS_STRUCTURE));
static GstStaticPadTemplate signal_template =
    GST_STATIC_PAD_TEMPLATE(GSEM_PAD_SIGNAL, GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_SIGNAL));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_RAW_RGB));

static void count(GstSignalDec* self, guint64 Counters::*counter) {
  ObjectLock lock(self);
  self->priv->counters.*counter += 1;
}

// ---- states --------------------------------------------------------------------------------------------

static gboolean gst_signal_dec_start(GstAggregator* agg) {
  auto self = GST_SIGNAL_DEC(agg);
  return guarded(self, FALSE, [&]() -> gboolean {
    SignalDecPrivate* priv = self->priv;
    ModelSettings settings = copy_settings(self, priv->settings);
    priv->profile = find_profile(GST_ELEMENT(self), settings);
    if (!priv->profile)
      return FALSE;
    std::string error;
    priv->model = runtime::acquire_signal(*priv->profile, settings.options(), false, true, error);
    if (!priv->model) {
      priv->profile.reset();
      post_model_error(GST_ELEMENT(self), settings, error);
      return FALSE;
    }
    {
      ObjectLock lock(self);
      priv->counters = {};
    }
    return GST_AGGREGATOR_CLASS(gst_signal_dec_parent_class)->start(agg);
  });
}

static gboolean gst_signal_dec_stop(GstAggregator* agg) {
  SignalDecPrivate* priv = GST_SIGNAL_DEC(agg)->priv;
  gboolean stopped = GST_AGGREGATOR_CLASS(gst_signal_dec_parent_class)->stop(agg);
  priv->model.reset();
  priv->geometry = {};
  priv->signal_known = priv->mismatched = priv->warned_mismatch = false;
  return stopped;
}

static void gst_signal_dec_reset(GstSemanticLayerJoin* join) {
  SignalDecPrivate* priv = GST_SIGNAL_DEC(join)->priv;
  GST_SEMANTIC_LAYER_JOIN_CLASS(gst_signal_dec_parent_class)->reset(join);
  priv->last_base.reset();
}

// ---- caps ----------------------------------------------------------------------------------------------

/// The same caps whatever arrives: the size of the coded pictures, else of those from below.
static void choose_output(GstSignalDec* self) {
  SignalDecPrivate* priv = self->priv;
  const LayerGeometry& g = priv->geometry;
  if (!g.sized() && !priv->base_known)
    return;
  GstVideoInfo timing = priv->base_info;
  if (g.sized()) {
    timing = make_info(GST_VIDEO_FORMAT_RGB, g.width, g.height, nullptr);
    GST_VIDEO_INFO_FPS_N(&timing) = g.fps_n;
    GST_VIDEO_INFO_FPS_D(&timing) = g.fps_d;
    GST_VIDEO_INFO_PAR_N(&timing) = g.par_n;
    GST_VIDEO_INFO_PAR_D(&timing) = g.par_d;
  }
  priv->output.want(
      GST_AGGREGATOR(self),
      make_info(GST_VIDEO_FORMAT_RGB, GST_VIDEO_INFO_WIDTH(&timing), GST_VIDEO_INFO_HEIGHT(&timing), &timing),
      false);
}

static bool has_lower_layer(GstSignalDec* self) {
  Ptr<GstPad> sink(gst_element_get_static_pad(GST_ELEMENT(self), "sink"));
  return sink && gst_pad_is_linked(sink.get());
}

/// Bits of other tables or latents of another analysis: the layer is skipped, with one warning that names the
/// hashes. With nothing below there is nothing left to show, and that is an error.
static gboolean check_model(GstSignalDec* self, const LayerIdentity& id) {
  SignalDecPrivate* priv = self->priv;
  const profile::Profile& own = *priv->profile;
  bool codec = !id.codec.empty() && id.codec != "hyperprior";
  bool parse = id.parse_hash && id.parse_hash != own.signal_parse_hash,
       latent = id.latent_id && id.latent_id != own.signal_latent_id;
  priv->mismatched = codec || parse || latent;
  if (!priv->mismatched)
    return TRUE;
  std::string detail = "codec \"" + id.codec + "\", parse-hash " + hash_text(id.parse_hash) + ", latent-id " +
                       hash_text(id.latent_id) + ", but profile \"" + own.name + "\" has parse-hash " +
                       hash_text(own.signal_parse_hash) + ", latent-id " + hash_text(own.signal_latent_id) +
                       ". Install the sender's profile and name it with the profile property";
  if (!has_lower_layer(self)) {
    GST_ELEMENT_ERROR(self, STREAM, WRONG_TYPE,
                      ("The pictures of this stream were coded with another model."), ("%s", detail.c_str()));
    return FALSE;
  }
  if (!priv->warned_mismatch)
    GST_ELEMENT_WARNING(self, STREAM, WRONG_TYPE,
                        ("The signal layer of this stream was coded with another model and is skipped."),
                        ("%s", detail.c_str()));
  priv->warned_mismatch = true;
  return TRUE;
}

static gboolean set_signal_caps(GstSignalDec* self, GstCaps* caps) {
  SignalDecPrivate* priv = self->priv;
  LayerGeometry geometry = read_geometry(caps);
  if (!geometry.possible() && (geometry.sized() || !has_lower_layer(self))) {
    GST_ELEMENT_ERROR(self, STREAM, FORMAT,
                      ("A picture of %dx%d cannot be made.", geometry.width, geometry.height),
                      ("16x16 to 4096x4096 is possible; caps %" GST_PTR_FORMAT, caps));
    return FALSE;
  }
  if (!check_model(self, read_identity(caps)))
    return FALSE;
  priv->geometry = geometry;
  priv->signal_known = true;
  return TRUE;
}

static gboolean gst_signal_dec_pad_caps(GstSemanticLayerJoin* join, GstAggregatorPad*, const gchar* name,
                                        GstCaps* caps) {
  auto self = GST_SIGNAL_DEC(join);
  return guarded(self, FALSE, [&]() -> gboolean {
    SignalDecPrivate* priv = self->priv;
    if (g_str_equal(name, "sink")) {
      if (!priv->take_base_caps(caps))
        return FALSE;
      priv->last_base.reset();
    } else if (g_str_equal(name, GSEM_PAD_SIGNAL)) {
      if (!set_signal_caps(self, caps))
        return FALSE;
    } else if (std::string error = priv->maps.set_caps(caps, priv->cancel); !error.empty()) {
      GST_ELEMENT_WARNING(self, STREAM, WRONG_TYPE,
                          ("The edge maps of this stream cannot be read; the pictures go on without."),
                          ("%s", error.c_str()));
    }
    choose_output(self);
    return TRUE;
  });
}

// ---- pictures ------------------------------------------------------------------------------------------

static bool read_signal(GstSignalDec* self, GstBuffer* buffer, entropy::Latents& coded) {
  SignalDecPrivate* priv = self->priv;
  if (priv->mismatched || !priv->signal_known) {
    count(self, &Counters::mismatched);
    return false;
  }
  Status status = Status::Corrupt;
  const GstVideoInfo& info = priv->output.info();
  {
    BufferMap map(buffer, GST_MAP_READ);
    if (map)
      status = read_signal_payload(priv->model->coder(), GST_VIDEO_INFO_WIDTH(&info),
                                   GST_VIDEO_INFO_HEIGHT(&info), {map.data(), map.size()}, coded);
  }
  if (status == Status::Ok)
    return true;
  count(self, &Counters::corrupt);
  if (priv->warn())
    GST_ELEMENT_WARNING(
        self, STREAM, DECODE, ("A damaged picture was dropped."),
        ("%s; the picture from below is shown (said once a second at most, all are counted in stats)",
         status_name(status)));
  return false;
}

/// The synthesis proper: `base` and `map` (null: none) help it.
static runtime::Outcome fill(GstSignalDec* self, const entropy::Latents& coded, GstBuffer* base,
                             const maps::Map* map, GstBuffer* out, const runtime::CallOptions& options) {
  SignalDecPrivate* priv = self->priv;
  VideoMap frame(&priv->output.info(), out, GST_MAP_WRITE);
  if (!frame)
    return {runtime::JobResult::Failed, "the output picture cannot be written"};
  runtime::PictureView map_view;
  if (map)
    map_view = {map->data.data(), map->width, map->height, map->width};
  if (!base)
    return priv->model->synthesize(coded, {}, map_view, span_of(frame), options);
  VideoMap base_frame(&priv->base_info, base, GST_MAP_READ);
  if (!base_frame)
    return {runtime::JobResult::Failed, "the picture from below cannot be read"};
  return priv->model->synthesize(coded, view_of(base_frame), map_view, span_of(frame), options);
}

static runtime::Outcome synthesize(GstSignalDec* self, const GstSemanticJoinSet& set, const maps::Map* map,
                                   Ptr<GstBuffer>& out) {
  SignalDecPrivate* priv = self->priv;
  auto agg = GST_AGGREGATOR(self);
  SteadyTime start = std::chrono::steady_clock::now();
  runtime::CancelToken token = priv->cancel.token();
  runtime::CallOptions options{&token, priv->pacing.start_by(agg, set)};
  if (start > options.deadline)
    return {runtime::JobResult::Late, {}};
  entropy::Latents coded;
  if (!read_signal(self, set.pads[SIGNAL].buffer, coded))
    return {}; // without a picture: the one from below
  GstBuffer* base = priv->last_base.get();
  out = priv->output.acquire(agg);
  if (!out)
    return {runtime::JobResult::Cancelled, {}};
  runtime::Outcome outcome = fill(self, coded, base, map, out.get(), options);
  if (!outcome) {
    out.reset();
    return outcome;
  }
  priv->pacing.add_cost(agg, elapsed_since(start));
  auto meta = base ? gst_buffer_get_semantic_layer_meta(base) : nullptr;
  guint layers = (base ? layers_of(base) : 0) | (map ? kStructureBit : 0) | kSignalBit;
  set_layers(out.get(), meta ? meta->number : 0, layers, meta ? meta->lost : 0, 0,
             meta ? meta->concealed : 0);
  return outcome;
}

/// The picture from below by reference, or what was shown last.
static Ptr<GstBuffer> without_signal(GstSignalDec* self, const GstSemanticJoinSet& set) {
  count(self, set.pads[SINK].buffer ? &Counters::passed : &Counters::repeated);
  return self->priv->pass_base(set);
}

/// Takes note of this set's picture from below; gives its map. Maps are decoded also when they will not be
/// used: later ones refer to them. Where structdec is below, that asks for missing key maps.
static const maps::Map* take_helpers(GstSignalDec* self, const GstSemanticJoinSet& set) {
  SignalDecPrivate* priv = self->priv;
  if (GstBuffer* base = set.pads[SINK].buffer)
    priv->last_base.reset(layers_of(base) ? gst_buffer_ref(base)
                                          : nullptr); // no layers: grey, nothing to learn from
  const GstSemanticJoined& coded = set.pads[STRUCTURE];
  if (!coded.buffer)
    return nullptr;
  const maps::Map* map = priv->maps.decode(GST_ELEMENT(self), coded.buffer, set.running_time);
  if (!map)
    count(self, &Counters::corrupt_maps);
  if (!has_lower_layer(self) && priv->maps.ask_for_key(GST_PAD(coded.pad), set.running_time))
    count(self, &Counters::key_requests);
  return map;
}

static GstFlowReturn gst_signal_dec_join(GstSemanticLayerJoin* join, GstSemanticJoinSet* set) {
  auto self = GST_SIGNAL_DEC(join);
  return guarded(self, GST_FLOW_ERROR, [&]() -> GstFlowReturn {
    SignalDecPrivate* priv = self->priv;
    choose_output(self);
    const maps::Map* map = take_helpers(self, *set);
    if (!priv->output.known()) // only GAPs so far, and no caps: nobody has said how large a picture is
      return GST_SEMANTIC_JOIN_FLOW_NOTHING;
    if (GstFlowReturn flow = priv->output.ready(GST_AGGREGATOR(self)); flow != GST_FLOW_OK)
      return flow;
    Ptr<GstBuffer> out;
    runtime::Outcome outcome;
    if (set->pads[SIGNAL].buffer)
      outcome = synthesize(self, *set, map, out);
    switch (outcome.result) {
    case runtime::JobResult::Done:
      if (!out)
        return priv->finish(*set, without_signal(self, *set));
      count(self, &Counters::decoded);
      return priv->finish(*set, std::move(out));
    case runtime::JobResult::Late:
      count(self, &Counters::no_time);
      return priv->finish(*set, without_signal(self, *set));
    case runtime::JobResult::Cancelled:
      return GST_FLOW_OK; // flushing or stopping: GstAggregator knows, and would take FLUSHING from us for an
                          // error of downstream
    default:
      GST_ELEMENT_ERROR(self, STREAM, DECODE, ("The picture cannot be synthesised."),
                        ("%s", outcome.error.c_str()));
      return GST_FLOW_ERROR;
    }
  });
}

// ---- properties ----------------------------------------------------------------------------------------

static GstStructure* make_stats(GstSignalDec* self) {
  GstStructure* stats = gst_semantic_layer_join_get_stats(GST_SEMANTIC_LAYER_JOIN(self), "signaldec-stats");
  ObjectLock lock(self);
  const Counters& c = self->priv->counters;
  gst_structure_set(stats, "decoded", G_TYPE_UINT64, c.decoded, "passed", G_TYPE_UINT64, c.passed, "repeated",
                    G_TYPE_UINT64, c.repeated, "corrupt", G_TYPE_UINT64, c.corrupt, "corrupt-maps",
                    G_TYPE_UINT64, c.corrupt_maps, "mismatched", G_TYPE_UINT64, c.mismatched, "no-time",
                    G_TYPE_UINT64, c.no_time, "faded", G_TYPE_UINT64, self->priv->faded, "key-requests",
                    G_TYPE_UINT64, c.key_requests, nullptr);
  return stats;
}

static void gst_signal_dec_set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  if (!set_picture_join_property(object, *GST_SIGNAL_DEC(object)->priv, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void gst_signal_dec_get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  auto self = GST_SIGNAL_DEC(object);
  if (id == PROP_STATS)
    g_value_take_boxed(value, make_stats(self));
  else if (!get_picture_join_property(object, *self->priv, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void gst_signal_dec_init(GstSignalDec* self) {
  self->priv = new SignalDecPrivate(GST_PICTURE_JOIN(self));
  set_picture_join(self, self->priv);
}

static void gst_signal_dec_class_init(GstSignalDecClass* klass) {
  auto object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_signal_dec_set_property;
  object_class->get_property = gst_signal_dec_get_property;
  install_picture_join_properties(object_class, kDefaultFade);
  g_object_class_install_property(
      object_class, PROP_STATS,
      g_param_spec_boxed(
          "stats", "Statistics",
          "Since READY to PAUSED, all guint64: decoded (pictures synthesised), passed "
          "(pictures from below that went through), "
          "repeated (nothing arrived, last picture again), corrupt (damaged coded pictures), "
          "corrupt-maps (damaged edge maps), "
          "mismatched (coded pictures of another model), no-time (synthesis left out for a "
          "deadline or QoS), faded (pictures of a cross-fade), key-requests (key units asked for); "
          "and for each sink pad a structure with present, not-sent, lost, late, dropped",
          GST_TYPE_STRUCTURE, GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));

  auto element_class = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template_with_gtype(element_class, &sink_template,
                                                       GST_TYPE_AGGREGATOR_PAD);
  gst_element_class_add_static_pad_template_with_gtype(element_class, &structure_template,
                                                       GST_TYPE_AGGREGATOR_PAD);
  gst_element_class_add_static_pad_template_with_gtype(element_class, &signal_template,
                                                       GST_TYPE_AGGREGATOR_PAD);
  gst_element_class_add_static_pad_template_with_gtype(element_class, &src_template, GST_TYPE_AGGREGATOR_PAD);
  gst_element_class_set_static_metadata(element_class, "Signal layer decoder", "Codec/Decoder/Video",
                                        "Synthesises pictures from learned latents (layer 3)",
                                        "gst-semantic developers");

  auto aggregator_class = GST_AGGREGATOR_CLASS(klass);
  aggregator_class->start = gst_signal_dec_start;
  aggregator_class->stop = gst_signal_dec_stop;

  auto join_class = GST_SEMANTIC_LAYER_JOIN_CLASS(klass);
  join_class->pad_names[SINK] = "sink";
  join_class->pad_names[STRUCTURE] = GSEM_PAD_STRUCTURE;
  join_class->pad_names[SIGNAL] = GSEM_PAD_SIGNAL;
  join_class->join = gst_signal_dec_join;
  join_class->pad_caps = gst_signal_dec_pad_caps;
  join_class->reset = gst_signal_dec_reset;
}
