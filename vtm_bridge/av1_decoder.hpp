// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "vtm_bridge/map_codec.hpp"

/// AV1 monochrome through dav1d, one thread, one map in, one map out.
namespace gsem::maps {

Status create_av1_decoder(ByteView codec_header, std::unique_ptr<MapDecoder>& out, std::string& error);

} // namespace gsem::maps
