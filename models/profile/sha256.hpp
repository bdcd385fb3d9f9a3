// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"

#include <array>
#include <string>

namespace gsem::profile {

using Digest = std::array<uint8_t, 32>;

/// SHA-256 (FIPS 180-4). Uses the x86 SHA extensions where the machine has them. Pure function.
Digest sha256(ByteView bytes);

/// The portable definition that the accelerated one is tested against.
Digest sha256_scalar(ByteView bytes);

/// Lower-case hexadecimal, two digits a byte.
std::string to_hex(ByteView bytes);
/// False on an odd count or other characters than 0-9a-fA-F.
bool from_hex(const std::string& text, Bytes& out);

} // namespace gsem::profile
