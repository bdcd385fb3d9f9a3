// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "vtm_bridge/map_codec.hpp"

/// VVC stills by libraries, in this process: VVenC codes, vvdec decodes (Fraunhofer HHI; docs/vtm.md). What
/// is written is as VTM's, so either decodes the other's.
namespace gsem::maps {

/// Every map is a key map; `live` takes a faster preset. `speed`: 0 (slower) to 4 (faster). Codes a grey map
/// to learn the codec header.
Status create_vvc_encoder(const EncoderSettings& settings, std::unique_ptr<MapEncoder>& out,
                          std::string& error);

/// Only 8-bit grey of the codec header's size is decoded, and memory taken for no other.
Status create_vvc_decoder(ByteView codec_header, const ExternalPrograms& programs,
                          std::unique_ptr<MapDecoder>& out, std::string& error);

} // namespace gsem::maps
