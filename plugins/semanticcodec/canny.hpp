// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/runtime/models.hpp"
#include "vtm_bridge/map_codec.hpp"

namespace gsem::codec {

/// Edge map without weights: Canny (IEEE TPAMI 8(6), 1986) on the picture stretched to twice the
/// map's side, averaged down to `side` x `side`, so that it is soft as the network's maps are. Throws what
/// OpenCV throws.
void detect_canny(const runtime::PictureView& picture, int side, maps::Map& map);

} // namespace gsem::codec
