// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>

/// Files of a profile: mapped for reading, replaced atomically for writing. `error` always names the file.
namespace gsem::profile {

/// A read-only mapping of a whole regular file. Immutable: thread-safe. The file must not be cut short while
/// it is mapped (replace it by rename, as write_file does).
class MappedFile {
public:
  static Status open(const std::string& path, std::shared_ptr<const MappedFile>& out, std::string& error);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ByteView bytes() const { return bytes_; }

private:
  explicit MappedFile(ByteView bytes) : bytes_(bytes) {}
  ByteView bytes_;
};

/// Reads at most `limit` bytes; TooLarge before any memory is taken.
Status read_file(const std::string& path, size_t limit, Bytes& out, std::string& error);

/// A new file beside `path` that takes its place when all has been written.
class FileWriter {
public:
  /// Failed with `error` naming the file.
  Status open(const std::string& path, std::string& error);
  ~FileWriter(); ///< without finish: the old file stays
  FileWriter() = default;
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  void write(ByteView bytes); ///< finish tells whether it worked
  /// Syncs and renames.
  Status finish(std::string& error);

private:
  std::string path_, temporary_;
  int fd_ = -1, reason_ = 0;
};

/// Writes `parts` one after the other to a new file beside `path`, syncs it, and renames it.
Status write_file(const std::string& path, std::initializer_list<ByteView> parts, std::string& error);

} // namespace gsem::profile
