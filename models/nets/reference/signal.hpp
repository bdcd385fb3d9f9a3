// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/reference/layers.hpp"
#include "models/nets/reference/sizes.hpp"

namespace gsem::nets::reference {

/// SCMC's layer 3, L3_Codec_Hyperprior: the scale hyperprior (Balle et al., "Variational image compression
/// with a scale hyperprior", ICLR 2018) as CompressAI's bmshj2018_hyperprior has it, and a synthesis that
/// merges the picture from below and the edge map. One network a rate.
struct SignalImpl : torch::nn::Module {
  explicit SignalImpl(const SignalSizes& sizes);

  /// x [B,3,H,W] in [-1,1], sides multiples of 64 -> y [B,M,H/16,W/16], before rounding.
  Tensor analyse(const Tensor& x);
  Tensor hyper_analyse(const Tensor& y);    ///< -> z [B,N,H/64,W/64], before rounding
  Tensor medians() const;                   ///< [N,1,1]: z is rounded around them
  Tensor hyper_synthesise(const Tensor& z); ///< -> scales [B,M,H/16,W/16], not bounded yet
  /// Probability of the unit interval around rounded z under the factorised prior.
  Tensor z_likelihood(const Tensor& z) const;
  /// How far the prior's quantiles (parameter entropy_bottleneck.quantiles) are from where it has its median
  /// and all but 1e-9; its gradient reaches them alone (CompressAI's auxiliary loss).
  Tensor quantile_loss() const;
  /// The same around rounded y under Normal (0, max (scale, 0.11)).
  static Tensor y_likelihood(const Tensor& y, const Tensor& scales);

  struct Sides {
    Tensor merged[3]; ///< strides 16, 8, 4
  };
  /// base [B,3,H,W] in [-1,1], edges [B,1,H/2,W/2] in 0..1.
  Sides sides(const Tensor& base, const Tensor& edges);
  /// y rounded -> [B,3,H,W], not clamped; undefined when `between` says stop.
  Tensor synthesise(const Tensor& y, const Sides& sides, const Between& between = {});

private:
  Tensor logits(Tensor v, bool fixed) const;

  struct Info {
    Kernel conv{nullptr};
    Prelu slope{nullptr};
    Downsample down{nullptr};
  };
  struct Edge {
    Kernel conv{nullptr}, down{nullptr};
    Prelu slope{nullptr};
  };
  Kernel ga_[4]{nullptr, nullptr, nullptr, nullptr}, ha_[3]{nullptr, nullptr, nullptr}, hs_out_{nullptr};
  Gdn ga_gdn_[3]{nullptr, nullptr, nullptr}, gs_gdn_[3]{nullptr, nullptr, nullptr};
  UpKernel hs_[2]{nullptr, nullptr}, gs_[4]{nullptr, nullptr, nullptr, nullptr};
  Info info_[4];
  Edge edges_[3];
  Kernel join_[3]{nullptr, nullptr, nullptr}, narrow_{nullptr};
  Calibrated transform_[3]{nullptr, nullptr, nullptr};
  Merge merge_[3]{nullptr, nullptr, nullptr};
  Tensor quantiles_, matrix_[5], bias_[5], factor_[4];
};
TORCH_MODULE(Signal);

} // namespace gsem::nets::reference
