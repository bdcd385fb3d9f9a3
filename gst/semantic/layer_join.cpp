// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/semantic/layer_join.hpp"

#include "gst/semantic/caps.hpp"
#include "gst/semantic/join_side.hpp"
#include "gst/semantic/max_layer.hpp"

#include <algorithm>
#include <array>

GST_DEBUG_CATEGORY_STATIC(gst_semantic_layer_join_debug);
#define GST_CAT_DEFAULT gst_semantic_layer_join_debug

using gsem::JoinHead;
using gsem::JoinSide;

static constexpr int kMaxPads = GST_SEMANTIC_JOIN_MAX_PADS;

struct GstSemanticLayerJoinPrivate {
  std::array<JoinSide, kMaxPads> sides;
  gsem::JoinedLast last;
  guint32 seek_seqnum = GST_SEQNUM_INVALID; ///< of the last seek or flush; under the object lock

  void forget_time() {
    last = {};
    for (auto& side : sides)
      side.forget_time();
  }
};

static gint private_offset;
static gpointer parent_class;

static GstSemanticLayerJoinPrivate* priv_of(gpointer self) {
  return *reinterpret_cast<GstSemanticLayerJoinPrivate**>(G_STRUCT_MEMBER_P(self, private_offset));
}

static GstSemanticLayerJoinClass* class_of(gpointer self) {
  return GST_SEMANTIC_LAYER_JOIN_GET_CLASS(self);
}

static int side_index(gpointer self, const gchar* name) {
  auto* klass = class_of(self);
  for (int i = 0; i < kMaxPads && klass->pad_names[i]; ++i)
    if (g_str_equal(klass->pad_names[i], name))
      return i;
  return -1;
}

static gsem::Ptr<GstPad> find_pad(gpointer self, int index) {
  const gchar* name = class_of(self)->pad_names[index];
  return gsem::Ptr<GstPad>(name ? gst_element_get_static_pad(GST_ELEMENT(self), name) : nullptr);
}

/// Less than this apart is the same picture.
static GstClockTime tolerance(gpointer self) {
  GstClockTime frame = GST_CLOCK_TIME_NONE;
  for (const auto& side : priv_of(self)->sides)
    frame = std::min(frame, side.frame_duration);
  return GST_CLOCK_TIME_IS_VALID(frame) ? std::max<GstClockTime>(frame / 2, 1) : GST_MSECOND;
}

/// GstAggregator waits for pads that nobody linked. EOS in its books, without any event on the pad, makes it
/// stop; a later link begins with STREAM_START, which takes the mark away.
static void mark_unlinked(gpointer self) {
  for (int i = 0; i < kMaxPads && class_of(self)->pad_names[i]; ++i) {
    auto pad = find_pad(self, i);
    if (!pad || gst_pad_is_linked(pad.get()))
      continue;
    auto* aggpad = GST_AGGREGATOR_PAD(pad.get());
    if (!gst_aggregator_pad_is_eos(aggpad))
      GST_AGGREGATOR_CLASS(parent_class)->sink_event(GST_AGGREGATOR(self), aggpad, gst_event_new_eos());
  }
}

static void on_unlinked(GstPad* unlinked, GstPad*, gpointer self) {
  if (!GST_PAD_IS_ACTIVE(unlinked))
    return; // a mark made while stopped would be taken for the end of the next stream
  for (int i = 0; i < kMaxPads; ++i) {
    auto pad = find_pad(self, i);
    if (pad && gst_pad_is_linked(pad.get())) {
      // The last link going away is a pipeline being taken down, not the end of a layer.
      mark_unlinked(self);
      return;
    }
  }
}

static GstAggregatorPad* make_pad(gpointer self, GstPadTemplate* templ) {
  auto* pad = GST_AGGREGATOR_PAD(g_object_new(GST_TYPE_AGGREGATOR_PAD, "name", templ->name_template,
                                              "direction", GST_PAD_SINK, "template", templ, nullptr));
  g_signal_connect_object(pad, "unlinked", G_CALLBACK(on_unlinked), self, GConnectFlags(0));
  return pad;
}

/// GstAggregator removes the pad, which unlinks it, under a lock that `on_unlinked` needs.
static void release_pad(GstElement* element, GstPad* pad) {
  g_signal_handlers_disconnect_by_func(pad, reinterpret_cast<gpointer>(on_unlinked), element);
  GST_ELEMENT_CLASS(parent_class)->release_pad(element, pad);
}

static GstAggregatorPad* create_new_pad(GstAggregator* agg, GstPadTemplate* templ, const gchar*,
                                        const GstCaps*) {
  if (side_index(agg, templ->name_template) < 0 || templ->presence != GST_PAD_REQUEST)
    return nullptr;
  gsem::Ptr<GstPad> existing(gst_element_get_static_pad(GST_ELEMENT(agg), templ->name_template));
  return existing ? nullptr : make_pad(agg, templ);
}

static void constructed(GObject* object) {
  G_OBJECT_CLASS(parent_class)->constructed(object);
  auto* klass = class_of(object);
  for (int i = 0; i < kMaxPads && klass->pad_names[i]; ++i) {
    auto* templ = gst_element_class_get_pad_template(GST_ELEMENT_CLASS(klass), klass->pad_names[i]);
    if (templ && templ->presence == GST_PAD_ALWAYS && !find_pad(object, i))
      gst_element_add_pad(GST_ELEMENT(object), GST_PAD(make_pad(object, templ)));
  }
}

// ---- what arrives ------------------------------------------------------------------------------------

static gboolean handle_caps(GstSemanticLayerJoin* self, GstAggregatorPad* pad, GstEvent* event) {
  auto* klass = class_of(self);
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  const int index = side_index(self, GST_PAD_NAME(pad));
  gint n = 0, d = 1;
  if (index >= 0) {
    JoinSide& side = priv_of(self)->sides[index];
    side.frame_duration = GST_CLOCK_TIME_NONE;
    if (gst_structure_get_fraction(gst_caps_get_structure(caps, 0), "framerate", &n, &d) && n > 0 && d > 0)
      side.frame_duration = gst_util_uint64_scale_int(GST_SECOND, d, n);
  }
  return !klass->pad_caps || klass->pad_caps(self, pad, GST_PAD_NAME(pad), caps);
}

static gboolean handle_segment(GstSemanticLayerJoin* self, GstAggregatorPad* pad, GstEvent* event) {
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event, &segment);
  if (segment->format != GST_FORMAT_TIME) {
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, (nullptr),
                      ("pad %s: a %s segment, but layers are joined by time; put a parser before it",
                       GST_PAD_NAME(pad), gst_format_get_name(segment->format)));
    return FALSE;
  }
  mark_unlinked(self);
  auto* agg = GST_AGGREGATOR(self);
  for (int i = 0; i < kMaxPads; ++i) {
    auto driver = find_pad(self, i);
    if (!driver || !gst_pad_is_linked(driver.get()))
      continue;
    if (driver.get() == GST_PAD(pad)) {
      GstSegment current;
      {
        gsem::ObjectLock lock(self);
        current = GST_AGGREGATOR_PAD(agg->srcpad)->segment;
      }
      current.position = segment->position;
      if (!gst_segment_is_equal(&current, segment))
        gst_aggregator_update_segment(agg, segment);
    }
    break;
  }
  return TRUE;
}

static void handle_max_layer(GstSemanticLayerJoin* self, GstAggregatorPad* pad, GstEvent* event) {
  guint most = 0;
  const int index = side_index(self, GST_PAD_NAME(pad));
  const guint layer = g_str_equal(GST_PAD_NAME(pad), GSEM_PAD_SIGNAL)      ? 3
                      : g_str_equal(GST_PAD_NAME(pad), GSEM_PAD_STRUCTURE) ? 2
                                                                           : 1;
  if (index >= 0 && gst_structure_get_uint(gst_event_get_structure(event), "max-layer", &most))
    priv_of(self)->sides[index].off = layer > most;
}

/// GstAggregator would clip a GAP against the undefined segment, which is a critical warning.
static bool is_gap_without_segment(GstAggregatorPad* pad, GstEvent* event) {
  if (GST_EVENT_TYPE(event) != GST_EVENT_GAP)
    return false;
  gsem::ObjectLock lock(pad);
  return pad->segment.format != GST_FORMAT_TIME;
}

static gboolean sink_event(GstAggregator* agg, GstAggregatorPad* pad, GstEvent* event) {
  auto* self = GST_SEMANTIC_LAYER_JOIN(agg);
  if (is_gap_without_segment(pad, event)) {
    GST_WARNING_OBJECT(pad, "a GAP before any segment has no time: dropped");
    gst_event_unref(event);
    return TRUE;
  }
  gboolean ok = TRUE;
  if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS)
    ok = handle_caps(self, pad, event);
  else if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT)
    ok = handle_segment(self, pad, event);
  else if (GST_EVENT_TYPE(event) == GST_EVENT_CUSTOM_DOWNSTREAM &&
           gst_event_has_name(event, GSEM_EVENT_MAX_LAYER))
    handle_max_layer(self, pad, event);
  if (!ok) {
    gst_event_unref(event);
    return FALSE;
  }
  return GST_AGGREGATOR_CLASS(parent_class)->sink_event(agg, pad, event);
}

/// In a decoding chain a join sees the same seek several times: from each pad of the join above, and as the
/// flush it caused. GstAggregator drops the repeats too, but (1.22..1.28) without releasing them.
static bool is_new_seek(gpointer self, GstEvent* event) {
  gsem::ObjectLock lock(self);
  const guint32 seqnum = gst_event_get_seqnum(event);
  const bool is_new = priv_of(self)->seek_seqnum != seqnum;
  priv_of(self)->seek_seqnum = seqnum;
  return is_new;
}

static gboolean src_event(GstAggregator* agg, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEEK && !is_new_seek(agg, event)) {
    gst_event_unref(event);
    return TRUE;
  }
  return GST_AGGREGATOR_CLASS(parent_class)->src_event(agg, event);
}

/// GstAggregator flushes when *every* sink pad has seen the flush: unlinked ones get it here.
static GstFlowReturn sink_event_pre_queue(GstAggregator* agg, GstAggregatorPad* pad, GstEvent* event) {
  auto* parent = GST_AGGREGATOR_CLASS(parent_class);
  const auto type = GST_EVENT_TYPE(event);
  if (type == GST_EVENT_FLUSH_START)
    is_new_seek(agg, event);
  if ((type == GST_EVENT_FLUSH_START || type == GST_EVENT_FLUSH_STOP) && gst_pad_is_linked(GST_PAD(pad))) {
    for (int i = 0; i < kMaxPads && class_of(agg)->pad_names[i]; ++i) {
      auto other = find_pad(agg, i);
      if (other && other.get() != GST_PAD(pad) && !gst_pad_is_linked(other.get()))
        gst_pad_send_event(other.get(), gst_event_ref(event));
    }
  }
  return parent->sink_event_pre_queue(agg, pad, event);
}

static GstBuffer* clip(GstAggregator*, GstAggregatorPad* pad, GstBuffer* buffer) {
  if (!GST_BUFFER_PTS_IS_VALID(buffer))
    return buffer;
  GstSegment segment;
  {
    gsem::ObjectLock lock(pad);
    segment = pad->segment;
  }
  if (segment.format != GST_FORMAT_TIME) // caps were refused: the segment behind them never came
    return buffer;
  const GstClockTime start = GST_BUFFER_PTS(buffer);
  const GstClockTime stop =
      GST_BUFFER_DURATION_IS_VALID(buffer) ? start + GST_BUFFER_DURATION(buffer) : GST_CLOCK_TIME_NONE;
  guint64 from = 0, to = 0;
  if (!gst_segment_clip(&segment, GST_FORMAT_TIME, start, stop, &from, &to)) {
    GST_DEBUG_OBJECT(pad, "%" GST_PTR_FORMAT " is outside the segment", buffer);
    gst_buffer_unref(buffer);
    return nullptr;
  }
  if (from == start)
    return buffer;
  buffer = gst_buffer_make_writable(buffer);
  GST_BUFFER_PTS(buffer) = from;
  GST_BUFFER_DURATION(buffer) = GST_CLOCK_TIME_IS_VALID(to) ? to - from : GST_CLOCK_TIME_NONE;
  return buffer;
}

// ---- joining ------------------------------------------------------------------------------------------

/// The earliest picture that is waiting: its deadline is the next one. NONE makes the aggregator wait for
/// data.
static GstClockTime get_next_time(GstAggregator* agg) {
  GstClockTime next = GST_CLOCK_TIME_NONE;
  for (int i = 0; i < kMaxPads && class_of(agg)->pad_names[i]; ++i) {
    auto pad = find_pad(agg, i);
    if (!pad || priv_of(agg)->sides[i].gap_runs_on)
      continue;
    next = std::min(next, JoinHead::of(GST_AGGREGATOR_PAD(pad.get()), priv_of(agg)->last).running_time);
  }
  return next;
}

static void clear(GstSemanticJoinSet& set) {
  for (auto& joined : set.pads)
    gst_clear_buffer(&joined.buffer);
}

static GstFlowReturn deliver(GstSemanticLayerJoin* self, GstSemanticJoinSet& set) {
  auto* priv = priv_of(self);
  const gsem::JoinedLast before = priv->last;
  priv->last = {set.running_time, set.duration};
  gst_aggregator_selected_samples(GST_AGGREGATOR(self), set.running_time, GST_CLOCK_TIME_NONE, set.duration,
                                  nullptr);
  const GstFlowReturn flow = class_of(self)->join(self, &set);
  clear(set);
  if (flow != GST_SEMANTIC_JOIN_FLOW_NOTHING)
    return flow;
  priv->last = before;
  return GST_FLOW_OK;
}

namespace {

/// The sink pads and their heads in one call of aggregate().
struct Round {
  std::array<gsem::Ptr<GstPad>, kMaxPads> pads;
  std::array<JoinHead, kMaxPads> heads;
  GstClockTime running_time = GST_CLOCK_TIME_NONE; ///< of the earliest picture that waits
  bool all_eos = true;
  bool dropped = false; ///< a queue has moved: the next head may belong to this set

  GstAggregatorPad* pad(int i) const { return GST_AGGREGATOR_PAD_CAST(pads[i].get()); }
};

} // namespace

static void drop_late(GstSemanticLayerJoin* self, JoinSide& side, GstAggregatorPad* pad,
                      const JoinHead& head) {
  const GstClockTime last = priv_of(self)->last.running_time;
  if (!head.gap) {
    GST_DEBUG_OBJECT(pad, "dropping what came %" GST_TIME_FORMAT " too late",
                     GST_TIME_ARGS(last - std::min(last, head.running_time)));
    if (class_of(self)->late)
      class_of(self)->late(self, pad, head.buffer.get());
    gsem::ObjectLock lock(self);
    ++side.counters.dropped;
  }
  gst_aggregator_pad_drop_buffer(pad);
}

static void look_at_heads(GstSemanticLayerJoin* self, Round& round, GstClockTime tol) {
  auto* priv = priv_of(self);
  for (int i = 0; i < kMaxPads; ++i) {
    JoinSide& side = priv->sides[i];
    if (!(round.pads[i] = find_pad(self, i)))
      continue;
    auto* pad = round.pad(i);
    JoinHead& head = round.heads[i] = JoinHead::of(pad, priv->last);
    if (!head.buffer) {
      side.gap_runs_on = false;
      round.all_eos = round.all_eos && gst_aggregator_pad_is_eos(pad);
      continue;
    }
    round.all_eos = false;
    if (side.gap_runs_on)
      continue;
    if (side.is_late(head, priv->last, tol)) {
      drop_late(self, side, pad, head);
      round.dropped = true;
    } else {
      round.running_time = std::min(round.running_time, head.running_time);
    }
  }
}

/// No other picture waits (the others ended), or the next one lies behind the GAP: it has done its work.
static void drop_ended_gaps(GstSemanticLayerJoin* self, Round& round, GstClockTime tol) {
  for (int i = 0; i < kMaxPads; ++i) {
    JoinSide& side = priv_of(self)->sides[i];
    if (!round.heads[i].buffer || !side.gap_runs_on)
      continue;
    if (!GST_CLOCK_TIME_IS_VALID(round.running_time) || round.running_time + tol > round.heads[i].gap_end()) {
      gst_aggregator_pad_drop_buffer(round.pad(i));
      side.gap_runs_on = false;
      round.dropped = true;
    }
  }
}

static GstFlowReturn aggregate(GstAggregator* agg, gboolean timeout) {
  auto* self = GST_SEMANTIC_LAYER_JOIN(agg);
  const GstClockTime tol = tolerance(self);
  Round round;
  look_at_heads(self, round, tol);
  if (round.dropped)
    return GST_AGGREGATOR_FLOW_NEED_DATA;
  if (round.all_eos)
    return GST_FLOW_EOS;
  drop_ended_gaps(self, round, tol);
  if (round.dropped || !GST_CLOCK_TIME_IS_VALID(round.running_time))
    return GST_AGGREGATOR_FLOW_NEED_DATA;

  GstSemanticJoinSet set{round.running_time, GST_CLOCK_TIME_NONE, {}};
  for (int i = 0; i < kMaxPads && class_of(self)->pad_names[i]; ++i) {
    JoinSide& side = priv_of(self)->sides[i];
    side.contribute(round.pad(i), round.heads[i], set, set.pads[i], tol);
    gsem::ObjectLock lock(self);
    side.counters.add(set.pads[i].state);
  }
  GST_LOG_OBJECT(self, "set at %" GST_TIME_FORMAT ": %d %d %d%s", GST_TIME_ARGS(set.running_time),
                 set.pads[0].state, set.pads[1].state, set.pads[2].state, timeout ? " (deadline)" : "");
  return deliver(self, set);
}

GstFlowReturn gst_semantic_layer_join_finish(GstSemanticLayerJoin* self, const GstSemanticJoinSet* set,
                                             GstBuffer* buffer) {
  auto* agg = GST_AGGREGATOR(self);
  buffer = gst_buffer_make_writable(buffer);
  {
    gsem::ObjectLock lock(self);
    GstSegment* segment = &GST_AGGREGATOR_PAD(agg->srcpad)->segment;
    guint64 position = 0;
    const int sign =
        gst_segment_position_from_running_time_full(segment, GST_FORMAT_TIME, set->running_time, &position);
    GST_BUFFER_PTS(buffer) = sign > 0 ? position : set->running_time;
    GST_BUFFER_DTS(buffer) = GST_CLOCK_TIME_NONE;
    GST_BUFFER_DURATION(buffer) = set->duration;
    segment->position = GST_BUFFER_PTS(buffer);
    if (GST_CLOCK_TIME_IS_VALID(set->duration) && segment->rate > 0)
      segment->position += set->duration;
  }
  return gst_aggregator_finish_buffer(agg, buffer);
}

GstStructure* gst_semantic_layer_join_get_stats(GstSemanticLayerJoin* self, const gchar* name) {
  GstStructure* stats = gst_structure_new_empty(name);
  for (int i = 0; i < kMaxPads && class_of(self)->pad_names[i]; ++i) {
    gsem::JoinCounters counters;
    {
      gsem::ObjectLock lock(self);
      counters = priv_of(self)->sides[i].counters;
    }
    const gchar* pad_name = class_of(self)->pad_names[i];
    gsem::Ptr<GstStructure> nested(counters.to_structure(pad_name));
    gst_structure_set(stats, pad_name, GST_TYPE_STRUCTURE, nested.get(), nullptr);
  }
  return stats;
}

// ---- states -------------------------------------------------------------------------------------------

static void reset(GstAggregator* agg) {
  priv_of(agg)->forget_time();
  if (class_of(agg)->reset)
    class_of(agg)->reset(GST_SEMANTIC_LAYER_JOIN(agg));
}

static gboolean start(GstAggregator* agg) {
  {
    gsem::ObjectLock lock(agg);
    for (auto& side : priv_of(agg)->sides)
      side = JoinSide{};
  }
  reset(agg);
  return TRUE;
}

static gboolean stop(GstAggregator* agg) {
  reset(agg);
  return TRUE;
}

static GstFlowReturn flush(GstAggregator* agg) {
  reset(agg);
  return GST_FLOW_OK;
}

static void finalize(GObject* object) {
  delete priv_of(object);
  G_OBJECT_CLASS(parent_class)->finalize(object);
}

static void class_init(gpointer g_class, gpointer) {
  parent_class = g_type_class_peek_parent(g_class);
  g_type_class_adjust_private_offset(g_class, &private_offset);
  GST_DEBUG_CATEGORY_INIT(gst_semantic_layer_join_debug, "semanticlayerjoin", 0, "join of semantic layers");
  G_OBJECT_CLASS(g_class)->constructed = constructed;
  G_OBJECT_CLASS(g_class)->finalize = finalize;
  GST_ELEMENT_CLASS(g_class)->release_pad = release_pad;
  auto* agg = GST_AGGREGATOR_CLASS(g_class);
  agg->create_new_pad = create_new_pad;
  agg->sink_event = sink_event;
  agg->sink_event_pre_queue = sink_event_pre_queue;
  agg->src_event = src_event;
  agg->clip = clip;
  agg->get_next_time = get_next_time;
  agg->aggregate = aggregate;
  agg->start = start;
  agg->stop = stop;
  agg->flush = flush;
}

static void instance_init(GTypeInstance* instance, gpointer) {
  *reinterpret_cast<GstSemanticLayerJoinPrivate**>(G_STRUCT_MEMBER_P(instance, private_offset)) =
      new GstSemanticLayerJoinPrivate;
}

GType gst_semantic_layer_join_get_type(void) {
  static const GType type = [] {
    const GTypeInfo info = {
        sizeof(GstSemanticLayerJoinClass), nullptr, nullptr,       class_init, nullptr, nullptr,
        sizeof(GstSemanticLayerJoin),      0,       instance_init, nullptr};
    const GType made =
        g_type_register_static(GST_TYPE_AGGREGATOR, "GstSemanticLayerJoin", &info, G_TYPE_FLAG_ABSTRACT);
    private_offset = g_type_add_instance_private(made, sizeof(GstSemanticLayerJoinPrivate*));
    return made;
  }();
  return type;
}
