// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/av1_decoder.hpp"
#include "vtm_bridge/av1_encoder.hpp"
#include "vtm_bridge/codec.hpp"

namespace gsem::maps {

const Codec kAv1Codec = {"av1",
                         "av1",
                         [] { return true; },
                         0,
                         63,
                         create_av1_encoder,
                         [](ByteView header, const ExternalPrograms&, std::unique_ptr<MapDecoder>& out,
                            std::string& error) { return create_av1_decoder(header, out, error); }};

} // namespace gsem::maps
