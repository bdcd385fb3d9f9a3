// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

/// Tensors of PyTorch checkpoints, without Python: the ZIP format of torch.save since 1.6, stored or
/// deflated, and the legacy format before it (source: torch/serialization.py). The pickle inside is read as
/// data (see pickle.hpp): a checkpoint cannot make us run anything.
namespace gsem::checkpoint {

enum class ElementType { F64, F32, F16, BF16, I64, I32, I16, I8, U8, Bool };
size_t element_size(ElementType type);
const char* element_name(ElementType type);

/// A strided view of a storage, inside its bounds and not larger than it.
struct Tensor {
  ElementType type = ElementType::F32;
  std::vector<int64_t> shape, stride; ///< in elements
  ByteView data;                      ///< from the first element on; valid as long as the checkpoint
  int64_t count() const;
};

/// Immutable after open: thread-safe.
class Checkpoint {
public:
  /// Finds the state dict: the root, or under "state_dict", "model_state_dict", "model", "netG" or "net";
  /// takes "module." off its names. `error` names the file and what is wrong with it: Failed (cannot be
  /// opened), Corrupt, Unsupported, TooLarge (more memory than the file's size and 64 MiB).
  static Status open(const std::string& path, std::shared_ptr<const Checkpoint>& out, std::string& error);
  /// The same over bytes in memory, which must outlive the object; `name` stands for the file in `error`.
  static Status parse(ByteView bytes, const std::string& name, std::shared_ptr<const Checkpoint>& out,
                      std::string& error);
  virtual ~Checkpoint() = default;

  virtual const std::map<std::string, Tensor>& tensors() const = 0;
  /// Entries that are no tensor, and why: "is a number", "depends on module.Class, which is not run here".
  virtual const std::map<std::string, std::string>& others() const = 0;
};

/// Elements in row-major order as 32-bit floats. Needs 4 bytes an element; the tensor's storage has that many
/// elements at least.
std::vector<float> to_floats(const Tensor& tensor);
/// `count` of them from the `first` on, which are there.
void to_floats(const Tensor& tensor, int64_t first, int64_t count, float* out);

} // namespace gsem::checkpoint
