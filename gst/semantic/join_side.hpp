// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/layer_join.hpp"
#include "gst/semantic/ptr.hpp"

/// One sink pad of a layer join: what waits at the head of its queue, whether that is late, and what became
/// of it. Aggregator's thread only, but for what says otherwise.
namespace gsem {

struct JoinCounters {
  guint64 present = 0, not_sent = 0, lost = 0, late = 0, dropped = 0;

  void add(GstSemanticJoinState state);
  /// (transfer full)
  GstStructure* to_structure(const gchar* name) const;
};

/// The picture that was joined last.
struct JoinedLast {
  GstClockTime running_time = GST_CLOCK_TIME_NONE;
  GstClockTime duration = GST_CLOCK_TIME_NONE;
};

/// What waits at the head of a pad's queue.
struct JoinHead {
  Ptr<GstBuffer> buffer; ///< null: nothing
  GstClockTime running_time = GST_CLOCK_TIME_NONE;
  bool gap = false;

  /// Without a timestamp it follows `last`.
  static JoinHead of(GstAggregatorPad* pad, const JoinedLast& last);
  /// Running time at which a GAP's span ends, NONE when it has no duration.
  GstClockTime gap_end() const;
};

/// Heads less than the tolerance `tol` apart are of the same picture; it is half a frame.
struct JoinSide {
  GstClockTime frame_duration = GST_CLOCK_TIME_NONE;
  bool missed_last = false; ///< contributed nothing to the last set: what comes for it now is late
  bool had_gap = false;     ///< a GAP spoke for it in the last set
  bool off = false;         ///< the layer is above the semantic-max-layer
  bool gap_runs_on = false; ///< the GAP at the head of the queue covers more pictures than the last one
  JoinCounters counters;    ///< under the join's object lock

  void forget_time() { missed_last = had_gap = gap_runs_on = false; }
  /// The set that `head` belongs to is gone.
  bool is_late(const JoinHead& head, const JoinedLast& last, GstClockTime tol) const;
  /// Fills in what `pad` (null: none), with `head`, brings for the running time of `set`, and takes that out
  /// of the queue.
  void contribute(GstAggregatorPad* pad, const JoinHead& head, GstSemanticJoinSet& set,
                  GstSemanticJoined& joined, GstClockTime tol);

private:
  void take(GstAggregatorPad* pad, const JoinHead& head, GstSemanticJoinSet& set, GstSemanticJoined& joined,
            GstClockTime tol);
};

} // namespace gsem
