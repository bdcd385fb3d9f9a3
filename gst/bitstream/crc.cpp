// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/bitstream/crc.hpp"

#include <array>

namespace gsem {
namespace {

constexpr auto kTable32 = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++)
      crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
    table[i] = crc;
  }
  return table;
}();

constexpr auto kTable16 = [] {
  std::array<uint16_t, 256> table{};
  for (uint32_t i = 0; i < 256; i++) {
    uint16_t crc = uint16_t(i << 8);
    for (int bit = 0; bit < 8; bit++)
      crc = uint16_t((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0));
    table[i] = crc;
  }
  return table;
}();

} // namespace

uint32_t crc32(ByteView data) {
  uint32_t crc = 0xFFFFFFFFu;
  for (uint8_t byte : data)
    crc = (crc >> 8) ^ kTable32[(crc ^ byte) & 0xFF];
  return ~crc;
}

uint16_t crc16(ByteView data) {
  uint16_t crc = 0xFFFF;
  for (uint8_t byte : data)
    crc = uint16_t((crc << 8) ^ kTable16[(crc >> 8) ^ byte]);
  return crc;
}

} // namespace gsem
