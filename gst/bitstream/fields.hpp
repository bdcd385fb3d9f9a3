// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"

#include <cstdint>

/// The fields every structure of the format is made of: big-endian integers and varints (7 bits a byte, least
/// significant group first, top bit: more follows).
namespace gsem::bitstream {

inline constexpr size_t kMaxVarintBytes = 9; ///< 63 bits

void put_uint(Bytes& out, uint64_t value, int bytes);
void put_varint(Bytes& out, uint64_t value); ///< value < 2^63
size_t varint_size(uint64_t value);

/// Reads fields in order. After the first failure `status` keeps it and every further field reads as 0.
class FieldReader {
public:
  explicit FieldReader(ByteView data) : data_(data) {}

  uint64_t uint(int bytes);
  uint64_t varint(); ///< Corrupt when longer than kMaxVarintBytes or padded with zero groups
  ByteView bytes(uint64_t count);
  void fail(Status status);

  Status status() const { return status_; }
  bool ok() const { return status_ == Status::Ok; }
  size_t position() const { return position_; }
  size_t left() const { return data_.size() - position_; }

private:
  ByteView data_;
  size_t position_ = 0;
  Status status_ = Status::Ok;
};

} // namespace gsem::bitstream
