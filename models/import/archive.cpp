// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/import/archive.hpp"

#include <zlib.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <limits>

namespace gsem::checkpoint {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kLocator64 = 0x07064b50;
constexpr size_t kLocalSize = 30, kCentralSize = 46, kEndSize = 22, kLocatorSize = 20, kEnd64Size = 56;
constexpr size_t kMaxEntries = 1u << 20;
constexpr uint16_t kEncrypted = 1, kStored = 0, kDeflated = 8, kZip64Extra = 1;

/// Little-endian numbers at places that have been checked.
uint64_t number(ByteView bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++)
    value |= uint64_t(bytes[at + i]) << (8 * i);
  return value;
}

bool within(ByteView bytes, uint64_t at, uint64_t size) {
  return at <= bytes.size() && size <= bytes.size() - at;
}

Status fail(Status status, const std::string& reason, std::string& error) {
  error = "zip: " + reason;
  return status;
}

struct Directory {
  uint64_t entries = 0, offset = 0, size = 0;
};

/// Looks for the end record from the back: a comment of up to 64 KiB may follow it.
bool find_end(ByteView bytes, size_t& at) {
  if (bytes.size() < kEndSize)
    return false;
  const size_t last = bytes.size() - kEndSize, lowest = last > UINT16_MAX ? last - UINT16_MAX : 0;
  for (at = last + 1; at-- > lowest;)
    if (number(bytes, at, 4) == kEnd && number(bytes, at + 20, 2) == bytes.size() - at - kEndSize)
      return true;
  return false;
}

bool find_directory(ByteView bytes, Directory& directory) {
  size_t end = 0;
  if (!find_end(bytes, end))
    return false;
  directory = {number(bytes, end + 10, 2), number(bytes, end + 16, 4), number(bytes, end + 12, 4)};
  if (end < kLocatorSize || number(bytes, end - kLocatorSize, 4) != kLocator64)
    return within(bytes, directory.offset, directory.size);
  const uint64_t at = number(bytes, end - kLocatorSize + 8, 8);
  if (!within(bytes, at, kEnd64Size) || number(bytes, size_t(at), 4) != kEnd64)
    return false;
  directory = {number(bytes, size_t(at) + 32, 8), number(bytes, size_t(at) + 48, 8),
               number(bytes, size_t(at) + 40, 8)};
  return within(bytes, directory.offset, directory.size);
}

/// Numbers that do not fit 32 bits are in an extra field, in this order.
bool widen(ByteView extra, uint64_t& size, uint64_t& packed, uint64_t& header) {
  for (size_t at = 0; at + 4 <= extra.size();) {
    const uint64_t id = number(extra, at, 2), length = number(extra, at + 2, 2);
    at += 4;
    if (!within(extra, at, length))
      return false;
    if (id == kZip64Extra) {
      size_t field = at;
      for (uint64_t* value : {&size, &packed, &header})
        if (*value == UINT32_MAX) {
          if (field + 8 > at + length)
            return false;
          *value = number(extra, field, 8);
          field += 8;
        }
    }
    at += size_t(length);
  }
  return true;
}

/// Raw deflate into exactly `out.size()` bytes.
bool inflate_exactly(ByteView in, Bytes& out) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    return false;
  size_t read = 0, written = 0;
  int result = Z_OK;
  while (result == Z_OK) {
    const size_t in_now = std::min<size_t>(in.size() - read, UINT_MAX);
    const size_t out_now = std::min<size_t>(out.size() - written, UINT_MAX);
    stream.next_in = const_cast<Bytef*>(in.data() + read);
    stream.avail_in = uInt(in_now);
    stream.next_out = out.data() + written;
    stream.avail_out = uInt(out_now);
    result = inflate(&stream, Z_NO_FLUSH);
    read += in_now - stream.avail_in;
    written += out_now - stream.avail_out;
  }
  inflateEnd(&stream);
  return result == Z_STREAM_END && written == out.size();
}

uint32_t checksum(ByteView bytes) {
  uLong crc = crc32(0, nullptr, 0);
  for (size_t at = 0; at < bytes.size();) {
    const size_t now = std::min<size_t>(bytes.size() - at, UINT_MAX);
    crc = crc32(crc, bytes.data() + at, uInt(now));
    at += now;
  }
  return uint32_t(crc);
}

} // namespace

bool Archive::looks_like(ByteView bytes) {
  return bytes.size() >= 4 && number(bytes, 0, 4) == kLocal;
}

Status Archive::parse(ByteView bytes, Budget& budget, Archive& out, std::string& error) {
  out = {};
  out.bytes_ = bytes;
  Directory directory;
  if (!find_directory(bytes, directory))
    return fail(Status::Corrupt, "no directory at the end (cut short?)", error);
  if (directory.entries > kMaxEntries)
    return fail(Status::TooLarge, std::to_string(directory.entries) + " entries", error);
  const ByteView list = bytes.subspan(size_t(directory.offset), size_t(directory.size));
  size_t at = 0;
  for (uint64_t i = 0; i < directory.entries; i++) {
    if (!within(list, at, kCentralSize) || number(list, at, 4) != kCentral)
      return fail(Status::Corrupt, "the directory is damaged", error);
    const size_t name_size = number(list, at + 28, 2), extra_size = number(list, at + 30, 2),
                 comment_size = number(list, at + 32, 2);
    if (!within(list, at + kCentralSize, name_size + extra_size + comment_size))
      return fail(Status::Corrupt, "the directory is damaged", error);
    Entry entry;
    entry.flags = uint16_t(number(list, at + 8, 2));
    entry.method = uint16_t(number(list, at + 10, 2));
    entry.crc = uint32_t(number(list, at + 16, 4));
    entry.packed = number(list, at + 20, 4);
    entry.size = number(list, at + 24, 4);
    entry.header = number(list, at + 42, 4);
    at += kCentralSize;
    if (!widen(list.subspan(at + name_size, extra_size), entry.size, entry.packed, entry.header))
      return fail(Status::Corrupt, "the directory is damaged", error);
    if (!budget.take(sizeof(Entry) + 128 + name_size))
      return fail(Status::TooLarge, "its directory needs more memory than the file's size and 64 MiB", error);
    out.entries_.emplace(std::string(reinterpret_cast<const char*>(list.data()) + at, name_size), entry);
    at += name_size + extra_size + comment_size;
  }
  return Status::Ok;
}

std::string Archive::find_ending(const std::string& tail) const {
  std::string best;
  for (const auto& [name, entry] : entries_)
    if (name.ends_with(tail) && (best.empty() || name.size() < best.size()))
      best = name;
  return best;
}

Status Archive::read(const std::string& name, Budget& budget, Bytes& storage, ByteView& out,
                     std::string& error) const {
  const auto found = entries_.find(name);
  if (found == entries_.end())
    return fail(Status::Corrupt, "no entry " + name, error);
  const Entry& entry = found->second;
  if (entry.flags & kEncrypted)
    return fail(Status::Unsupported, name + " is encrypted", error);
  if (!within(bytes_, entry.header, kLocalSize) || number(bytes_, size_t(entry.header), 4) != kLocal)
    return fail(Status::Corrupt, name + " is not where the directory says", error);
  // Names and extra fields may be of other lengths here: writers align the data with them.
  const uint64_t data = entry.header + kLocalSize + number(bytes_, size_t(entry.header) + 26, 2) +
                        number(bytes_, size_t(entry.header) + 28, 2);
  if (!within(bytes_, data, entry.packed))
    return fail(Status::Corrupt, name + " ends after the file", error);
  const ByteView packed = bytes_.subspan(size_t(data), size_t(entry.packed));
  if (entry.method == kStored) {
    if (entry.size != entry.packed)
      return fail(Status::Corrupt, name + " has two sizes", error);
    out = packed;
  } else if (entry.method == kDeflated) {
    if (!budget.take(entry.size))
      return fail(Status::TooLarge,
                  name + " would inflate to " + std::to_string(entry.size) +
                      " bytes: more than the file's size and 64 MiB together",
                  error);
    storage.resize(size_t(entry.size));
    if (!inflate_exactly(packed, storage))
      return fail(Status::Corrupt, name + " does not inflate to its size", error);
    out = storage;
  } else {
    return fail(Status::Unsupported, name + " is packed with method " + std::to_string(entry.method), error);
  }
  return checksum(out) == entry.crc ? Status::Ok
                                    : fail(Status::Corrupt, name + " has a wrong checksum", error);
}

} // namespace gsem::checkpoint
