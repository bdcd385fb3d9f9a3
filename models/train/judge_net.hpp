// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/frozen.hpp"

namespace gsem::train {

/// The joint embedding that judges painted pictures: EfficientNet-Lite1 and a text encoder of its own, both
/// trained end to end by the recipe `judge`. No recipe may learn from it, or it judges nothing. Names:
/// backbone.*, and those of TextSide.
struct JudgeNetImpl : TextSideImpl {
  explicit JudgeNetImpl(int64_t vocabulary);
  /// [B,3,H,W] in [-1,1] -> [B,320], before normalisation.
  Tensor pooled(const Tensor& pictures);

  nets::Backbone backbone{nullptr};
};
TORCH_MODULE(JudgeNet);

} // namespace gsem::train
