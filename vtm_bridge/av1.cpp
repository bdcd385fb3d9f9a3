// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/av1_decoder.hpp"
#include "vtm_bridge/av1_encoder.hpp"
#include "vtm_bridge/codec.hpp"

namespace gsem::maps {

const Codec kAv1Codec = {"av1", [] { return true; }, 0, 63, create_av1_encoder, create_av1_decoder};

} // namespace gsem::maps
