// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/profile/safetensors.hpp"

#include <string>
#include <vector>

/// Trained tensors in the types that a profile ships.
namespace gsem::profile {

struct PackRules {
  bool eight_bit = false;        ///< big tensors as I8 with one scale a row
  size_t half_from = 256;        ///< tensors of at least so many elements as F16 (smaller ones stay F32)
  size_t eight_bit_from = 16384; ///< elements
};

struct PackedWeights {
  std::vector<TensorToWrite> tensors;
  double worst_error = 0; ///< over tensors: rms of what rounding changed / rms of the tensor
  std::string worst_name;
};

/// Integer tensors pass unchanged; numbers that F16 cannot hold keep a tensor F32. Failed, with `error`, for
/// numbers that are not finite.
Status pack_weights(const SafetensorsFile& file, const PackRules& rules, PackedWeights& out,
                    std::string& error);

} // namespace gsem::profile
