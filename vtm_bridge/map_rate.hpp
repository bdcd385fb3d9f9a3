// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "vtm_bridge/map_codec.hpp"

#include <optional>

/// Bytes of maps held to what there is: a search over the quantiser that ends in at most three encodes a map.
namespace gsem::maps {

struct RateLimits {
  size_t max_bytes =
      0; ///< of any map; 0: no limit. A map that is larger at the coarsest quantiser is left out
  /// Bits a second, 0: off. Over any t seconds at most (t + 1) * bitrate bits and one map go out; over any
  /// four seconds, where maps of the finest quantiser are not fewer, the bits are within 10 % of this and one
  /// map. Where even the coarsest maps are too many, some are left out (docs/structure.md).
  unsigned bitrate = 0;
  int finest = 0, coarsest = 63; ///< quantisers; with neither limit every map is coded at `finest`
};

/// Not thread-safe; one a stream, beside its encoder.
class MapRateControl {
public:
  /// `live`: as EncoderSettings::live.
  explicit MapRateControl(bool live = false) : live_(live) {}

  /// May change between maps.
  void set_limits(const RateLimits& limits);

  /// A map is due. False: leave it out, the bit rate has nothing for it (so it need not be made). `elapsed`:
  /// nanoseconds since the last call, whatever came of it; 0 or less when unknown.
  bool offer(bool force_key, int64_t elapsed);
  /// Codes the map, or leaves it out (`sent` false, Ok). `encodes`: how often it was coded. Fails as
  /// MapEncoder::encode does.
  Status encode(MapEncoder& encoder, const MapView& map, bool force_key, EncodedMap& out, bool& sent,
                int& encodes);

  static constexpr int kMaxEncodes = 3;

private:
  /// Maps of one kind (key or delta), seen so far: ln(bytes) is about level - slope * quantiser.
  struct Kind {
    std::optional<double> level;
  };

  void earn(int64_t elapsed);
  double bucket() const { return limits_.bitrate / 8.0 / 2; } ///< bytes it may be over or under its mean
  int wanted_quantiser() const;
  int predict(const Kind& kind, double bytes) const;
  Kind& kind_of(bool key) { return key ? keys_ : deltas_; }
  const Kind& usual() const { return deltas_.level ? deltas_ : keys_; }
  void learn(bool key, int quantiser, size_t bytes);
  void learn_slope(int q0, size_t bytes0, int q1, size_t bytes1);

  bool live_;
  RateLimits limits_;
  Kind keys_, deltas_;
  double slope_ = 0.1; ///< of ln(bytes) over the quantiser
  double credit_ = 0;  ///< bytes earned and not spent, -inf..bucket()
  double period_ = 0;  ///< mean seconds between maps offered; 0: not known yet
};

} // namespace gsem::maps
