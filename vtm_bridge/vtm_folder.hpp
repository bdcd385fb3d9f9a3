// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"

#include <string>

namespace gsem::maps {

/// A folder of one's own (mode 700) in $TMPDIR or /tmp, removed with all that is in it at the end.
class PrivateFolder {
public:
  PrivateFolder() = default;
  ~PrivateFolder();
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;

  /// False with `error` (cause and remedy).
  bool create(std::string& error);
  const std::string& path() const { return path_; }

  bool write(const char* name, ByteView bytes, std::string& error) const;
  enum class Read { Ok, Missing, WrongSize };
  /// Reads a whole regular file of `min`..`max` bytes; its size (0 when missing) is in `size` whatever the
  /// outcome. No memory is taken for a file of another size.
  Read read(const char* name, size_t min, size_t max, Bytes& out, size_t& size) const;

private:
  std::string path_;
};

} // namespace gsem::maps
