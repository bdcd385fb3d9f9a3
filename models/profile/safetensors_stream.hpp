// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/profile/safetensors.hpp"

#include <functional>

namespace gsem::profile {

/// A tensor whose bytes are made while they are written.
struct TensorStream {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  using Sink = std::function<void(ByteView)>;
  /// Gives all bytes to the sink, in order, in pieces of any size.
  std::function<void(const Sink&)> bytes;
};
/// As write_safetensors, but holds one piece of one tensor at a time.
Status stream_safetensors(const std::string& path, const std::vector<TensorStream>& tensors,
                          const std::map<std::string, std::string>& metadata, std::string& error);

} // namespace gsem::profile
