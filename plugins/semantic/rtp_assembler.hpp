// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/access_unit.hpp"
#include "gst/bitstream/rtp_descriptor.hpp"

#include <array>
#include <functional>
#include <optional>
#include <vector>

/// Makes access units of RTP payloads in order of sequence numbers: docs/rtp.md, "Receiving". Takes anything
/// and never holds more than one unit. No GStreamer in here. Not thread-safe.
namespace gsem {

/// When and where a packet came.
struct RtpArrival {
  uint16_t sequence = 0;
  uint32_t rtp_time = 0;
  uint64_t time = 0; ///< the caller's own, handed back with the unit
};

struct ReceivedLayer {
  bitstream::RtpLayer
      layer; ///< of a lost one nothing of which came: what harms least (see rtp_assembler.cpp)
  bool lost = false;
  ByteView data; ///< until the handler returns
};

struct ReceivedUnit {
  uint16_t number = 0;
  RtpArrival first;                  ///< of its first packet
  unsigned units_lost = 0;           ///< whole units missing in front of it
  bool header_here = false;          ///< a stream header came with it
  bool repeat_only = false;          ///< made of a repeat that came alone, after the unit of this number
  bool recovered = false;            ///< made of repeats; `first` is interpolated between its neighbours
  std::vector<ReceivedLayer> layers; ///< ascending kind
};

struct RtpCounters {
  uint64_t packets = 0;
  uint64_t bad = 0;        ///< packets with a broken descriptor, entry, or of another version
  uint64_t late = 0;       ///< packets of units that are over
  uint64_t units_lost = 0; ///< nothing of them came
  uint64_t headerless = 0; ///< units dropped because no stream header was known
  uint64_t repeats = 0;    ///< layers that a repeat brought back
  uint64_t recovered = 0;  ///< units of which only repeats came
};

class RtpAssembler {
public:
  using Handler = std::function<void(const ReceivedUnit&)>;
  explicit RtpAssembler(Handler handler) : handler_(std::move(handler)) {}

  void feed(ByteView payload, const RtpArrival& arrival);
  /// Hands on what there is of the open unit: the stream ends or another begins.
  void finish();
  /// Forgets all units. Counters and stream headers stay.
  void reset();
  /// Back to the stream header from outside, or none.
  void forget_header();

  /// From SDP or caps; empty: none. False: not a stream header. Counts until one comes in-band.
  bool set_outside_header(ByteView bytes);
  /// Layers above count as not sent, and no unit waits for them.
  void set_max_layer(unsigned kind) { max_layer_ = kind; }

  /// First packet of the unit that is under assembly.
  std::optional<RtpArrival> open_unit() const { return open_ ? std::optional(first_) : std::nullopt; }
  /// Of that unit, or of the last one.
  uint16_t number() const { return number_; }

  bool have_header() const { return !header_bytes_.empty(); }
  const bitstream::StreamHeader& header() const { return header_; }
  const Bytes& header_bytes() const { return header_bytes_; }
  const RtpCounters& counters() const { return counters_; }
  void clear_counters() { counters_ = {}; }

private:
  static constexpr size_t kKinds = 8;
  enum class State { Missing, Assembling, Complete };
  struct Slot {
    State state = State::Missing;
    bool flags_known = false;
    bitstream::RtpLayer layer;
    uint8_t dependencies = 0;
    bool own_dependencies = false; ///< in place of the stream header's
    Bytes data;                    ///< keeps its memory from unit to unit
  };
  struct Repeat {
    bool pending = false;
    bitstream::RtpLayer layer;
    uint16_t number = 0;
    Bytes data;
  };

  /// What a repeat brings back of a unit of which no packet came.
  struct Found {
    uint16_t number = 0;
    bitstream::RtpLayer layer;
    ByteView data; ///< into the packet
  };

  std::vector<Found> find_repeats(const bitstream::RtpDescriptor& descriptor, ByteView payload, size_t size);
  bool begin(const bitstream::RtpDescriptor& descriptor, const std::vector<Found>& found,
             const RtpArrival& arrival);
  unsigned recover(const bitstream::RtpDescriptor& descriptor, const std::vector<Found>& found,
                   const RtpArrival& arrival);
  RtpArrival between(uint16_t number, uint16_t last_number, const RtpArrival& last) const;
  void open(const bitstream::RtpDescriptor& descriptor, const RtpArrival& arrival);
  void take_fragment(const bitstream::RtpDescriptor& descriptor, ByteView piece, uint16_t sequence);
  void take_entries(const bitstream::RtpDescriptor& descriptor, ByteView payload, size_t size, bool whole);
  void take_layer(const bitstream::RtpEntry& entry);
  void take_repeat(const bitstream::RtpEntry& entry, uint16_t number);
  void take_header(ByteView bytes);
  bool complete() const;
  bool wanted(size_t kind) const;
  void close();
  void close_repeats(const RtpArrival& arrival);
  void resolve(ReceivedUnit& unit);
  bool use_repeat(size_t kind, ReceivedUnit& unit);
  void hand_on(ReceivedUnit& unit);

  Handler handler_;
  bitstream::StreamHeader header_, outside_header_;
  Bytes header_bytes_, outside_bytes_;
  RtpCounters counters_;
  unsigned max_layer_ = kKinds - 1;

  bool started_ = false; ///< `number_` is that of a unit
  bool open_ = false;
  uint16_t number_ = 0; ///< of the open unit, or of the last one
  uint8_t layers_ = 0;
  unsigned units_lost_ = 0;
  bool header_here_ = false;
  bool recovered_ = false;
  RtpArrival first_;
  std::optional<RtpArrival> last_arrival_; ///< of the last unit that was opened, `last_arrival_number_`
  uint16_t last_arrival_number_ = 0;
  size_t assembling_ = 0; ///< kind, 0: none
  uint16_t next_sequence_ = 0;
  std::array<Slot, kKinds> slots_;
  std::array<Repeat, kKinds> repeats_;
  std::array<bool, kKinds> have_last_{};
  std::array<uint16_t, kKinds> last_{}; ///< unit of the newest layer of each kind
};

} // namespace gsem
