// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/core/Tensor.h>

/// AttnGAN's matching losses (Xu et al., CVPR 2018, equations 7 to 12).
namespace gsem::train {

struct Matching {
  at::Tensor words, sentence; ///< both directions added
};
/// regions [B,W,h,w] and pictures [B,W] of the picture encoder; words [B,W,L], sentences [B,W], lengths [B]
/// of the text encoder; labels [B]: others of the same class count neither way.
Matching matching_loss(const at::Tensor& regions, const at::Tensor& pictures, const at::Tensor& words,
                       const at::Tensor& sentences, const at::Tensor& lengths, const at::Tensor& labels);

} // namespace gsem::train
