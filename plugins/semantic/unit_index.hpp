// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"

#include <gst/gst.h>

#include <vector>

namespace gsem {

/// Times of access units in a stream that may be several, one behind the other (`cat a.gsem b.gsem`): where the
/// time goes back behind a stream header a new stream begins, and goes on where the last one ended. A still
/// picture (no frame rate) lasts kStill then. Not thread-safe.
class StreamClock {
public:
  static constexpr GstClockTime kStill = GST_SECOND;

  void header() { after_header_ = true; }
  /// Time of the unit whose own header says `time`; `frame`: its duration, NONE when unknown.
  GstClockTime place(GstClockTime time, GstClockTime frame);
  /// What is added to the units' own times.
  GstClockTime base() const { return base_; }
  /// The bytes go on elsewhere, where `base` is added.
  void jump(GstClockTime base) { *this = StreamClock{base}; }

  StreamClock() = default;
  explicit StreamClock(GstClockTime base) : base_(base) {}

private:
  GstClockTime base_ = 0;
  GstClockTime last_ = GST_CLOCK_TIME_NONE, end_ = 0; ///< the last unit, its own time and its end as placed
  bool after_header_ = false;
};

/// Key units of a whole file, found by walking from header to header. Immutable once built; thread-safe then.
class UnitIndex {
public:
  struct Entry {
    guint64 offset;    ///< of the access unit
    guint64 start;     ///< of the stream header directly before it, where there is one, else `offset`
    guint64 tick;      ///< full timestamp
    GstClockTime time; ///< as StreamClock places it
  };

  /// Reads up to `size` bytes at `offset` into `out`; false at the end, on errors and when flushing.
  using Pull = bool (*)(gpointer user, guint64 offset, guint size, Bytes& out);

  static UnitIndex build(guint64 end, Pull pull, gpointer user);

  /// The entry that begins exactly at `offset`, null when there is none.
  const Entry* at(guint64 offset) const;
  /// What StreamClock adds to the times of the units at `offset`.
  GstClockTime base_at(guint64 offset) const;
  const std::vector<Entry>& entries() const { return entries_; }
  guint64 units() const { return units_; }
  /// End of the last picture; NONE when nothing was found.
  GstClockTime duration() const { return duration_; }

private:
  struct Link {
    guint64 offset; ///< of the first header or access unit that it holds for
    GstClockTime base;
  };
  std::vector<Link> links_;    ///< ascending offset; streams joined in one file
  std::vector<Entry> entries_; ///< ascending offset, at least a fifth of a second apart
  guint64 units_ = 0;
  GstClockTime duration_ = GST_CLOCK_TIME_NONE;
};

} // namespace gsem
