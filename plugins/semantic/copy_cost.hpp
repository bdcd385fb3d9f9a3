// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/access_unit.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

/// What rtpsemanticpay sends beside the layers of a unit: captions and maps again, stream headers in-band
/// (docs/rtp.md, "Sending"). The filter in front of it counts these bytes too. No GStreamer in here; time is
/// what the caller says, ns. Not thread-safe.
namespace gsem {

/// How the payloader is set.
struct CopySettings {
  static constexpr size_t kMostRepeats = 8;
  unsigned caption_rides = 0; ///< units that take a caption along
  unsigned key_map_rides = 0, map_rides = 0;
  bool every_second = false;                    ///< of the other maps goes again once
  std::array<uint64_t, kMostRepeats> repeats{}; ///< ns after a caption at which it goes out once more
  size_t repeat_count = 0;
  bool start = false;           ///< what the first unit has for all goes twice, the second time by itself
  unsigned header_bytes = 0;    ///< of the stream header
  uint64_t header_interval = 0; ///< ns; 0: none in-band
};

/// Units that take a map along: those that others refer to, so often as is set for them, and once more than
/// all others; every second of the others (temporal id 1) once, so that a tenth of the packets may be lost
/// and more than nine tenths of the maps are there.
inline unsigned map_rides(bool key, bool discardable, unsigned temporal_id, const CopySettings& settings) {
  if (key && !discardable)
    return std::max(settings.map_rides ? settings.map_rides + 1 : 0, settings.key_map_rides);
  const bool half = settings.every_second && discardable && temporal_id == 1;
  return std::max(settings.map_rides, half ? 1u : 0u);
}

/// What a caption's repeat waits longer for a unit to travel with, where rate is scarce, ns.
inline constexpr uint64_t kSparingWait = 160'000'000;

/// What of a unit goes on.
struct SentUnit {
  unsigned layers = 0;
  unsigned caption = 0;   ///< bytes; 0: none
  unsigned map = 0;       ///< bytes; 0: none
  unsigned map_rides = 0; ///< units that take it along
  bool key_map = false;
  bool any_key = false;
  bool sparing = false; ///< no map goes again, and captions wait longer for a unit to go with
};

/// What goes with it.
struct CopyBytes {
  uint64_t bytes = 0;   ///< payload, as WireCost::unit_bytes counts it
  unsigned entries = 0; ///< as many as layers
  uint64_t maps = 0;    ///< of `bytes`, those of maps
};

/// The payloader's memory, for one way of choosing layers.
class CopyLedger {
public:
  static constexpr uint64_t kNever = UINT64_MAX;

  /// What the payloader adds to this unit, which may also be none of the layers.
  CopyBytes with(const SentUnit& unit, uint64_t now, const CopySettings& settings) const;
  /// Until when a caption has gone again, alone where no unit takes it along; kNever: not soon.
  uint64_t next_repeat(bool sparing) const {
    return due_first_ < due_end_ ? due_[due_first_] + (sparing ? kSparingWait : 0) : kNever;
  }
  /// What goes by itself behind this unit, when it is the first.
  CopyBytes behind_first(const SentUnit& unit, const CopySettings& settings) const;
  /// It went.
  void sent(const SentUnit& unit, uint64_t now, const CopySettings& settings);

private:
  /// A repeat's head is longer than a layer's: the number of its unit and more (docs/rtp.md).
  static constexpr unsigned kRepeatHead = 3;
  struct MapCopy {
    unsigned bytes = 0, rides = 0;
  };
  bool caption_due(const SentUnit& unit, uint64_t now) const;
  bool header_due(const SentUnit& unit, uint64_t now, const CopySettings& settings) const;

  unsigned caption_ = 0, rides_ = 0;
  std::array<uint64_t, CopySettings::kMostRepeats> due_{}; ///< ascending
  size_t due_first_ = 0, due_end_ = 0;
  std::array<MapCopy, 8> maps_{}; ///< oldest first
  size_t map_count_ = 0;
  uint64_t header_time_ = kNever;
  bool started_ = false;
};

} // namespace gsem
