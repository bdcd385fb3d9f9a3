// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/stream_header.hpp"

#include <cstdint>
#include <optional>

/// What stands in front of the layers in an RTP payload. Normative text: docs/rtp.md, "Payload descriptor".
/// A packet either carries a piece of one layer (a fragment) or several small things (an aggregate).
/// Packets are whole: what ends early is Corrupt, never NeedMoreData. Thread-safety: plain values, pure
/// functions.
namespace gsem::bitstream {

inline constexpr uint8_t kRtpVersion = 0;        ///< of the payload format, two bits
inline constexpr size_t kRtpDescriptorBytes = 4; ///< of a usual packet
inline constexpr size_t kMaxRtpEntries = 32;     ///< in one packet

/// A layer of an access unit; the flags mean the same as in LayerUnit.
struct RtpLayer {
  LayerKind kind = LayerKind::Caption; ///< 1..7
  bool key = true;
  bool discardable = false;
  bool switch_point = true;
  uint8_t temporal_id = 0; ///< 0..3
  bool operator==(const RtpLayer&) const = default;
};

struct RtpDescriptor {
  uint16_t number = 0; ///< of the access unit: counts units as sent, wraps
  /// Bit k: layer kind k is part of the unit as sent, in this packet or another. 0: the packet has no part of
  /// a unit (stream header or repeats only), `number` is then that of the last unit sent.
  uint8_t layers = 0;
  bool fragment = false; ///< false: an aggregate, its entries follow
  // Of a fragment
  RtpLayer layer;
  bool start = true, end = true; ///< first and last piece of the layer
  /// LayerKinds of the same unit without which this layer cannot be decoded, as LayerInfo::dependencies;
  /// none: as the stream header says. (A layer that needs other ones than that is sent as a fragment, also
  /// when whole.)
  std::optional<uint8_t> dependencies;
  // Of an aggregate
  uint8_t entries = 0; ///< 1..3: so many, the last without its size; 0: any number, all with their sizes

  bool operator==(const RtpDescriptor&) const = default;
};

/// Highest layer kind of the unit as sent, 0 when `layers` is 0.
uint8_t highest_layer(const RtpDescriptor& descriptor);

/// Appends the descriptor. Corrupt, and nothing appended: a fragment of a layer that `layers` lacks, values
/// out of range.
Status write_rtp_descriptor(const RtpDescriptor& descriptor, Bytes& out);

/// Reads the descriptor of `packet` (an RTP payload); `size` receives its bytes. Unsupported: another
/// version. Corrupt: broken, or nothing follows it.
Status parse_rtp_descriptor(ByteView packet, RtpDescriptor& descriptor, size_t& size);

struct RtpEntry {
  enum class Type : uint8_t {
    Layer,        ///< a whole layer of the unit
    StreamHeader, ///< as in docs/bitstream.md, with its CRC
    Repeat,       ///< a whole layer of an earlier unit, sent again
    Unknown,      ///< of a newer version: skip
  };
  Type type = Type::Layer;
  RtpLayer layer;      ///< Layer, Repeat
  uint16_t number = 0; ///< Repeat: the unit that it belongs to
  ByteView data;       ///< not empty; the payload without CRC-16, or the stream header
};

/// Appends what stands in front of the entry's data (not the data: it may stay where it is). `with_size`:
/// false for the last entry of an aggregate whose `entries` is not 0. Corrupt, and nothing appended: type
/// Unknown, empty data, values out of range.
Status write_rtp_entry(const RtpEntry& entry, bool with_size, Bytes& out);

/// Walks over the entries of an aggregate. Views into the packet; not thread-safe.
class RtpEntryReader {
public:
  /// `descriptor`, `size`: what parse_rtp_descriptor gave for `packet`.
  RtpEntryReader(const RtpDescriptor& descriptor, ByteView packet, size_t size);

  /// No more entries.
  bool done() const { return left_.empty(); }
  /// Corrupt ends the walk; entries before it are good.
  Status next(RtpEntry& entry);

private:
  Status fail();

  ByteView left_;
  uint8_t layers_, counted_;
  size_t read_ = 0;
};

} // namespace gsem::bitstream
