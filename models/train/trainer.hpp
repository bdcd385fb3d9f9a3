// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/recipe.hpp"

namespace gsem::train {

enum class Ending {
  Finished = 0,
  Interrupted = 2, ///< SIGINT or SIGTERM; a checkpoint was written
  NotFinite = 3,   ///< a loss or gradient became NaN or infinite
};

/// Runs or resumes a training in settings.out: checkpoints, NET.csv, NET.png. A run of the same settings
/// repeats exactly (one thread, one machine) however often it was killed. Throws std::runtime_error for what
/// cannot work.
Ending train(const Settings& settings);

} // namespace gsem::train
