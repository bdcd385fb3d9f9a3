// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/layers.hpp"
#include "models/profile/safetensors.hpp"

#include <string>
#include <vector>

namespace gsem::nets {

/// Fills every parameter and buffer of `module` from the tensors named PREFIX + its name (F32, F16, BF16, or
/// I8 with a ".scale"; converted on the fly). Strict: false and `error` lists what is missing, extra (under
/// the prefix) or has another shape; the module is then partly filled. BatchNorm's num_batches_tracked may be
/// absent.
bool load_weights(torch::nn::Module& module, const profile::SafetensorsFile& file, std::string& error,
                  const std::string& prefix = {});

/// The reverse, for the trainer: as safetensors entries, tensors over 256 elements as F16 (running statistics
/// stay F32), without num_batches_tracked. Throws std::runtime_error when a value is not finite or does not
/// fit.
std::vector<profile::TensorToWrite> export_weights(torch::nn::Module& module, const std::string& prefix = {});

} // namespace gsem::nets
