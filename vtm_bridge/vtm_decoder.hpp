// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "vtm_bridge/map_codec.hpp"

/// VVC stills by VTM's decoder, one run of the program a map. A payload on which the program fails gives
/// Failed: a damaged map and a broken program look the same from here.
namespace gsem::maps {

Status create_vtm_decoder(ByteView codec_header, const ExternalPrograms& programs,
                          std::unique_ptr<MapDecoder>& out, std::string& error);

} // namespace gsem::maps
