// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/profile/safetensors.hpp"

/// What a profile needs of the trained signal codec beside its weights.
namespace gsem::profile {

struct SignalContract {
  Bytes table; ///< signal.tbl
  uint64_t parse_hash = 0;
  uint64_t latent_id = 0; ///< from the analysis transform: a synthesis trained for the same latents keeps it
};

/// `error` names the tensor that is missing or has a wrong shape.
Status make_signal_contract(const SafetensorsFile& signal, SignalContract& out, std::string& error);

} // namespace gsem::profile
