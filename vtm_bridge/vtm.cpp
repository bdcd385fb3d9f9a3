// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/codec.hpp"
#include "vtm_bridge/vtm_decoder.hpp"
#include "vtm_bridge/vtm_encoder.hpp"
#include "vtm_bridge/vtm_programs.hpp"

namespace gsem::maps {
namespace {

bool programs_are_there() {
  VtmPrograms programs;
  std::string ignored;
  return find_vtm({}, VtmRole::Encode, programs, ignored) && find_vtm({}, VtmRole::Decode, programs, ignored);
}

} // namespace

const Codec kVtmCodec = {"vtm", "vvc", programs_are_there, 0, 63, create_vtm_encoder, create_vtm_decoder};

} // namespace gsem::maps
