// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/access_unit.hpp"
#include "gst/semantic/ptr.hpp"

#include <gst/gst.h>

#include <string>
#include <vector>

/// Streams written with the bitstream library alone, so that no element is tested against itself.
namespace stream {

using gsem::Bytes;
using namespace gsem::bitstream;

/// 64x48 at 25 fps with the layers of `kinds` (1, 2, 3), hashes and a structure codec header filled in.
StreamHeader header(const std::vector<int>& kinds, uint32_t fps = 25);
Bytes header_bytes(const StreamHeader& header);

struct Piece {
  int kind;
  Bytes payload;
  bool key = true, discardable = false, lost = false;
  uint8_t temporal_id = 0;
};

/// Writes access units one after the other.
class Writer {
public:
  explicit Writer(StreamHeader header) : header_(std::move(header)) {}
  Bytes unit(uint64_t tick, const std::vector<Piece>& pieces);
  const StreamHeader& header() const { return header_; }
  void restart() { timestamps_ = TimestampState{}; } ///< a stream header was repeated here

private:
  StreamHeader header_;
  TimestampState timestamps_;
  uint16_t number_ = 0;
};

/// Deterministic payload of `size` bytes.
Bytes payload(int seed, size_t size);

void append(Bytes& to, const Bytes& more);
GstBuffer* buffer(const Bytes& bytes, GstClockTime pts = GST_CLOCK_TIME_NONE);
Bytes bytes_of(GstBuffer* buffer);

/// A file: `units` access units with all `kinds`, header repeated each `header_every` units. Unit i has
/// payload (10*i+kind, 20+kind).
Bytes file(const std::vector<int>& kinds, int units, int header_every = 10);

/// A pipeline's or element's messages of one type, counted and dropped; errors' texts are kept.
struct Messages {
  int warnings = 0, errors = 0;
  GQuark error_domain = 0;
  int error_code = 0;
  std::string error_text;
};
/// Takes all messages off the bus.
Messages drain(GstBus* bus);

} // namespace stream
