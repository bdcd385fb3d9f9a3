// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"
#include "models/import/budget.hpp"

#include <map>
#include <string>

/// ZIP archives in memory (source: PKWARE APPNOTE 6.3.10): stored and deflated entries, ZIP64. All offsets
/// and sizes are checked; nothing is inflated that the budget does not cover.
namespace gsem::checkpoint {

class Archive {
public:
  /// `bytes` must outlive the archive. Corrupt, Unsupported (encrypted or another method, at read) or
  /// TooLarge.
  static Status parse(ByteView bytes, Budget& budget, Archive& out, std::string& error);
  /// Whether the bytes begin like a ZIP file.
  static bool looks_like(ByteView bytes);

  bool has(const std::string& name) const { return entries_.count(name) != 0; }
  /// Name of the entry that ends in `tail`, the shortest if there are several; empty: none.
  std::string find_ending(const std::string& tail) const;
  /// A stored entry is a view of the archive, a deflated one is inflated into `storage` and checked.
  Status read(const std::string& name, Budget& budget, Bytes& storage, ByteView& out,
              std::string& error) const;

private:
  struct Entry {
    uint16_t flags = 0, method = 0;
    uint32_t crc = 0;
    uint64_t packed = 0, size = 0, header = 0;
  };
  ByteView bytes_;
  std::map<std::string, Entry> entries_;
};

} // namespace gsem::checkpoint
