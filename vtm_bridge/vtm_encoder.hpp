// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "vtm_bridge/map_codec.hpp"

/// VVC stills by VTM's encoder, one run of the program a map (seconds each). `live` changes nothing but what
/// is asked of the caller: every map is a key map.
namespace gsem::maps {

/// Codes a grey map to learn the codec header, so it takes about as long as a map.
Status create_vtm_encoder(const EncoderSettings& settings, std::unique_ptr<MapEncoder>& out,
                          std::string& error);

} // namespace gsem::maps
