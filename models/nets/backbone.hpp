// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/layers.hpp"

#include <array>

namespace gsem::nets {

/// Depth multiplier 1 and 1.1: 16 and 21 blocks of the same shapes.
enum class BackboneSize { Lite0, Lite1 };

/// EfficientNet-Lite0 (or Lite1) up to its last block, batch norm folded into the convolutions, ReLU6
/// (source: Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019,
/// and its Lite variants; ImageNet weights, Apache-2.0). Lite0 is frozen everywhere; Lite1 is the judge's.
/// Names: stem.{weight,bias}, blocks.N.{expand,depthwise,project}.{weight,bias} (block 0 has no expand).
struct BackboneImpl : torch::nn::Module {
  explicit BackboneImpl(BackboneSize size = BackboneSize::Lite0);

  /// Feature maps at strides 4, 8, 16, 32 with 24, 40, 112, 320 channels; those that were not asked for are
  /// undefined.
  using Features = std::array<Tensor, 4>;
  static constexpr int kChannels[4] = {24, 40, 112, 320};

  /// x [B,3,H,W] in [-1,1], H and W even at every stride that is computed (128 and 224 are). `levels`: how
  /// many of the four. Stride-2 convolutions pad bottom and right only, as TensorFlow's "same" does.
  Features forward(const Tensor& x, int levels = 4, const Between& between = {});

private:
  struct Block {
    Conv expand{nullptr}, depthwise{nullptr}, project{nullptr};
    int kernel = 3;
    bool residual = false, last = false; ///< last: of its stride
  };
  Conv stem_{nullptr};
  std::vector<Block> blocks_;
};
TORCH_MODULE(Backbone);

/// Where things are in a picture, as one of 127 codes: stride-16 features pooled to 4x4, each channel's
/// spatial mean removed (appearance goes, layout stays), projected, nearest centroid. Names: mu [1792], basis
/// [1792,48], scale [1], centroids [127,48].
struct LayoutHintImpl : torch::nn::Module {
  LayoutHintImpl();
  /// features [B,112,8,8] of a 128x128 picture -> [B,48].
  Tensor project(const Tensor& features);
  /// -> [B] codes 0..126.
  Tensor forward(const Tensor& features);

  Tensor mu, basis, scale, centroids;
};
TORCH_MODULE(LayoutHint);

} // namespace gsem::nets
