// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-structdec
 *
 * Layer 2: gives the picture from below (request pad `sink`) the shapes of the edge map. Without a `sink` pad
 * it shows the map itself as GRAY8, or, where downstream takes RGB only, a picture made from the map alone.
 *
 * A map that is missing, lost, late or damaged is no error (nor is one that a `max-layer` leaves out: nothing
 * stands in for that). In a video the map before it serves again, for
 * `hold-time`; after that, and in still pictures, the picture from below goes through by reference, with the
 * same caps. `stats` counts why. A missing picture from below is no error either: the one before it serves
 * again, or the picture is made from the map alone. When a map cannot be read because its key map is missing,
 * a key unit is asked for upstream.
 *
 * |[
 * gst-launch-1.0 filesrc location=bird.gsem ! semanticparse ! semanticdemux name=d \
 *     d.caption ! queue ! semanticdec ! s.sink  d.structure ! queue ! s.structure \
 *     structdec name=s ! videoconvert ! autovideosink
 * ]|
 */
#include "plugins/semanticcodec/gststructdec.h"

#include "gst/semantic/caps.hpp"
#include "gst/semantic/layer_meta.hpp"
#include "plugins/semanticcodec/guard.hpp"

GST_DEBUG_CATEGORY_STATIC(gst_struct_dec_debug);
#define GST_CAT_DEFAULT gst_struct_dec_debug

using namespace gsem;
using namespace gsem::codec;

namespace {

enum { PROP_HOLD_TIME = kPictureJoinProperties, PROP_STATS };
enum { SINK, STRUCTURE };

constexpr guint kStructureBit = 1u << 2;
constexpr guint kDefaultHold = 500, kDefaultFade = 0; // milliseconds; pictures

struct Counters {
  guint64 painted = 0, shown_maps = 0, passed = 0, repeated = 0, corrupt = 0, no_time = 0, held = 0,
          key_requests = 0;
};

/// The map that a picture is made with.
struct UsedMap {
  const maps::Map* map = nullptr;
  bool held = false; ///< one of an earlier picture
};

} // namespace

struct StructDecPrivate : PictureJoin {
  explicit StructDecPrivate(GstPictureJoin* owner)
      : PictureJoin(owner, JoinPacing::Layer::Structure, STRUCTURE, kStructureBit, kDefaultFade) {}

  guint hold_time = kDefaultHold; ///< milliseconds; under the object lock
  Counters counters;              ///< under the object lock

  // From start() to stop(), aggregator's thread only.
  std::shared_ptr<runtime::StructureModel> model; ///< loaded with the first picture that needs it
  runtime::StructureModel::BasePtr features;      ///< of the last picture from below
  guint features_id = 0;                          ///< its base id; 0: none that could come again
  guint painted_id = 0; ///< base id of the picture that was made last with the held map
};

struct _GstStructDec {
  GstPictureJoin parent;
  StructDecPrivate* priv; ///< of GstPictureJoin
};

G_DEFINE_TYPE_WITH_CODE(GstStructDec, gst_struct_dec, GST_TYPE_PICTURE_JOIN,
                        GST_DEBUG_CATEGORY_INIT(gst_struct_dec_debug, "structdec", 0,
                                                "Structure layer decoder"))
GST_ELEMENT_REGISTER_DEFINE(structdec, "structdec", GST_RANK_NONE, GST_TYPE_STRUCT_DEC)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS(GSEM_CAPS_RAW_RGB));
static GstStaticPadTemplate structure_template = GST_STATIC_PAD_TEMPLATE(
    GSEM_PAD_STRUCTURE, GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_STRUCTURE));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_RAW_RGB "; " GSEM_CAPS_RAW_MAP));

static void count(GstStructDec* self, guint64 Counters::*counter) {
  ObjectLock lock(self);
  self->priv->counters.*counter += 1;
}

// ---- states --------------------------------------------------------------------------------------------

/// The sink pad says whether pictures will be made; showing maps needs neither networks nor profile.
static bool makes_pictures(GstStructDec* self) {
  Ptr<GstPad> sink(gst_element_get_static_pad(GST_ELEMENT(self), "sink"));
  return sink != nullptr;
}

static bool load_networks(GstStructDec* self) {
  StructDecPrivate* priv = self->priv;
  if (priv->model)
    return true;
  ModelSettings settings = copy_settings(self, priv->settings);
  priv->profile = find_profile(GST_ELEMENT(self), settings);
  if (!priv->profile)
    return false;
  std::string error;
  priv->model = runtime::acquire_structure(*priv->profile, settings.options(), false, true, error);
  if (!priv->model)
    post_model_error(GST_ELEMENT(self), settings, error);
  return priv->model != nullptr;
}

static gboolean gst_struct_dec_start(GstAggregator* agg) {
  auto self = GST_STRUCT_DEC(agg);
  return guarded(self, FALSE, [&]() -> gboolean {
    StructDecPrivate* priv = self->priv;
    if (makes_pictures(self) && !load_networks(self)) {
      priv->profile.reset();
      return FALSE;
    }
    {
      ObjectLock lock(self);
      priv->counters = {};
    }
    return GST_AGGREGATOR_CLASS(gst_struct_dec_parent_class)->start(agg);
  });
}

static gboolean gst_struct_dec_stop(GstAggregator* agg) {
  StructDecPrivate* priv = GST_STRUCT_DEC(agg)->priv;
  gboolean stopped = GST_AGGREGATOR_CLASS(gst_struct_dec_parent_class)->stop(agg);
  priv->model.reset();
  return stopped;
}

static void gst_struct_dec_reset(GstSemanticLayerJoin* join) {
  StructDecPrivate* priv = GST_STRUCT_DEC(join)->priv;
  GST_SEMANTIC_LAYER_JOIN_CLASS(gst_struct_dec_parent_class)->reset(join);
  priv->features.reset();
  priv->features_id = priv->painted_id = 0;
}

// ---- caps ----------------------------------------------------------------------------------------------

/// The same caps whatever arrives: those of the picture from below, else of the coded stream.
static void choose_output(GstStructDec* self) {
  StructDecPrivate* priv = self->priv;
  auto agg = GST_AGGREGATOR(self);
  bool pictures = makes_pictures(self);
  if (pictures && priv->base_known) {
    priv->output.want(agg,
                      make_info(GST_VIDEO_FORMAT_RGB, GST_VIDEO_INFO_WIDTH(&priv->base_info),
                                GST_VIDEO_INFO_HEIGHT(&priv->base_info), &priv->base_info),
                      false);
    return;
  }
  const LayerGeometry& g = priv->maps.geometry();
  GstVideoInfo timing = make_info(GST_VIDEO_FORMAT_GRAY8, 16, 16, nullptr);
  GST_VIDEO_INFO_FPS_N(&timing) = g.fps_n;
  GST_VIDEO_INFO_FPS_D(&timing) = g.fps_d;
  GST_VIDEO_INFO_PAR_N(&timing) = g.par_n;
  GST_VIDEO_INFO_PAR_D(&timing) = g.par_d;
  constexpr int kUnknownSide = 256;
  int width = g.sized() ? g.width : kUnknownSide, height = g.sized() ? g.height : kUnknownSide;
  if (pictures)
    priv->output.want(agg, make_info(GST_VIDEO_FORMAT_RGB, width, height, &timing), true);
  else // the map itself, or, for those who take pictures only, one made from it
    priv->output.want(agg, make_info(GST_VIDEO_FORMAT_GRAY8, width, height, &timing), true,
                      GST_VIDEO_FORMAT_RGB);
}

static gboolean gst_struct_dec_pad_caps(GstSemanticLayerJoin* join, GstAggregatorPad*, const gchar* name,
                                        GstCaps* caps) {
  auto self = GST_STRUCT_DEC(join);
  return guarded(self, FALSE, [&]() -> gboolean {
    StructDecPrivate* priv = self->priv;
    if (g_str_equal(name, "sink")) {
      if (!priv->take_base_caps(caps))
        return FALSE;
      priv->features_id = priv->painted_id = 0;
    } else {
      std::string error = priv->maps.set_caps(caps, priv->cancel);
      const LayerGeometry& g = priv->maps.geometry();
      if (g.sized() && !g.possible()) {
        GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("A picture of %dx%d cannot be made.", g.width, g.height),
                          ("16x16 to 4096x4096 is possible"));
        return FALSE;
      }
      if (!error.empty() && !makes_pictures(self)) {
        GST_ELEMENT_ERROR(self, STREAM, WRONG_TYPE, ("The edge maps of this stream cannot be read."),
                          ("%s", error.c_str()));
        return FALSE;
      }
      if (!error.empty())
        GST_ELEMENT_WARNING(self, STREAM, WRONG_TYPE,
                            ("The edge maps of this stream cannot be read; the pictures go on without."),
                            ("%s", error.c_str()));
    }
    choose_output(self);
    return TRUE;
  });
}

// ---- pictures ------------------------------------------------------------------------------------------

/// What the synthesis needs of the picture from below, once for each base id. With none there now, the last
/// one's serve again.
static runtime::Outcome base_features(GstStructDec* self, GstBuffer* base,
                                      const runtime::CallOptions& options) {
  StructDecPrivate* priv = self->priv;
  if (!base)
    return {};
  if (layers_of(base) == 0) { // grey: nothing was painted yet
    priv->features.reset();
    priv->features_id = 0;
    return {};
  }
  auto meta = gst_buffer_get_semantic_layer_meta(base);
  guint id = meta ? meta->base_id : 0;
  if (id != 0 && id == priv->features_id)
    return {};
  VideoMap map(&priv->base_info, base, GST_MAP_READ);
  if (!map)
    return {runtime::JobResult::Failed, "the picture from below cannot be read"};
  runtime::Outcome outcome = priv->model->prepare_base(view_of(map), priv->features, options);
  priv->features_id = outcome ? id : 0;
  return outcome;
}

static runtime::Outcome synthesize(GstStructDec* self, const GstSemanticJoinSet& set, const maps::Map& map,
                                   Ptr<GstBuffer>& out) {
  StructDecPrivate* priv = self->priv;
  auto agg = GST_AGGREGATOR(self);
  GstBuffer* base = set.pads[SINK].buffer;
  SteadyTime start = std::chrono::steady_clock::now();
  runtime::CancelToken token = priv->cancel.token();
  runtime::CallOptions options{&token, priv->pacing.start_by(agg, set)};
  if (start > options.deadline)
    return {runtime::JobResult::Late, {}};
  runtime::Outcome outcome = base_features(self, base, options);
  if (!outcome)
    return outcome;
  out = priv->output.acquire(agg);
  if (!out)
    return {runtime::JobResult::Cancelled, {}};
  {
    VideoMap frame(&priv->output.info(), out.get(), GST_MAP_WRITE);
    if (!frame)
      return {runtime::JobResult::Failed, "the output picture cannot be written"};
    outcome = priv->model->synthesize(priv->features, {map.data.data(), map.width, map.height, map.width},
                                      span_of(frame), options);
  }
  if (!outcome)
    return outcome;
  priv->pacing.add_cost(agg, elapsed_since(start));
  auto meta = base ? gst_buffer_get_semantic_layer_meta(base) : nullptr;
  set_layers(out.get(), meta ? meta->number : 0, (base ? layers_of(base) : 0) | kStructureBit,
             meta ? meta->lost : 0, 0, meta ? meta->concealed : 0);
  priv->painted_id = priv->features ? priv->features_id : 0;
  return outcome;
}

static GstClockTime hold_time(GstStructDec* self) {
  ObjectLock lock(self);
  return self->priv->hold_time * GST_MSECOND;
}

/// This picture's map, else, in a video, the one before while it is fresh. A layer that has ended, or that
/// nobody links, is not waited for.
static UsedMap choose_map(GstStructDec* self, const GstSemanticJoinSet& set) {
  StructDecPrivate* priv = self->priv;
  const GstSemanticJoined& joined = set.pads[STRUCTURE];
  UsedMap used;
  if (joined.buffer) {
    used.map = priv->maps.decode(GST_ELEMENT(self), joined.buffer, set.running_time);
    if (used.map)
      priv->painted_id = 0; // what was painted last is of another map
    else
      count(self, &Counters::corrupt);
    if (priv->maps.ask_for_key(GST_PAD(joined.pad), set.running_time))
      count(self, &Counters::key_requests);
  }
  bool may_hold = priv->concealment_now().conceal && GST_VIDEO_INFO_FPS_N(&priv->output.info()) > 0 &&
                  joined.state != GST_SEMANTIC_JOIN_EOS && joined.state != GST_SEMANTIC_JOIN_OFF &&
                  joined.state != GST_SEMANTIC_JOIN_UNLINKED;
  if (used.map || !may_hold)
    return used;
  used.map = priv->maps.held(set.running_time, hold_time(self));
  used.held = used.map != nullptr;
  return used;
}

/// Says of a picture that was made with a map of an earlier one.
static void mark_held(GstStructDec* self, const GstSemanticJoinSet& set, Ptr<GstBuffer>& out) {
  count(self, &Counters::held);
  out.reset(gst_buffer_make_writable(out.release()));
  auto meta = gst_buffer_get_semantic_layer_meta(out.get());
  meta->concealed |= kStructureBit;
  if (set.pads[STRUCTURE].state == GST_SEMANTIC_JOIN_LOST)
    meta->lost |= kStructureBit;
}

/// The same map on the same base is the same picture.
static Ptr<GstBuffer> same_again(GstStructDec* self, const GstSemanticJoinSet& set) {
  StructDecPrivate* priv = self->priv;
  GstBuffer* base = set.pads[SINK].buffer;
  auto meta = base ? gst_buffer_get_semantic_layer_meta(base) : nullptr;
  if (!meta || meta->base_id == 0 || meta->base_id != priv->painted_id)
    return nullptr;
  Ptr<GstBuffer> out = priv->output.again();
  if (!out)
    return nullptr;
  out.reset(gst_buffer_make_writable(out.release()));
  set_layers(out.get(), meta->number, layers_of(base) | kStructureBit, meta->lost, 0, meta->concealed);
  return out;
}

/// The picture from below by reference, or what was shown last.
static Ptr<GstBuffer> without_map(GstStructDec* self, const GstSemanticJoinSet& set) {
  StructDecPrivate* priv = self->priv;
  priv->painted_id = 0; // what will have been shown last is something else
  count(self, set.pads[SINK].buffer ? &Counters::passed : &Counters::repeated);
  return priv->pass_base(set);
}

static Ptr<GstBuffer> show_map(GstStructDec* self, const maps::Map* map) {
  StructDecPrivate* priv = self->priv;
  auto agg = GST_AGGREGATOR(self);
  count(self, map ? &Counters::shown_maps : &Counters::repeated);
  if (!map)
    return priv->output.fallback(agg, 0);
  Ptr<GstBuffer> out = priv->output.acquire(agg);
  if (!out)
    return nullptr;
  {
    VideoMap frame(&priv->output.info(), out.get(), GST_MAP_WRITE);
    if (!frame || !stretch({map->data.data(), map->width, map->height, map->width}, frame))
      return nullptr;
  }
  set_layers(out.get(), 0, kStructureBit, 0, 0);
  return out;
}

static GstFlowReturn gst_struct_dec_join(GstSemanticLayerJoin* join, GstSemanticJoinSet* set) {
  auto self = GST_STRUCT_DEC(join);
  return guarded(self, GST_FLOW_ERROR, [&]() -> GstFlowReturn {
    StructDecPrivate* priv = self->priv;
    choose_output(self);
    if (GstFlowReturn flow = priv->output.ready(GST_AGGREGATOR(self)); flow != GST_FLOW_OK)
      return flow;
    bool pictures = GST_VIDEO_INFO_FORMAT(&priv->output.info()) == GST_VIDEO_FORMAT_RGB;
    UsedMap used = choose_map(self, *set);
    if (!pictures)
      return priv->finish(*set, show_map(self, used.held ? nullptr : used.map));
    if (!used.map)
      return priv->finish(*set, without_map(self, *set));
    if (!load_networks(self))
      return GST_FLOW_ERROR;
    Ptr<GstBuffer> out = used.held ? same_again(self, *set) : nullptr;
    runtime::Outcome outcome;
    if (!out)
      outcome = synthesize(self, *set, *used.map, out);
    switch (outcome.result) {
    case runtime::JobResult::Done:
      if (used.held)
        mark_held(self, *set, out);
      else
        count(self, &Counters::painted);
      return priv->finish(*set, std::move(out));
    case runtime::JobResult::Late:
      count(self, &Counters::no_time);
      return priv->finish(*set, without_map(self, *set));
    case runtime::JobResult::Cancelled:
      return GST_FLOW_OK; // flushing or stopping: GstAggregator knows, and would take FLUSHING from us for an
                          // error of downstream
    default:
      GST_ELEMENT_ERROR(self, STREAM, DECODE, ("The picture cannot be made from its edge map."),
                        ("%s", outcome.error.c_str()));
      return GST_FLOW_ERROR;
    }
  });
}

// ---- properties ----------------------------------------------------------------------------------------

static GstStructure* make_stats(GstStructDec* self) {
  GstStructure* stats = gst_semantic_layer_join_get_stats(GST_SEMANTIC_LAYER_JOIN(self), "structdec-stats");
  ObjectLock lock(self);
  const Counters& c = self->priv->counters;
  gst_structure_set(stats, "painted", G_TYPE_UINT64, c.painted, "shown-maps", G_TYPE_UINT64, c.shown_maps,
                    "passed", G_TYPE_UINT64, c.passed, "repeated", G_TYPE_UINT64, c.repeated, "corrupt",
                    G_TYPE_UINT64, c.corrupt, "no-time", G_TYPE_UINT64, c.no_time, "held", G_TYPE_UINT64,
                    c.held, "faded", G_TYPE_UINT64, self->priv->faded, "key-requests", G_TYPE_UINT64,
                    c.key_requests, nullptr);
  return stats;
}

static void gst_struct_dec_set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  StructDecPrivate* priv = GST_STRUCT_DEC(object)->priv;
  if (id == PROP_HOLD_TIME) {
    ObjectLock lock(object);
    priv->hold_time = g_value_get_uint(value);
  } else if (!set_picture_join_property(object, *priv, id, value)) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void gst_struct_dec_get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  auto self = GST_STRUCT_DEC(object);
  StructDecPrivate* priv = self->priv;
  if (id == PROP_HOLD_TIME) {
    ObjectLock lock(object);
    g_value_set_uint(value, priv->hold_time);
  } else if (id == PROP_STATS) {
    g_value_take_boxed(value, make_stats(self));
  } else if (!get_picture_join_property(object, *priv, id, value)) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void gst_struct_dec_init(GstStructDec* self) {
  self->priv = new StructDecPrivate(GST_PICTURE_JOIN(self));
  set_picture_join(self, self->priv);
}

static void gst_struct_dec_class_init(GstStructDecClass* klass) {
  auto object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_struct_dec_set_property;
  object_class->get_property = gst_struct_dec_get_property;
  install_picture_join_properties(object_class, kDefaultFade);
  g_object_class_install_property(
      object_class, PROP_HOLD_TIME,
      g_param_spec_uint("hold-time", "Hold time",
                        "Milliseconds for which, in a video, a map serves in place of later ones that are "
                        "missing, 0 = not at all; needs conceal",
                        0, 60000, kDefaultHold,
                        GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      object_class, PROP_STATS,
      g_param_spec_boxed("stats", "Statistics",
                         "Since READY to PAUSED, all guint64: painted (pictures made with their map), "
                         "shown-maps (without sink pad), passed "
                         "(pictures from below that went through), repeated (nothing arrived, last picture "
                         "again), corrupt (damaged "
                         "maps), no-time (maps left out for a deadline or QoS), held (pictures made with the "
                         "map of an earlier one), faded (pictures of a cross-fade), key-requests (key units "
                         "asked for); and for each sink pad a structure with present, not-sent, lost, late, "
                         "dropped",
                         GST_TYPE_STRUCTURE, GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));

  auto element_class = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template_with_gtype(element_class, &sink_template,
                                                       GST_TYPE_AGGREGATOR_PAD);
  gst_element_class_add_static_pad_template_with_gtype(element_class, &structure_template,
                                                       GST_TYPE_AGGREGATOR_PAD);
  gst_element_class_add_static_pad_template_with_gtype(element_class, &src_template, GST_TYPE_AGGREGATOR_PAD);
  gst_element_class_set_static_metadata(element_class, "Structure layer decoder", "Codec/Decoder/Video",
                                        "Gives pictures the shapes of their edge maps (layer 2)",
                                        "gst-semantic developers");

  auto aggregator_class = GST_AGGREGATOR_CLASS(klass);
  aggregator_class->start = gst_struct_dec_start;
  aggregator_class->stop = gst_struct_dec_stop;

  auto join_class = GST_SEMANTIC_LAYER_JOIN_CLASS(klass);
  join_class->pad_names[SINK] = "sink";
  join_class->pad_names[STRUCTURE] = GSEM_PAD_STRUCTURE;
  join_class->join = gst_struct_dec_join;
  join_class->pad_caps = gst_struct_dec_pad_caps;
  join_class->reset = gst_struct_dec_reset;
}
