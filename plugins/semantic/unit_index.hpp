// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"

#include <gst/gst.h>

#include <vector>

namespace gsem {

/// Key units of a whole file, found by walking from header to header. Immutable once built; thread-safe then.
class UnitIndex {
public:
  struct Entry {
    guint64 offset;    ///< of the access unit (a stream header before it not counted)
    guint64 tick;      ///< full timestamp
    GstClockTime time; ///< the same in nanoseconds
  };

  /// Reads up to `size` bytes at `offset` into `out`; false at the end, on errors and when flushing.
  using Pull = bool (*)(gpointer user, guint64 offset, guint size, Bytes& out);

  static UnitIndex build(guint64 end, Pull pull, gpointer user);

  /// The entry that begins exactly at `offset`, null when there is none.
  const Entry* at(guint64 offset) const;
  const std::vector<Entry>& entries() const { return entries_; }
  guint64 units() const { return units_; }
  /// End of the last picture; NONE when nothing was found.
  GstClockTime duration() const { return duration_; }

private:
  std::vector<Entry> entries_; ///< ascending offset, at least a fifth of a second apart
  guint64 units_ = 0;
  GstClockTime duration_ = GST_CLOCK_TIME_NONE;
};

} // namespace gsem
