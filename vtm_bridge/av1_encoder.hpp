// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "vtm_bridge/map_codec.hpp"

/// AV1 monochrome through libaom. Stills: good quality, one reduced still picture each. Live: real-time mode,
/// delta maps from the last key map.
namespace gsem::maps {

Status create_av1_encoder(const EncoderSettings& settings, std::unique_ptr<MapEncoder>& out,
                          std::string& error);

} // namespace gsem::maps
