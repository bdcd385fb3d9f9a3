// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/reference/layers.hpp"
#include "models/nets/reference/sizes.hpp"

#include <functional>

namespace gsem::nets::reference {

/// AttnGAN's CNN_ENCODER, the picture half of DAMSM, for R-precision: Inception v3 (Szegedy et al.,
/// "Rethinking the Inception Architecture for Computer Vision", CVPR 2016) and two projections.
struct RankerImpl : torch::nn::Module {
  explicit RankerImpl(const RankerSizes& sizes);
  struct Output {
    Tensor regions, picture; ///< [B,width,17,17], [B,width]
  };
  /// x [B,3,H,W] in [-1,1]; stretched to 299x299 inside (bilinear, corners not aligned: PyTorch's default
  /// since 0.4; before, corners were aligned).
  Output forward(const Tensor& x);

private:
  using Step = std::function<Tensor(const Tensor&)>;
  std::vector<Step> to_regions_, to_picture_;
  Kernel regions_{nullptr};
  Dense picture_{nullptr};
};
TORCH_MODULE(Ranker);

/// R-precision's score: cosine of picture and sentence features, [P,S].
Tensor match_score(const Tensor& pictures, const Tensor& sentences);

} // namespace gsem::nets::reference
