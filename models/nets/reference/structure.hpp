// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/reference/layers.hpp"
#include "models/nets/reference/sizes.hpp"

namespace gsem::nets::reference {

/// RCF (Liu et al., "Richer Convolutional Features for Edge Detection", CVPR 2017): VGG-16's convolutions
/// with a side output each, fused.
struct RcfImpl : torch::nn::Module {
  explicit RcfImpl(const EdgeSizes& sizes);
  /// x [B,3,H,W]: blue, green, red in 0..255 minus their means 104.00698793, 116.66876762, 122.67891434 ->
  /// six maps [B,1,H,W] in 0..1, the fused one last; none when `between` says stop. Sides: multiples of 8, or
  /// any that the published crops allow.
  std::vector<Tensor> forward(const Tensor& x, const Between& between = {});

private:
  std::vector<Kernel> conv_, down_;
  std::vector<Kernel> score_;
  Kernel fuse_{nullptr};
};
TORCH_MODULE(Rcf);

/// SCMC's layer 2, L2_MS_Edge_Semantic.
struct StructureImpl : torch::nn::Module {
  explicit StructureImpl(const StructureSizes& sizes);

  struct BaseFeatures {
    Tensor maps[4];    ///< strides 4, 8, 16, 32
    Tensor vectors[3]; ///< [B,width]
  };
  /// base [B,3,256,256] in [-1,1].
  BaseFeatures base_branch(const Tensor& base);
  /// edges [B,1,128,128] in 0..1 (other sizes: nearest neighbours) -> [B,3,256,256] in about [-1,1];
  /// undefined when `between` says stop.
  Tensor decode(const BaseFeatures& base, const Tensor& edges, const Between& between = {});

private:
  struct Scale {
    Kernel conv{nullptr};
    Prelu slope{nullptr};
  };
  struct EdgeScale {
    Kernel conv{nullptr};
    Prelu slope{nullptr};
    Downsample down{nullptr};
  };
  struct Attention {
    Kernel query{nullptr}, key{nullptr}, value{nullptr};
  };
  struct Up {
    Kernel conv{nullptr};
    Prelu slope{nullptr};
  };
  struct Refine {
    Kernel conv1{nullptr}, conv2{nullptr};
    Norm norm1{nullptr}, norm2{nullptr};
    Prelu slope{nullptr};
  };
  Tensor attend(Attention& a, const Tensor& query, const Tensor& key, const Tensor& value) const;
  static Tensor refine(Refine& r, const Tensor& x);
  static Tensor up(Up& u, const Tensor& x);

  Scale scales_[5];
  Prelu fc_slope_{nullptr};
  Dense fc_[4]{nullptr, nullptr, nullptr, nullptr};
  EdgeScale edges_[4];
  Attention attention_[4];
  Kernel down_[4]{nullptr, nullptr, nullptr, nullptr}, output_{nullptr};
  Calibrated transform_[4]{nullptr, nullptr, nullptr, nullptr};
  Merge merge_[4]{nullptr, nullptr, nullptr, nullptr};
  Up up_[5];
  Refine refine_[2];
};
TORCH_MODULE(Structure);

} // namespace gsem::nets::reference
