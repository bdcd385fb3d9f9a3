// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/bitstream/fields.hpp"

namespace gsem::bitstream {

void put_uint(Bytes& out, uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out.push_back(uint8_t(value >> shift));
}

void put_varint(Bytes& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    out.push_back(uint8_t(value | 0x80));
  out.push_back(uint8_t(value));
}

size_t varint_size(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7)
    size++;
  return size;
}

void FieldReader::fail(Status status) {
  if (ok())
    status_ = status;
}

ByteView FieldReader::bytes(uint64_t count) {
  if (ok() && count > left())
    fail(Status::NeedMoreData);
  if (!ok())
    return {};
  ByteView view = data_.subspan(position_, size_t(count));
  position_ += size_t(count);
  return view;
}

uint64_t FieldReader::uint(int count) {
  uint64_t value = 0;
  for (uint8_t byte : bytes(uint64_t(count)))
    value = value << 8 | byte;
  return value;
}

uint64_t FieldReader::varint() {
  uint64_t value = 0;
  for (size_t i = 0; i < kMaxVarintBytes; i++) {
    ByteView byte = bytes(1);
    if (byte.empty())
      return 0;
    value |= uint64_t(byte[0] & 0x7F) << (7 * i);
    if (byte[0] & 0x80)
      continue;
    // One value, one spelling: otherwise parse and write would not be inverses.
    if (byte[0] == 0 && i > 0)
      fail(Status::Corrupt);
    return ok() ? value : 0;
  }
  fail(Status::Corrupt);
  return 0;
}

} // namespace gsem::bitstream
