// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/access_unit.hpp"
#include "plugins/semantic/copy_cost.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

/// Decides which layers of each access unit go on: docs/adaptation.md, "What the filter drops". No GStreamer
/// in here; time is what the caller says. Not thread-safe.
namespace gsem {

/// Bytes on the wire, headers of all layers of the network included.
struct WireCost {
  unsigned mtu = 1400;      ///< RTP packet with its header
  unsigned overhead = 40;   ///< bytes a packet: IP, UDP, RTP header, extensions, SRTP tag
  unsigned fec_percent = 0; ///< of what is sent, again as redundancy

  /// A unit with `payload` bytes in `layers` layers, sent by rtpsemanticpay.
  uint64_t unit_bytes(uint64_t payload, unsigned layers) const;
  /// The same with what the payloader sends along.
  uint64_t unit_bytes(uint64_t payload, unsigned layers, const CopyBytes& copies) const {
    return unit_bytes(payload + copies.bytes, layers + copies.entries);
  }
  /// Bytes a packet beside the payloads.
  unsigned packet_bytes() const;
};

/// A rung of the ladder from captions alone to everything.
struct LayerPoint {
  uint8_t layer;       ///< highest layer kind sent
  uint8_t map_step;    ///< maps: 0 all, 1..3 one in 2, 4, 8; kKeysOnly
  uint8_t signal_step; ///< signals: 0 all, 1..3 one in 2, 4, 8
};
inline constexpr uint8_t kKeysOnly = 4; ///< key maps; of maps that all stand alone one in 16

/// The order in which layers are given up: signals thinned, maps thinned, the layer dropped.
inline constexpr std::array<LayerPoint, 11> kLayerPoints{{{1, kKeysOnly, 3},
                                                          {2, kKeysOnly, 3},
                                                          {2, 3, 3},
                                                          {2, 2, 3},
                                                          {2, 1, 3},
                                                          {2, 0, 3},
                                                          {3, 1, 3},
                                                          {3, 0, 3},
                                                          {3, 0, 2},
                                                          {3, 0, 1},
                                                          {3, 0, 0}}};

/// Why a layer of a unit does not go on.
enum class CutReason : uint8_t {
  Kept,
  Layer,   ///< the layer is not sent at the present rate
  Thinned, ///< one of those left out in between
  Pace,    ///< too much at once
  Blocked, ///< refers to something that was cut or lost, or the layer waits for a switch point
};

struct LayerChoice {
  std::array<CutReason, bitstream::Limits::max_layers> cut{}; ///< by index into the unit's layers
  bool any_cut = false;
  bool want_key = false;   ///< a layer waits for a switch point and this unit had none: ask for a key unit
  uint64_t wire_bytes = 0; ///< of what goes on
};

/// Rates for the encoders, payload bits a second; 0: leave the layer out.
struct LayerRates {
  uint64_t structure = 0, signal = 0;
};

class LayerSelector {
public:
  static constexpr uint64_t kNever = UINT64_MAX;

  LayerSelector() { fits_since_.fill(kNever); }

  struct Settings {
    unsigned max_layer = 3;
    uint64_t bitrate = 0;                  ///< bits a second on the wire; 0: no limit
    uint64_t pace = 0;                     ///< the same for now, while a queue drains; 0: as `bitrate`
    uint64_t room = kNever;                ///< bytes that may go before the next report; captions go anyway
    unsigned window = 0;                   ///< `room` when all is reported; 0: any number
    uint64_t hold_time = 1'000'000'000ull; ///< ns for which more must fit before more is sent
    WireCost cost;
    CopySettings copies; ///< of the payloader behind
  };

  /// A new stream: everything is forgotten.
  void reset();
  /// Flush, seek: references and time begin anew, the rung stays.
  void restart();
  /// Layers of the stream header; 0 dependencies when there are none.
  void set_layers(const bitstream::StreamHeader& header);
  /// Layers that the encoders were told to leave out: that they are absent says nothing about what they cost.
  void set_silenced(bool structure, bool signal);

  /// The next unit. `now`: ns, its time; going back is taken for standing still.
  LayerChoice choose(const bitstream::AccessUnitHeader& unit, uint64_t now, const Settings& settings);

  /// Highest layer that goes on; 0 before the first unit.
  unsigned current_layer() const { return current_layer_; }
  const LayerPoint& point() const { return kLayerPoints[point_]; }
  /// Maps or signals are thinned as far as that goes: no map is worth sending twice.
  bool sparing() const;
  /// What the encoders may use so that everything fits at the full frame rate. Only with a limit.
  LayerRates encoder_rates(const Settings& settings) const;
  /// Bits a second on the wire that the next rung up, and everything, would take; 0 when not known.
  uint64_t next_rate(const Settings& settings) const;
  uint64_t full_rate(const Settings& settings) const;

private:
  /// Something a second, smoothed. The first unit is often the largest: it counts by and by.
  struct Meter {
    double value = 0, seconds = 0;
    void add(double amount, double decay, double step);
    double rate() const { return value / std::max(seconds, 0.7); }
  };
  /// What is remembered of layers 2 and 3.
  struct Track {
    uint32_t index = 0;                  ///< units since the key
    uint8_t top_id = 0, last_top_id = 0; ///< temporal ids of this key's units and the last one's
    bool flowing = false;                ///< goes on
    bool broken = false;                 ///< what units that are not key refer to did not go on
    bool broken_here = false;            ///< because it was cut, not because it was lost on the way here
    uint8_t dependencies = 0;
    bool listed = true; ///< the stream has it
    bool silenced = false;
    uint64_t silent = 0; ///< ns since it was there
  };

  Track& track(bitstream::LayerKind kind) {
    return kind == bitstream::LayerKind::Structure ? maps_ : signals_;
  }
  static bool thinned(const bitstream::LayerUnit& layer, const Track& track, unsigned step);
  unsigned top_point(const Settings& settings) const;
  double least_rate(const LayerPoint& point, const Settings& settings) const;
  void measure(const bitstream::AccessUnitHeader& unit, const Settings& settings);
  void choose_point(const Settings& settings);
  void move_to(unsigned point);
  CutReason judge(const bitstream::AccessUnitHeader& unit, size_t index, uint8_t kept, LayerChoice& choice);
  void pace(const bitstream::AccessUnitHeader& unit, const Settings& settings, LayerChoice& choice);
  void note(const bitstream::AccessUnitHeader& unit, const LayerChoice& choice);
  double copied() const;

  Track maps_, signals_;
  std::array<Meter, kLayerPoints.size()> rates_{}; ///< on the wire at each rung, all of what comes in counted
  std::array<CopyLedger, kLayerPoints.size()> copies_{}; ///< what would go again at each rung
  CopyLedger sent_copies_;                               ///< what goes again
  Meter units_, captions_, map_payload_;                 ///< units a second; payload bits a second
  Meter map_copies_, other_copies_;                      ///< bits a second in copies, when all maps go
  unsigned point_ = kLayerPoints.size() - 1;
  unsigned current_layer_ = 0;
  uint64_t now_ = kNever, step_ = 0; ///< time of the last unit, since the one before
  std::array<uint64_t, kLayerPoints.size()>
      fits_since_; ///< since when each rung fits well, kNever: it does not
  uint64_t moved_up_ = kNever;
  unsigned patience_ = 1;                          ///< times hold_time; grows when going up was a mistake
  uint64_t moved_up_rate_ = 0, mistaken_rate_ = 0; ///< the limit when it went up, last time and by mistake
  double debt_ = 0;                                ///< bytes sent that the rate has not carried off yet
};

} // namespace gsem
