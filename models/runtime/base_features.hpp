// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/runtime/models.hpp"

namespace gsem::runtime {

/// Each kind of structure model derives its own; only the model that made one reads it.
struct StructureModel::BaseFeatures {
  virtual ~BaseFeatures() = default;
};

} // namespace gsem::runtime
