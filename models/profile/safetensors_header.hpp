// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/profile/safetensors.hpp"

/// The JSON header of a safetensors file, checked but not yet bound to data.
namespace gsem::profile {

inline constexpr size_t kMaxHeaderBytes = 16u << 20;
inline constexpr size_t kMaxTensors = 65536;
inline constexpr size_t kMaxDimensions = 8;

struct TensorEntry {
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0; ///< bytes after the header
};

struct SafetensorsHeader {
  std::map<std::string, TensorEntry> tensors;
  std::map<std::string, std::string> metadata;
};

/// Streaming parse: memory stays proportional to what the header may validly hold. `reason` says what is
/// wrong.
Status parse_safetensors_header(ByteView json, SafetensorsHeader& out, std::string& reason);

/// "F16" and so on.
const char* dtype_name(DType dtype);

/// Elements of `shape`; false when it overflows 2^48 or a dimension is negative.
bool count_elements(const std::vector<int64_t>& shape, uint64_t& count);

} // namespace gsem::profile
