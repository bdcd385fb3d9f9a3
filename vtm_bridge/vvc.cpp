// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/codec.hpp"
#include "vtm_bridge/vvc_library.hpp"

namespace gsem::maps {

const Codec kVvcCodec = {"vvc", "vvc", [] { return true; }, 0, 63, create_vvc_encoder, create_vvc_decoder};

} // namespace gsem::maps
