// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

/// Reader and writer of the safetensors format (8-byte header length, JSON header, raw little-endian data),
/// bounds-checked. A tensor NAME stored as I8 with a companion "NAME.scale" (F16 or F32, one a row of
/// dimension 0) is weight-only 8-bit: value = int8 * scale. Limits: 16 MiB of header, 65,536 tensors, 8
/// dimensions. Duplicate names, gaps, overlaps and sizes that do not agree are refused (Corrupt); a data type
/// not listed below is Unsupported.
namespace gsem::profile {

enum class DType { F32, F16, BF16, I8, U8, I16, I32, I64 };
size_t dtype_size(DType dtype);

struct TensorView {
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  ByteView data; ///< valid as long as the file object
};

/// Immutable after open: thread-safe.
class SafetensorsFile {
public:
  /// Maps the file. `error` names the file and what is wrong with it.
  static Status open(const std::string& path, std::shared_ptr<const SafetensorsFile>& out,
                     std::string& error);
  /// The same over bytes in memory, which must outlive the object; `name` stands for the file in `error`.
  static Status parse(ByteView bytes, const std::string& name, std::shared_ptr<const SafetensorsFile>& out,
                      std::string& error);
  virtual ~SafetensorsFile() = default;
  virtual const std::map<std::string, TensorView>& tensors() const = 0;
  virtual const std::map<std::string, std::string>& metadata() const = 0;
  /// Values as float, 8-bit tensors already scaled; false when there is no such tensor or it is not numeric.
  virtual bool read_float(const std::string& name, std::vector<float>& values,
                          std::vector<int64_t>& shape) const = 0;
};

struct TensorToWrite {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  Bytes data;
};
/// Written beside the target and renamed: a crash leaves the old file.
Status write_safetensors(const std::string& path, const std::vector<TensorToWrite>& tensors,
                         const std::map<std::string, std::string>& metadata, std::string& error);

} // namespace gsem::profile
