// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/export.h"

#include <gst/base/gstaggregator.h>

G_BEGIN_DECLS

#define GST_TYPE_SEMANTIC_LAYER_JOIN (gst_semantic_layer_join_get_type ())
GST_SEMANTIC_API G_DECLARE_DERIVABLE_TYPE (GstSemanticLayerJoin, gst_semantic_layer_join, GST, SEMANTIC_LAYER_JOIN, GstAggregator)

/// Why a pad contributes nothing to a set.
typedef enum {
  GST_SEMANTIC_JOIN_PRESENT,
  GST_SEMANTIC_JOIN_NOT_SENT, ///< plain GAP
  GST_SEMANTIC_JOIN_LOST,     ///< GAP with MISSING_DATA
  GST_SEMANTIC_JOIN_LATE,     ///< live time-out: nothing there when the deadline came
  GST_SEMANTIC_JOIN_EOS,
  GST_SEMANTIC_JOIN_UNLINKED, ///< pad never requested or not linked
  GST_SEMANTIC_JOIN_OFF,      ///< not sent because nobody wants the layer (event semantic-max-layer): nothing is to stand in for it
} GstSemanticJoinState;

/// What one pad brings for one running time.
typedef struct {
  GstAggregatorPad* pad;      ///< null when there is no such pad
  GstSemanticJoinState state;
  GstBuffer* buffer;          ///< owned by the set; null unless PRESENT
} GstSemanticJoined;

#define GST_SEMANTIC_JOIN_MAX_PADS 3

/// What `join` returns when it could show nothing yet: data of this running time that come later are no less welcome.
#define GST_SEMANTIC_JOIN_FLOW_NOTHING GST_FLOW_CUSTOM_SUCCESS

typedef struct {
  GstClockTime running_time;
  GstClockTime duration;                ///< of the driving buffer, or GST_CLOCK_TIME_NONE
  GstSemanticJoined pads[GST_SEMANTIC_JOIN_MAX_PADS]; ///< in the order of the class's `pad_names`
} GstSemanticJoinSet;

/// Collects, for each running time, what every sink pad has of it, and calls `join` once. Base of semanticmux, structdec and signaldec.
/// A set is complete when each linked pad has a buffer or GAP queued, or is EOS; in live pipelines the deadline completes it. Buffers and GAPs belong
/// together when their running times differ by less than half the stream's frame duration (1 ms when unknown). Request pads keep their template's name;
/// templates of ALWAYS presence get their pad when the element is made. The source segment is that of the first linked pad in the order of `pad_names`.
/// A subclass that overrides sink_event, sink_event_pre_queue, src_event, start, stop, flush, clip, create_new_pad or get_next_time chains up.
struct _GstSemanticLayerJoinClass {
  GstAggregatorClass parent_class;
  const gchar* pad_names[GST_SEMANTIC_JOIN_MAX_PADS]; ///< template names, null at the end
  /// One call a running time. Implementations push with gst_semantic_layer_join_finish() or return GST_FLOW_OK without output.
  GstFlowReturn (*join) (GstSemanticLayerJoin* self, GstSemanticJoinSet* set);
  /// New caps on a sink pad; FALSE refuses them (after posting an element error).
  gboolean (*pad_caps) (GstSemanticLayerJoin* self, GstAggregatorPad* pad, const gchar* name, GstCaps* caps);
  /// `buffer` came after its set was gone and will be dropped; later ones may refer to it. Optional.
  void (*late) (GstSemanticLayerJoin* self, GstAggregatorPad* pad, GstBuffer* buffer);
  /// Drop everything that depends on time (flush, stop). Optional.
  void (*reset) (GstSemanticLayerJoin* self);
};

/// Sets PTS (from the set's running time in the source segment) and duration, updates the segment position and pushes. Takes the buffer.
GST_SEMANTIC_API GstFlowReturn gst_semantic_layer_join_finish (GstSemanticLayerJoin* self, const GstSemanticJoinSet* set, GstBuffer* buffer);

/// Counters since READY->PAUSED, for `stats`: structure "<name>", a nested structure per pad with present, not-sent, lost, late (sets, guint64)
/// and dropped (buffers that came after their set was gone, guint64). Thread-safe.
GST_SEMANTIC_API GstStructure* gst_semantic_layer_join_get_stats (GstSemanticLayerJoin* self, const gchar* name);

G_END_DECLS
