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

/// The flags that cost nothing to write. In a key unit every layer is key and a switch point; otherwise a
/// structure map is a discardable delta. The signal is discardable always: each of its units stands alone.
LayerUnit usual_layer_unit(LayerKind kind, bool key_unit);

struct AccessUnitHeader {
  uint16_t number = 0;    ///< counts sent units, wraps
  uint64_t timestamp = 0; ///< ticks of the stream header's time base
  bool key = true;        ///< a decoder may start here
  std::vector<LayerUnit>
      layers; ///< ascending kind, at most Limits::max_layers. Empty: nothing was sent for this picture
};

/// Unwraps shortened timestamps; one a stream, reset at each stream header or discontinuity. Not thread-safe.
struct TimestampState {
  bool valid = false;
  uint64_t last = 0;
};

/// Appends the unit header (sync, fields, CRC). Payloads follow, each with its CRC-16: see `append_payload`.
/// `state` decides whether a short timestamp is enough.
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
/// NeedMoreData when cut short.
Status find_payload(const AccessUnitHeader& header, ByteView section, size_t index, ByteView& payload);

enum class UnitKind { StreamHeader, AccessUnit };

/// Where the next unit that passes its checks begins, at or after `from`. NeedMoreData: none in `data`;
/// `offset` then says from where to look again when more has come. Never returns a position that fails its
/// header CRC.
Status find_unit(ByteView data, size_t from, size_t& offset, UnitKind& kind);

} // namespace gsem::bitstream
