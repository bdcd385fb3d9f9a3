// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/picture_join.hpp"

#include "gst/semantic/caps.hpp"
#include "gst/semantic/layer_meta.hpp"
#include "plugins/semanticcodec/guard.hpp"

using namespace gsem;
using namespace gsem::codec;

namespace {
constexpr int kSink = 0;
constexpr guint kModelFirst = 1, kConcealFirst = kModelFirst + kModelProperties;
} // namespace

struct GstPictureJoinPrivate {
  PictureJoin* state;
};
G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE(GstPictureJoin, gst_picture_join, GST_TYPE_SEMANTIC_LAYER_JOIN)

static GstPictureJoinPrivate* priv_of(gpointer self) {
  return static_cast<GstPictureJoinPrivate*>(gst_picture_join_get_instance_private(GST_PICTURE_JOIN(self)));
}

static PictureJoin& state_of(gpointer self) {
  return *priv_of(self)->state;
}

static bool is_sink(GstAggregatorPad* pad) {
  return g_str_equal(GST_PAD_NAME(pad), "sink");
}

// ---- states --------------------------------------------------------------------------------------------

static gboolean start(GstAggregator* agg) {
  PictureJoin& join = state_of(agg);
  join.cancel.rearm();
  {
    ObjectLock lock(agg);
    join.faded = 0;
  }
  return GST_AGGREGATOR_CLASS(gst_picture_join_parent_class)->start(agg);
}

static gboolean stop(GstAggregator* agg) {
  PictureJoin& join = state_of(agg);
  const gboolean stopped = GST_AGGREGATOR_CLASS(gst_picture_join_parent_class)->stop(agg);
  join.profile.reset();
  join.maps.reset();
  join.output.reset();
  join.base_known = false;
  return stopped;
}

static void reset(GstSemanticLayerJoin* self) {
  PictureJoin& join = state_of(self);
  join.cancel.rearm();
  join.pacing.reset();
  join.maps.flush();
  join.output.forget();
  join.fade.forget();
}

static GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    state_of(element).cancel.cancel();
  return GST_ELEMENT_CLASS(gst_picture_join_parent_class)->change_state(element, transition);
}

/// Too late to be shown, but later maps may refer to it.
static void late(GstSemanticLayerJoin* self, GstAggregatorPad* pad, GstBuffer* buffer) {
  if (!g_str_equal(GST_PAD_NAME(pad), GSEM_PAD_STRUCTURE) ||
      GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT))
    return;
  guarded(self, FALSE, [&]() -> gboolean {
    const GstClockTime time =
        gst_segment_to_running_time(&pad->segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
    state_of(self).maps.decode(GST_ELEMENT(self), buffer, time);
    return TRUE;
  });
}

// ---- caps, queries, events -----------------------------------------------------------------------------

static GstFlowReturn update_src_caps(GstAggregator* agg, GstCaps* allowed, GstCaps** result) {
  return state_of(agg).output.update_src_caps(allowed, result);
}

static gboolean sink_query(GstAggregator* agg, GstAggregatorPad* pad, GstQuery* query) {
  if (is_sink(pad) && answer_accept_raw(query))
    return TRUE;
  return GST_AGGREGATOR_CLASS(gst_picture_join_parent_class)->sink_query(agg, pad, query);
}

static gboolean propose_allocation(GstAggregator*, GstAggregatorPad* pad, GstQuery*, GstQuery* query) {
  if (is_sink(pad))
    gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  return TRUE;
}

static gboolean src_event(GstAggregator* agg, GstEvent* event) {
  JoinPacing& pacing = state_of(agg).pacing;
  pacing.handle_latency(event);
  if (GST_EVENT_TYPE(event) == GST_EVENT_QOS)
    event = pacing.handle_qos(event);
  return GST_AGGREGATOR_CLASS(gst_picture_join_parent_class)->src_event(agg, event);
}

static GstFlowReturn sink_event_pre_queue(GstAggregator* agg, GstAggregatorPad* pad, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_START)
    state_of(agg).cancel.cancel();
  else if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP)
    state_of(agg).cancel.rearm(); // also when only one pad is flushed
  return GST_AGGREGATOR_CLASS(gst_picture_join_parent_class)->sink_event_pre_queue(agg, pad, event);
}

// ---- class ---------------------------------------------------------------------------------------------

static void finalize(GObject* object) {
  delete priv_of(object)->state;
  G_OBJECT_CLASS(gst_picture_join_parent_class)->finalize(object);
}

static void gst_picture_join_init(GstPictureJoin*) {}

static void gst_picture_join_class_init(GstPictureJoinClass* klass) {
  G_OBJECT_CLASS(klass)->finalize = finalize;
  GST_ELEMENT_CLASS(klass)->change_state = change_state;
  auto aggregator = GST_AGGREGATOR_CLASS(klass);
  aggregator->start = start;
  aggregator->stop = stop;
  aggregator->update_src_caps = update_src_caps;
  aggregator->decide_allocation = JoinOutput::decide_allocation;
  aggregator->propose_allocation = propose_allocation;
  aggregator->sink_query = sink_query;
  aggregator->src_event = src_event;
  aggregator->sink_event_pre_queue = sink_event_pre_queue;
  auto join = GST_SEMANTIC_LAYER_JOIN_CLASS(klass);
  join->late = late;
  join->reset = reset;
}

// ---- PictureJoin ---------------------------------------------------------------------------------------

namespace gsem::codec {

PictureJoin::PictureJoin(GstPictureJoin* owner, JoinPacing::Layer layer, int top, guint bit, guint fade)
    : concealment{true, fade}, pacing(layer), owner_(owner), top_(top), bit_(bit) {}

gboolean PictureJoin::take_base_caps(GstCaps* caps) {
  GstVideoInfo info;
  if (!gst_video_info_from_caps(&info, caps) || !check_raw_caps(GST_ELEMENT(owner_), caps, &info))
    return FALSE;
  base_info = info;
  base_known = true;
  return TRUE;
}

ConcealSettings PictureJoin::concealment_now() const {
  ObjectLock lock(owner_);
  return concealment;
}

Ptr<GstBuffer> PictureJoin::pass_base(const GstSemanticJoinSet& set) {
  auto agg = GST_AGGREGATOR(owner_);
  GstBuffer* base = set.pads[kSink].buffer;
  if (!base)
    return output.fallback(agg, kMidGrey);
  Ptr<GstBuffer> out = output.pass(agg, base, base_info);
  if (out && set.pads[top_].state == GST_SEMANTIC_JOIN_LOST) {
    out.reset(gst_buffer_make_writable(out.release()));
    if (auto meta = gst_buffer_get_semantic_layer_meta(out.get()))
      meta->lost |= bit_;
  }
  return out;
}

GstFlowReturn PictureJoin::finish(const GstSemanticJoinSet& set, Ptr<GstBuffer> out) {
  auto agg = GST_AGGREGATOR(owner_);
  if (out)
    output.remember(out.get()); // without the mixture: it serves as it is meant
  const ConcealSettings settings = concealment_now();
  const bool conceals = settings.conceal && set.pads[top_].state != GST_SEMANTIC_JOIN_OFF;
  out = fade.apply(agg, output, std::move(out), conceals ? settings.fade : 0);
  if (!out)
    return GST_PAD_IS_FLUSHING(GST_AGGREGATOR_SRC_PAD(agg)) ? GST_FLOW_FLUSHING : GST_FLOW_ERROR;
  if (fade.concealed()) {
    ObjectLock lock(owner_);
    ++faded;
  }
  return gst_semantic_layer_join_finish(GST_SEMANTIC_LAYER_JOIN(owner_), &set, out.release());
}

void set_picture_join(gpointer owner, PictureJoin* state) {
  priv_of(owner)->state = state;
}

void install_picture_join_properties(GObjectClass* klass, guint default_fade) {
  install_model_properties(klass, kModelFirst);
  install_conceal_properties(klass, kConcealFirst, default_fade);
}

bool set_picture_join_property(GObject* object, PictureJoin& join, guint id, const GValue* value) {
  if (id >= kPictureJoinProperties)
    return false;
  if (id < kConcealFirst)
    set_model_property(object, join.settings, id - kModelFirst, value);
  else
    set_conceal_property(object, join.concealment, id - kConcealFirst, value);
  return true;
}

bool get_picture_join_property(GObject* object, const PictureJoin& join, guint id, GValue* value) {
  if (id >= kPictureJoinProperties)
    return false;
  if (id < kConcealFirst)
    get_model_property(object, join.settings, id - kModelFirst, value);
  else
    get_conceal_property(object, join.concealment, id - kConcealFirst, value);
  return true;
}

} // namespace gsem::codec
