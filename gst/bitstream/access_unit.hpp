// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/stream_header.hpp"

#include <cstdint>
#include <vector>

/// Access units: everything sent for one picture. Normative text: docs/bitstream.md.
/// Thread-safety: plain values and pure functions.
namespace gsem::bitstream {

struct LayerUnit {
  LayerKind kind = LayerKind::Caption;
  bool key = true;          ///< decodes without earlier access units of this layer
  bool discardable = false; ///< no later unit of any layer refers to it
  bool switch_point = true; ///< a receiver may begin to show this layer here
  bool lost = false;        ///< was sent but did not arrive (set by depayloaders; size is then 0)
  uint8_t temporal_id = 0;  ///< 0..3; a unit refers only to units of lower or equal id
  uint32_t size = 0;        ///< payload bytes without its CRC
};

struct AccessUnitHeader {
  uint16_t number = 0;    ///< counts sent units, wraps
  uint64_t timestamp = 0; ///< ticks of the stream header's time base
  bool key = true; ///< there is a layer, and each that is not lost is key. Not written: follows from `layers`
  std::vector<LayerUnit>
      layers; ///< ascending kind, at most Limits::max_layers. Empty: nothing was sent for this picture
};

/// Unwraps shortened timestamps; one a stream, reset at each stream header or discontinuity. Not thread-safe.
struct TimestampState {
  bool valid = false;
  uint64_t last = 0;
};

/// Appends the unit header (sync, fields, CRC). Payloads follow, each with its CRC-16: see `append_payload`.
/// `state` decides whether a short timestamp is enough. Shortest when `number` began at the first unit's
/// timestamp (low 16 bits) and no picture was left out. TooLarge: over the limits, or a timestamp of 2^63 or
/// more. Corrupt: kinds not ascending or not 1..7, a lost layer with a size. `out` is then as it was.
Status write_access_unit_header(const AccessUnitHeader& header, TimestampState& state, Bytes& out);

/// Reads one unit header at the start of `data`; `header_size` receives its bytes. Payload bytes need not be
/// there yet. `state` may be null for a look ahead (timestamps are then as written, maybe shortened).
Status parse_access_unit_header(ByteView data, AccessUnitHeader& header, size_t& header_size,
                                TimestampState* state);

/// Bytes after the header: every layer's payload and CRC.
size_t payload_section_size(const AccessUnitHeader& header);

/// Appends `payload` and its CRC-16.
void append_payload(ByteView payload, Bytes& out);

/// `section` = payload section. View of layer `index` without CRC; Corrupt when the CRC is wrong,
/// NeedMoreData when cut short, Failed for a lost layer and an index out of range.
Status find_payload(const AccessUnitHeader& header, ByteView section, size_t index, ByteView& payload);

enum class UnitKind { StreamHeader, AccessUnit };

/// Where the next unit that passes its checks begins, at or after `from`. NeedMoreData: none in `data`;
/// `offset` then says from where to look again when more has come. Never returns a position that fails its
/// header CRC.
Status find_unit(ByteView data, size_t from, size_t& offset, UnitKind& kind);

} // namespace gsem::bitstream
