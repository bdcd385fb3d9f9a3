// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/optimiser.hpp"

#include <functional>

/// Checkpoints and caches as safetensors files. Errors are std::runtime_error naming the file.
namespace gsem::train {

using Metadata = std::map<std::string, std::string>;

/// Written beside, synced and renamed: after a crash there is the old file or the new one. Memory order is
/// row-major whatever the tensors'.
void save_tensors(const std::string& file, const TensorMap& tensors, const Metadata& metadata);
TensorMap load_tensors(const std::string& file, Metadata* metadata = nullptr);

/// Copies `from` into the live tensors of `to`: same names, same shapes. Throws with the list of what does
/// not fit before anything changes.
void assign(TensorMap& to, const TensorMap& from, const std::string& what);

/// What a checkpoint knows besides its tensors.
struct Position {
  int64_t step = 0;     ///< steps done
  double seconds = 0;   ///< spent in steps, over all restarts
  int64_t pictures = 0; ///< seen
};

/// Checkpoints NAME.step-N.safetensors in a folder; the two newest are kept.
class Checkpoints {
public:
  Checkpoints(std::string folder, std::string name);
  /// Returns the file's path. `run`: settings that a resumed run must share (seed, batch).
  std::string save(const TensorMap& state, const Position& position, const Metadata& run);
  /// Loads the newest readable one into `state`; a damaged one is passed over with a message. False when
  /// there is none.
  bool resume(TensorMap state, Position& position, const Metadata& run, std::string& file,
              const std::function<void(const std::string&)>& message);
  /// Step numbers on disk, oldest first.
  std::vector<int64_t> steps() const;
  std::string path(int64_t step) const;

private:
  std::string folder_, name_;
};

} // namespace gsem::train
