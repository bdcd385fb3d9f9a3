// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "vtm_bridge/map_codec.hpp"

#include <span>

/// What a map codec brings along; map_codec.cpp lists them.
namespace gsem::maps {

inline constexpr int kMinSide = 16, kMaxSide = 512;

struct Codec {
  const char* name;
  const char* format;  ///< coded_format()
  bool (*available)(); ///< for available_codecs(); create_* say what is missing
  int min_quantiser, max_quantiser;
  /// Settings are within kMinSide..kMaxSide and the codec's quantisers.
  Status (*create_encoder)(const EncoderSettings& settings, std::unique_ptr<MapEncoder>& out,
                           std::string& error);
  Status (*create_decoder)(ByteView codec_header, const ExternalPrograms& programs,
                           std::unique_ptr<MapDecoder>& out, std::string& error);
};

extern const Codec kAv1Codec, kVtmCodec, kVvcCodec;

} // namespace gsem::maps
