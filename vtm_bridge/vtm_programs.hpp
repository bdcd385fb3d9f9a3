// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "vtm_bridge/map_codec.hpp"

#include <string>

namespace gsem::maps {

/// Where VTM is. Absolute paths.
struct VtmPrograms {
  std::string encoder, decoder;
  std::string intra_config, screen_config; ///< encoder_intra_vtm.cfg, per-class/classSCC.cfg
};

enum class VtmRole { Encode, Decode };

/// Looks in `folder`, or where it is empty in $GST_SEMANTIC_VTM_DIR: programs there or in bin/, configuration
/// in cfg/ or ../cfg/. Only what the role needs. False with `error`: what was looked for where, and what to
/// do.
bool find_vtm(const std::string& folder, VtmRole role, VtmPrograms& out, std::string& error);

} // namespace gsem::maps
