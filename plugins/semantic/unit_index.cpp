// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/unit_index.hpp"

#include "plugins/semantic/layer_caps.hpp"

#include <algorithm>

namespace gsem {

using namespace bitstream;

namespace {

constexpr guint kBlock = 32768; // longer than any header
constexpr guint64 kMaxUnits = 1u << 20;
constexpr GstClockTime kSpacing = GST_SECOND / 5;

/// The bytes at a moving offset, read block by block.
struct Window {
  guint64 end;
  UnitIndex::Pull pull;
  gpointer user;
  Bytes block;
  guint64 start = 0;

  /// Everything of the block from `offset` on; empty at the end.
  ByteView at(guint64 offset, bool fresh = false) {
    const bool inside = offset >= start && offset < start + block.size();
    if (!inside || (fresh && offset != start)) {
      start = offset;
      block.clear();
      if (offset >= end || !pull(user, offset, guint(std::min<guint64>(kBlock, end - offset)), block))
        block.clear();
    }
    if (block.empty())
      return {};
    return ByteView(block).subspan(size_t(offset - start));
  }
};

} // namespace

GstClockTime StreamClock::place(GstClockTime time, GstClockTime frame) {
  if (after_header_ && GST_CLOCK_TIME_IS_VALID(last_) && time <= last_)
    base_ = end_ > time ? end_ - time : 0;
  after_header_ = false;
  last_ = time;
  end_ = base_ + time + (GST_CLOCK_TIME_IS_VALID(frame) ? frame : kStill);
  return base_ + time;
}

UnitIndex UnitIndex::build(guint64 end, Pull pull, gpointer user) {
  UnitIndex index;
  Window window{end, pull, user, {}};
  StreamHeader header;
  TimestampState timestamps;
  StreamClock clock;
  bool have_header = false;
  guint64 offset = 0, header_start = 0, header_end = 0;
  while (offset < end && index.units_ < kMaxUnits) {
    ByteView data = window.at(offset);
    size_t found = 0;
    UnitKind kind = UnitKind::AccessUnit;
    if (data.empty())
      break;
    if (find_unit(data.first(std::min<size_t>(data.size(), kBlock)), 0, found, kind) != Status::Ok ||
        found > 0) {
      // The header may just be cut by the block's end.
      data = window.at(offset, true);
      if (find_unit(data, 0, found, kind) != Status::Ok) {
        offset += std::max<size_t>(found, 1);
        continue;
      }
      offset += found;
      data = data.subspan(found);
    }
    size_t size = 0;
    if (kind == UnitKind::StreamHeader) {
      StreamHeader next;
      bool known_profile = false;
      if (read_header(data, next, size, known_profile) == Status::Ok) {
        if (next.fps_n != header.fps_n || next.fps_d != header.fps_d)
          timestamps = TimestampState{};
        header = std::move(next);
        have_header = true;
        clock.header();
        header_start = offset;
        header_end = offset + size;
      }
      offset += std::max<size_t>(size, 1);
      continue;
    }
    AccessUnitHeader unit;
    if (parse_access_unit_header(data, unit, size, &timestamps) != Status::Ok) {
      ++offset;
      continue;
    }
    if (have_header) {
      const GstClockTime frame = frame_duration(header), base = clock.base();
      const GstClockTime time = clock.place(tick_time(header, unit.timestamp), frame);
      const guint64 start = header_end == offset && have_header ? header_start : offset;
      if (clock.base() != base)
        index.links_.push_back(Link{start, clock.base()});
      ++index.units_;
      index.duration_ = time + (GST_CLOCK_TIME_IS_VALID(frame) ? frame : 0);
      if (decodes_alone(header, unit) &&
          (index.entries_.empty() || time >= index.entries_.back().time + kSpacing))
        index.entries_.push_back(Entry{offset, start, unit.timestamp, time});
    }
    offset += size + payload_section_size(unit);
  }
  return index;
}

const UnitIndex::Entry* UnitIndex::at(guint64 offset) const {
  auto entry = std::lower_bound(entries_.begin(), entries_.end(), offset,
                                [](const Entry& e, guint64 o) { return e.offset < o; });
  return entry != entries_.end() && entry->offset == offset ? &*entry : nullptr;
}

GstClockTime UnitIndex::base_at(guint64 offset) const {
  auto link = std::upper_bound(links_.begin(), links_.end(), offset,
                               [](guint64 o, const Link& l) { return o < l.offset; });
  return link == links_.begin() ? 0 : std::prev(link)->base;
}

} // namespace gsem
