// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/bitstream/crc.hpp"

#include <array>

// Slicing by eight (Kounavis and Berry, "A Systematic Approach to Building High Performance Software-Based
// CRC Generators", 2005): table k holds the remainders of a byte with k zero bytes behind it.
namespace gsem {
namespace {

template <typename T>
using Tables = std::array<std::array<T, 256>, 8>;

constexpr Tables<uint32_t> kTables32 = [] {
  Tables<uint32_t> tables{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++)
      crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
    tables[0][i] = crc;
  }
  for (size_t k = 1; k < 8; k++)
    for (size_t i = 0; i < 256; i++)
      tables[k][i] = (tables[k - 1][i] >> 8) ^ tables[0][tables[k - 1][i] & 0xFF];
  return tables;
}();

constexpr Tables<uint16_t> kTables16 = [] {
  Tables<uint16_t> tables{};
  for (uint32_t i = 0; i < 256; i++) {
    uint16_t crc = uint16_t(i << 8);
    for (int bit = 0; bit < 8; bit++)
      crc = uint16_t((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0));
    tables[0][i] = crc;
  }
  for (size_t k = 1; k < 8; k++)
    for (size_t i = 0; i < 256; i++)
      tables[k][i] = uint16_t((tables[k - 1][i] << 8) ^ tables[0][tables[k - 1][i] >> 8]);
  return tables;
}();

} // namespace

uint32_t crc32(ByteView data) {
  const auto& t = kTables32;
  const uint8_t* p = data.data();
  size_t left = data.size();
  uint32_t crc = 0xFFFFFFFFu;
  for (; left >= 8; left -= 8, p += 8)
    crc = t[7][p[0] ^ (crc & 0xFF)] ^ t[6][p[1] ^ (crc >> 8 & 0xFF)] ^ t[5][p[2] ^ (crc >> 16 & 0xFF)] ^
          t[4][p[3] ^ (crc >> 24)] ^ t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
  for (; left > 0; left--, p++)
    crc = (crc >> 8) ^ t[0][(crc ^ *p) & 0xFF];
  return ~crc;
}

uint16_t crc16(ByteView data) {
  const auto& t = kTables16;
  const uint8_t* p = data.data();
  size_t left = data.size();
  uint16_t crc = 0xFFFF;
  for (; left >= 8; left -= 8, p += 8)
    crc = t[7][p[0] ^ (crc >> 8)] ^ t[6][p[1] ^ (crc & 0xFF)] ^ t[5][p[2]] ^ t[4][p[3]] ^ t[3][p[4]] ^
          t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
  for (; left > 0; left--, p++)
    crc = uint16_t((crc << 8) ^ t[0][(crc >> 8) ^ *p]);
  return crc;
}

} // namespace gsem
