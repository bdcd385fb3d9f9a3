// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace gsem::checkpoint {

/// Whether the tensors of a safetensors file are those of the published network of `role`, no more, no fewer,
/// of the right shapes; `error` lists what is not. Builds the network and loads it.
bool check_network(const std::string& role, const std::string& path, std::string& error);

} // namespace gsem::checkpoint
