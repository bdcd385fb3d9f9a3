// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

/// Loss terms. Pictures are float [B,3,H,W] in [-1,1]. All are differentiable; none keeps state.
namespace gsem::train {

/// Multi-scale structural similarity of each pair, [B] (Wang, Simoncelli, Bovik, Asilomar 2003; 11-tap
/// Gaussian, sigma 1.5). `levels` < 5 renormalises the weights; the smaller side must be at least 11 *
/// 2^(levels-1).
at::Tensor ms_ssim(const at::Tensor& a, const at::Tensor& b, int levels = 5);

/// Hinge terms of a discriminator, each score's: max(0, 1 - x) and max(0, 1 + x).
at::Tensor hinge_real(const at::Tensor& score);
at::Tensor hinge_fake(const at::Tensor& score);

/// Sum over scales of mean |a - b| relative to mean |b|.
at::Tensor feature_distance(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b);

/// Soft edge maps: cross-entropy weighted 1 + 4 target (edges are few), L1 with the same weights, and the
/// difference of neighbours. `logits` and `target` [B,1,H,W]; the three terms apart.
struct EdgeTerms {
  at::Tensor cross_entropy, l1, gradient;
};
EdgeTerms edge_terms(const at::Tensor& logits, const at::Tensor& target);

/// Symmetric InfoNCE of two sets of unit vectors [B,D]; `soft` [B,B] rows sum to 1: which pairs count as
/// matching.
at::Tensor contrastive(const at::Tensor& pictures, const at::Tensor& texts, const at::Tensor& scale,
                       const at::Tensor& soft);

/// Cross-entropy of token logits [B,L,V] against [B,L] where keep [B,L] is true, with label smoothing.
at::Tensor caption_loss(const at::Tensor& logits, const at::Tensor& target, const at::Tensor& keep,
                        double smoothing);

} // namespace gsem::train
