// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"

namespace gsem {

/// CRC-32/ISO-HDLC (polynomial 0x04C11DB7 reflected, check value 0xCBF43926): stream headers.
uint32_t crc32(ByteView data);

/// CRC-16/IBM-3740, also called CCITT-FALSE (polynomial 0x1021, start 0xFFFF, check value 0x29B1): unit
/// headers and payloads.
uint16_t crc16(ByteView data);

} // namespace gsem
