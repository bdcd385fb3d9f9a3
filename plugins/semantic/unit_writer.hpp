// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semantic/layer_caps.hpp"
#include "plugins/semantic/rtp_assembler.hpp"

/// Writes what RTP brought of an access unit in the form of the stream. Streaming thread only.
namespace gsem {

/// The header of the unit: layers nothing of which can be used are marked as lost.
bitstream::AccessUnitHeader unit_header(const ReceivedUnit& received, uint64_t tick);

class UnitWriter {
public:
  /// The stream header that units from now on belong to; the next one begins with it.
  void set_stream_header(const Bytes& bytes);
  const Bytes& stream_header() const { return stream_header_; }
  /// Has the next unit begin with the stream header.
  void repeat_header() { header_due_ = true; }
  void forget();

  /// (transfer full) Null when the unit cannot be written: more unknown layers than the stream form takes.
  GstBuffer* write(const ReceivedUnit& received, const bitstream::AccessUnitHeader& unit);

private:
  Bytes stream_header_;
  bitstream::TimestampState timestamps_;
  bool header_due_ = true;
};

} // namespace gsem
