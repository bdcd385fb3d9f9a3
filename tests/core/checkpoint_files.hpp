// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"

#include <zlib.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

/// Checkpoints as PyTorch lays them out, written by hand (opcodes: Python's pickletools; layout: torch.save),
/// so that the reader is tested against the formats' descriptions also where there is no Python.
namespace checkpoint_files {

using gsem::Bytes;

inline void add(Bytes& out, const std::string& text) {
  out.insert(out.end(), text.begin(), text.end());
}
inline void add_number(Bytes& out, uint64_t value, size_t size) {
  for (size_t i = 0; i < size; i++)
    out.push_back(uint8_t(value >> (8 * i)));
}
inline std::string le(uint64_t value, size_t size) {
  Bytes bytes;
  add_number(bytes, value, size);
  return {bytes.begin(), bytes.end()};
}

// ---- pieces of a pickle, protocol 2
inline std::string text(const std::string& s) {
  return "X" + le(s.size(), 4) + s;
}
inline std::string integer(int64_t v) {
  return v >= 0 && v < 256 ? "K" + le(uint64_t(v), 1) : "\x8a\x08" + le(uint64_t(v), 8);
}
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string tuple(const std::vector<std::string>& items) {
  std::string out = "(";
  for (const std::string& item : items)
    out += item;
  return out + "t";
}
inline std::string integers(const std::vector<int64_t>& values) {
  std::vector<std::string> items;
  for (int64_t v : values)
    items.push_back(integer(v));
  return tuple(items);
}
inline std::string call(const std::string& callable, const std::string& arguments) {
  return callable + arguments + "R";
}

struct TensorSpec {
  std::string name, type = "FloatStorage", key = "0";
  int64_t count = 0, offset = 0;
  std::vector<int64_t> shape, stride;
};

inline std::string tensor(const TensorSpec& t) {
  const std::string storage =
      tuple({text("storage"), global("torch", t.type), text(t.key), text("cpu"), integer(t.count)}) + "Q";
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              tuple({storage, integer(t.offset), integers(t.shape), integers(t.stride), "\x89",
                     call(global("collections", "OrderedDict"), ")")}));
}

/// An OrderedDict of pieces.
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out = call(global("collections", "OrderedDict"), ")") + "(";
  for (const auto& [key, value] : entries)
    out += text(key) + value;
  return out + "u";
}
inline Bytes pickle(const std::string& object) {
  Bytes out;
  add(out, "\x80\x02" + object + ".");
  return out;
}

// ---- ZIP
struct ZipEntry {
  std::string name;
  Bytes data;
  bool deflated = false;
  uint64_t declared = UINT64_MAX; ///< size in the directory instead of the real one
};

inline Bytes deflated(const Bytes& data) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  Bytes out(deflateBound(&stream, uLong(data.size())));
  stream.next_in = const_cast<Bytef*>(data.data());
  stream.avail_in = uInt(data.size());
  stream.next_out = out.data();
  stream.avail_out = uInt(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline Bytes zip(const std::vector<ZipEntry>& entries) {
  Bytes out, directory;
  for (const ZipEntry& entry : entries) {
    const Bytes packed = entry.deflated ? deflated(entry.data) : entry.data;
    const uint64_t size = entry.declared != UINT64_MAX ? entry.declared : entry.data.size();
    const uLong crc = crc32(0, entry.data.data(), uInt(entry.data.size()));
    const std::string common = le(0, 2) + le(entry.deflated ? 8 : 0, 2) + le(0, 4) + le(crc, 4) +
                               le(entry.deflated ? packed.size() : size, 4) + le(size, 4) +
                               le(entry.name.size(), 2);
    const size_t at = out.size();
    add(out, "PK\x03\x04" + le(20, 2) + common + le(4, 2) + entry.name);
    add(out,
        le(0x4246, 2) + le(0, 2)); // an extra field that the directory does not repeat, as PyTorch writes it
    out.insert(out.end(), packed.begin(), packed.end());
    add(directory, "PK\x01\x02" + le(20, 2) + le(20, 2) + common + le(0, 2) + le(0, 2) + le(0, 8) +
                       le(at, 4) + entry.name);
  }
  const size_t at = out.size();
  out.insert(out.end(), directory.begin(), directory.end());
  add(out, "PK\x05\x06" + le(0, 4) + le(entries.size(), 2) + le(entries.size(), 2) + le(directory.size(), 4) +
               le(at, 4) + le(0, 2));
  return out;
}

inline Bytes floats(const std::vector<float>& values) {
  Bytes out(values.size() * 4);
  std::memcpy(out.data(), values.data(), out.size());
  return out;
}

inline Bytes zip_checkpoint(const std::string& object, const std::vector<float>& storage,
                            bool deflate = false) {
  return zip({{"archive/data.pkl", pickle(object), deflate},
              {"archive/data/0", floats(storage), deflate},
              {"archive/version", {'3', '\n'}}});
}

inline Bytes legacy_checkpoint(const std::string& object, const std::vector<float>& storage) {
  Bytes out;
  const std::string magic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);
  for (const std::string& part : {magic, std::string("M\xe9\x03"), "}(" + text("little_endian") + "\x88u",
                                  object, "](" + text("0") + "e"}) {
    const Bytes bytes = pickle(part);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  add_number(out, storage.size(), 8);
  const Bytes data = floats(storage);
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

} // namespace checkpoint_files
