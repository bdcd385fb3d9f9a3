// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"

#include <cstdint>
#include <cstring>

/// Reading and writing of table files: little-endian numbers, LEB128 varints, a frame with magic, version and
/// hash. Thread-safety: plain values and pure functions.
namespace gsem::entropy {

/// FNV-1a over 64 bits with a final mix (source: Fowler, Noll, Vo; mix of MurmurHash3). Guards against damage
/// and mix-ups, not against an adversary: the parsers check every bound whether the hash fits or not.
inline uint64_t hash64(ByteView data) {
  uint64_t h = 0xcbf29ce484222325u;
  for (uint8_t b : data)
    h = (h ^ b) * 0x100000001b3u;
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53u;
  return h ^ (h >> 33);
}

class TableWriter {
public:
  explicit TableWriter(Bytes& out) : out_(out) {}
  void u8(uint8_t v) { out_.push_back(v); }
  void u16(uint16_t v) { le(v, 2); }
  void u32(uint32_t v) { le(v, 4); }
  void u64(uint64_t v) { le(v, 8); }
  void varint(uint64_t v) {
    for (; v >= 128; v >>= 7)
      u8(uint8_t(v) | 128);
    u8(uint8_t(v));
  }

private:
  void le(uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++)
      u8(uint8_t(v >> (8 * i)));
  }
  Bytes& out_;
};

/// Bounds-checked: after the first read past the end every read gives 0 and `ok()` is false.
class TableReader {
public:
  explicit TableReader(ByteView data) : data_(data) {}
  uint8_t u8() { return uint8_t(le(1)); }
  uint16_t u16() { return uint16_t(le(2)); }
  uint32_t u32() { return uint32_t(le(4)); }
  uint64_t u64() { return le(8); }
  uint64_t varint() {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t b = u8();
      v |= uint64_t(b & 127) << shift;
      if (b < 128)
        return v;
    }
    ok_ = false;
    return 0;
  }
  /// Empty when fewer are left.
  ByteView bytes(size_t count) {
    if (count > left()) {
      fail();
      return {};
    }
    const ByteView view = data_.subspan(pos_, count);
    pos_ += count;
    return view;
  }
  size_t left() const { return ok_ ? data_.size() - pos_ : 0; }
  bool ok() const { return ok_; }
  void fail() { ok_ = false; }

private:
  uint64_t le(size_t bytes) {
    if (bytes > left()) {
      fail();
      return 0;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
      v |= uint64_t(data_[pos_ + i]) << (8 * i);
    pos_ += bytes;
    return v;
  }
  ByteView data_;
  size_t pos_ = 0;
  bool ok_ = true;
};

inline constexpr size_t kTableHeader = 5, kTableTrailer = 8;
inline constexpr size_t kMaxTableBytes = 64u << 20;

/// Frame of a table file: 4 bytes magic, 1 byte version, body, hash64 of all before.
inline void open_table(const char (&magic)[5], uint8_t version, Bytes& out) {
  out.assign(magic, magic + 4);
  out.push_back(version);
}
inline void close_table(Bytes& out) {
  const uint64_t hash = hash64(out);
  TableWriter(out).u64(hash);
}
/// Checks the frame; `body` is what lies between, `hash` the trailer.
inline Status check_table(ByteView table, const char (&magic)[5], uint8_t version, ByteView& body,
                          uint64_t& hash) {
  if (table.size() > kMaxTableBytes)
    return Status::TooLarge;
  if (table.size() < kTableHeader + kTableTrailer || std::memcmp(table.data(), magic, 4) != 0)
    return Status::Corrupt;
  if (table[4] != version)
    return Status::Unsupported;
  const ByteView hashed = table.first(table.size() - kTableTrailer);
  hash = TableReader(table.last(kTableTrailer)).u64();
  if (hash != hash64(hashed))
    return Status::Corrupt;
  body = hashed.subspan(kTableHeader);
  return Status::Ok;
}

} // namespace gsem::entropy
