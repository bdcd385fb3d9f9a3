// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/access_unit.hpp"
#include "gst/bitstream/stream_header.hpp"
#include "gst/semantic/ptr.hpp"

#include <gst/gst.h>

#include <atomic>

namespace gsem {

/// The stream header as rtpsemanticpay sends it: once in the caps, in-band from time to time. Streaming
/// thread, but for ask() and size().
class PayHeader {
public:
  /// Takes the header at the start of `data`; false: a damaged one. `size`: its bytes, 0 when damaged.
  bool take(ByteView data, size_t& size);
  bool known() const { return !bytes_.empty(); }
  const bitstream::StreamHeader& header() const { return header_; }
  ByteView bytes() const { return bytes_; }
  guint size() const { return size_; }
  /// A picture's time; GST_CLOCK_TIME_NONE when not known.
  GstClockTime frame() const;
  /// For the field `config` of the caps: base64.
  Ptr<gchar> config() const;
  /// The highest kind of layer that it announces, at least 1.
  unsigned highest_layer() const;

  /// Whether the caps have it.
  bool announced() const { return announced_; }
  void set_announced() { announced_ = true; }

  /// Somebody may lack it: it goes with the next unit that due() allows.
  void ask() { asked_ = true; }
  /// Whether it goes in-band with `unit`, every `interval` seconds (-1: with key units, 0: never): with units
  /// of which something decodes without earlier ones, so that who joins there sees it at once.
  bool due(int interval, const bitstream::AccessUnitHeader& unit, GstClockTime now) const;
  void note_sent(GstClockTime now);
  /// In-band, since the last forget_time().
  bool sent() const { return sent_; }

  void forget_time();
  void reset();

private:
  bitstream::StreamHeader header_;
  Bytes bytes_;
  bool announced_ = false, sent_ = false;
  GstClockTime sent_at_ = GST_CLOCK_TIME_NONE;
  std::atomic<guint> size_{0};
  std::atomic<bool> asked_{false};
};

} // namespace gsem
