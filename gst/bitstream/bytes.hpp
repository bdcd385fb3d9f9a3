// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gsem {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;

} // namespace gsem
