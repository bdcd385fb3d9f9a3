// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace gsem::entropy {

inline constexpr int kQualities = 64; ///< 0..63, 63 the best
inline constexpr int kMeanShift = 6;  ///< means are in 1/64 of a quantiser step

/// Geometry of the latents of a picture. Padding to multiples of 64 happens before analysis.
struct LatentShape {
  int channels = 0, height = 0, width = 0;                   ///< y: picture / 16
  int hyper_channels = 0, hyper_height = 0, hyper_width = 0; ///< z: picture / 64
};

/// Quantised latents, channel-major (c, y, x).
struct Latents {
  int quality = 0;
  std::vector<int16_t> z; ///< rounded hyper-latent
  std::vector<int16_t> y; ///< symbols: round(y - mean)
  // From quantise() and decode(), for the same z and y:
  std::vector<int16_t> mean;  ///< in 1/2^kMeanShift
  std::vector<uint8_t> scale; ///< index 0..63; encode() finds it out again when it is empty
};

/// The integer side of the signal codec: z tables, the integer hyper-decoder (z -> mean, scale index of every
/// y), the context (symbols of the first half -> mean, scale index of the second), scale tables, range
/// coding. All results are bit-exact on every machine: scalar code is the definition, SIMD must match
/// (source: Balle, Johnston, Minnen, "Integer Networks for Data Compression with Latent-Variable Models",
/// ICLR 2019). Immutable after load: thread-safe.
class LatentCoder {
public:
  /// `table` = the bytes of a signal.tbl (copied); weights are checked against accumulator overflow here.
  static Status load(ByteView table, std::shared_ptr<const LatentCoder>& out);
  ~LatentCoder();

  /// Picture size in pixels, 1..4096 each; all zero outside that, which the functions below refuse.
  LatentShape shape(int width, int height) const;

  /// Clamps `latents.z` to the coder's range, predicts, and rounds `y` (channel-major, as many numbers as the
  /// shape says) to `latents.y`: in two passes where the second is predicted from the first. Corrupt when a
  /// size or the quality does not fit.
  Status quantise(const LatentShape& shape, const float* y, Latents& latents) const;

  /// Appends the entropy-coded latents (no header bytes). Symbols outside the tables are escaped (exact for
  /// all int16).
  Status encode(const LatentShape& shape, const Latents& latents, Bytes& out) const;
  /// `latents.quality` is an input (it selects the z tables); fills the rest.
  Status decode(const LatentShape& shape, ByteView data, Latents& latents) const;

  uint64_t parse_hash() const;

  struct Impl; ///< latent_model.hpp, private to models/entropy

private:
  bool codable(const LatentShape& shape, const Latents& latents) const;
  template <typename Code>
  Status predict(const LatentShape& shape, Latents& latents, Code&& code) const;
  explicit LatentCoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

} // namespace gsem::entropy
