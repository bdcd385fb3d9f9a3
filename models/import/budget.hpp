// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>

namespace gsem::checkpoint {

/// Memory that one file may cost: its own size and 64 MiB. Everything whose amount the file decides is taken
/// from it before it is allocated.
class Budget {
public:
  static constexpr size_t kExtra = size_t(64) << 20;

  explicit Budget(size_t file_size) : left_(file_size + kExtra) {}
  /// False: that much is not left.
  bool take(size_t bytes) {
    if (bytes > left_)
      return false;
    left_ -= bytes;
    return true;
  }

private:
  size_t left_;
};

} // namespace gsem::checkpoint
