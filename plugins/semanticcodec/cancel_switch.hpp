// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/runtime/executor.hpp"

#include <mutex>

namespace gsem::codec {

/// Breaks off the inference a streaming thread waits for, from the thread that flushes or stops. Thread-safe.
class CancelSwitch {
public:
  /// The token of the calls made now. A copy: it stays valid when the switch is re-armed.
  runtime::CancelToken token() {
    std::lock_guard lock(mutex_);
    return token_;
  }
  void cancel() {
    std::lock_guard lock(mutex_);
    token_.cancel();
  }
  /// A fresh token: a job that is still winding down keeps the cancelled one.
  void rearm() {
    std::lock_guard lock(mutex_);
    if (token_.cancelled())
      token_ = runtime::CancelToken();
  }

private:
  std::mutex mutex_;
  runtime::CancelToken token_;
};

} // namespace gsem::codec
