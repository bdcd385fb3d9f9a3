// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/entropy/published_table.hpp"
#include "models/profile/safetensors.hpp"

namespace gsem::checkpoint {

/// The entropy model in a published layer 3's tensors (their names under `prefix`).
bool read_published_weights(const profile::SafetensorsFile& file, const std::string& prefix,
                            entropy::PublishedWeights& out, std::string& error);

} // namespace gsem::checkpoint
