// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "vtm_bridge/map_codec.hpp"

#include <string>

namespace gsem::maps {

/// Reads an 8-bit binary PGM, or a PNG (turned into grey) when built with libpng. False with `error`
/// otherwise.
bool read_grey_image(const std::string& path, Map& out, std::string& error);

} // namespace gsem::maps
