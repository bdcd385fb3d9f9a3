// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

namespace gsem::nets {

/// While it lives, counts the multiply-accumulates of every convolution and matrix product that LibTorch runs
/// on this thread, from the real operands' shapes. One at a time a thread.
class MacCounter {
public:
  MacCounter();
  ~MacCounter();
  MacCounter(const MacCounter&) = delete;
  MacCounter& operator=(const MacCounter&) = delete;
  int64_t macs() const;

private:
  uint64_t handle_;
};

} // namespace gsem::nets
