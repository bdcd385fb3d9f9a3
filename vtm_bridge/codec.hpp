// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "vtm_bridge/map_codec.hpp"

#include <span>

/// What a map codec brings along; codecs.cpp lists them.
namespace gsem::maps {

inline constexpr int kMinSide = 16, kMaxSide = 512;

struct Codec {
  const char* name;
  bool (*available)();
  int min_quantiser, max_quantiser;
  /// Settings are within kMinSide..kMaxSide and the codec's quantisers.
  Status (*create_encoder)(const EncoderSettings& settings, std::unique_ptr<MapEncoder>& out,
                           std::string& error);
  Status (*create_decoder)(ByteView codec_header, std::unique_ptr<MapDecoder>& out, std::string& error);
};

extern const Codec kAv1Codec;

} // namespace gsem::maps
