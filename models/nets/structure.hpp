// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/layers.hpp"

namespace gsem::nets {

/// Picture to soft edges: five stages with side outputs, fused from coarse to fine (after Xie, Tu,
/// "Holistically-Nested Edge Detection", ICCV 2015, and Liu et al., "Richer Convolutional Features", CVPR
/// 2017). 256x256 gives 128x128.
struct EdgeNetImpl : torch::nn::Module {
  EdgeNetImpl();
  /// x [B,3,H,W] in [-1,1], H and W multiples of 32 -> [B,1,H/2,W/2] in 0..1, or before the sigmoid with
  /// `logits` (training).
  Tensor forward(const Tensor& x, bool logits = false);
  /// The same from a picture that is unshuffled already: [B,12,H/2,W/2].
  Tensor forward_unshuffled(const Tensor& x, bool logits = false);

private:
  struct Stage {
    Conv down{nullptr};
    DepthConv block{nullptr};
  };
  Conv c0_{nullptr}, o_{nullptr};
  Stage stages_[4];
  Conv side_[5]{nullptr, nullptr, nullptr, nullptr, nullptr};
  DepthConv top_[4]{nullptr, nullptr, nullptr, nullptr};
};
TORCH_MODULE(EdgeNet);

/// Base picture and edge map to a picture. The base branch does not depend on the map, so its features are
/// computed once a base.
struct StructureSynthesisImpl : torch::nn::Module {
  StructureSynthesisImpl();

  struct BaseFeatures {
    Tensor b0, b1, b2; ///< strides 2, 4, 8 of the 128x128 base
  };
  /// base [B,3,128,128] in [-1,1]; zeros where there is none.
  BaseFeatures base_branch(const Tensor& base);
  BaseFeatures base_branch_unshuffled(const Tensor& base); ///< [B,12,64,64]
  /// edge unshuffled, [B,4,64,64] in [-1,1] -> [B,48,64,64] in [-1,1]: a pixel shuffle by 4 short of the
  /// picture, which the runtime does while it converts to bytes. `noise`: standard deviation of an added
  /// plane, for training.
  Tensor decode(const BaseFeatures& base, const Tensor& edge, double noise = 0);
  /// The fast path, the same results: prepare_for_inference() once after loading (later changes of the
  /// weights do not count), project() once a base, decode_projected() a map.
  void prepare_for_inference();
  BaseFeatures project(const BaseFeatures& base);
  Tensor decode_projected(const BaseFeatures& base, const Tensor& edge);
  /// base [B,3,128,128], edge [B,1,128,128], both in [-1,1] -> [B,3,256,256] in [-1,1].
  Tensor forward(const Tensor& base, const Tensor& edge, double noise = 0);

private:
  Conv b0_1_{nullptr}, b1_0_{nullptr}, b2_0_{nullptr};
  DepthConv b0_2_{nullptr}, b1_1_{nullptr}, b2_1_{nullptr};
  Conv m0_1_{nullptr}, m1_0_{nullptr}, m2_{nullptr};
  DepthConv m1_1_{nullptr};
  Conv f2_0_{nullptr}, f1_0_{nullptr}, f0_0_{nullptr}, f0_2_{nullptr};
  DepthConv f2_1_{nullptr}, f2_2_{nullptr}, f1_1_{nullptr}, f0_1_{nullptr};
  Up2 u2_{nullptr}, u1_{nullptr};
  std::vector<Tensor> split2_, split1_, split0_; ///< the merging convolutions' weights by input
  Tensor noise_gain_;
};
TORCH_MODULE(StructureSynthesis);

} // namespace gsem::nets
