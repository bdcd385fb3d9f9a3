// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "vtm_bridge/map_codec.hpp"
#include "vtm_bridge/vvc_nal.hpp"

#include <algorithm>

/// What lies between maps and VVC pictures, whoever codes them.
namespace gsem::maps {

/// Coding blocks are 8 pixels a side at least, so the sides of pictures are multiples of that.
inline constexpr int padded_side(int side) {
  return (side + 7) / 8 * 8;
}

/// The map with its right column and bottom row repeated up to padded_side() of both. Sample: uint8_t,
/// int16_t.
template <typename Sample>
void pad_map(const MapView& map, std::vector<Sample>& out) {
  const auto width = static_cast<size_t>(map.width), padded = static_cast<size_t>(padded_side(map.width));
  const int height = padded_side(map.height);
  out.resize(padded * static_cast<size_t>(height));
  Sample* to = out.data();
  for (int y = 0; y < height; y++, to += padded) {
    const uint8_t* row = map.data + static_cast<ptrdiff_t>(std::min(y, map.height - 1)) * map.stride;
    std::copy_n(row, width, to);
    std::fill(to + width, to + padded, row[width - 1]);
  }
}

/// The map's part of a decoded picture whose rows are `stride` samples apart. False when a sample is over
/// 255.
template <typename Sample>
bool crop_map(const Sample* picture, size_t stride, int width, int height, Map& out) {
  out.width = width;
  out.height = height;
  out.data.resize(static_cast<size_t>(width) * static_cast<size_t>(height));
  uint8_t* to = out.data.data();
  unsigned all = 0;
  for (int y = 0; y < height; y++, picture += stride)
    for (int x = 0; x < width; x++) {
      all |= static_cast<unsigned>(picture[x]);
      *to++ = static_cast<uint8_t>(picture[x]);
    }
  return all <= 255;
}

/// Takes an encoder's byte streams, one map each, apart into what is sent.
class VvcSplitter {
public:
  /// `encoder`: whom errors blame, "VTM's encoder /usr/bin/x".
  explicit VvcSplitter(std::string encoder = {}) : encoder_(std::move(encoder)) {}

  /// The codec header from the stream of a first map, which is not sent.
  Status learn(ByteView stream, int width, int height);
  /// The payload of another map.
  Status split(ByteView stream, Bytes& payload);
  const Bytes& codec_header() const { return codec_header_; }
  const std::string& error() const { return error_; } ///< of what failed last

private:
  Status fail(const std::string& what) {
    error_ = encoder_ + what;
    return Status::Failed;
  }
  Status take_apart(ByteView stream);

  std::string encoder_, error_;
  Bytes codec_header_;
  VvcHeader header_;                               ///< what codec_header_ says
  std::vector<ByteView> parameter_sets_, picture_; ///< of the stream at hand
};

/// Puts a map together as decoders want it: a PPS in the payload takes the place of the codec header's.
void join_vvc(const VvcHeader& header, const std::vector<ByteView>& units, Bytes& stream);

} // namespace gsem::maps
