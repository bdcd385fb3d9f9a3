// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/layers.hpp"

namespace gsem::nets {

/// The picture codec: mean-scale hyperprior (Minnen, Balle, Toderici, "Joint Autoregressive and Hierarchical
/// Priors for Learned Image Compression", NeurIPS 2018) whose autoregressive part is two passes (after the
/// dual spatial prior of Li, Li, Lu, "Hybrid Spatial-Temporal Entropy Modelling for Neural Video
/// Compression", ACM MM 2022), one model for all rates by learned gains (after Cui et al., "Asymmetric Gained
/// Deep Image Compression", CVPR 2021), synthesis conditioned on the lower layers' picture and map. The
/// shipped codec parses with the integer twin of `hyper` and `refine` in models/entropy; here they serve
/// training.
struct SignalCodecImpl : torch::nn::Module {
  static constexpr int64_t kRows = 8; ///< gain rows; q is a position among them, 0..7
  static constexpr int64_t kLatents = 192, kHyper = 64, kSideChannels = 54;
  static float position(int quality) { return quality * 7.0f / 63.0f; } ///< element quality 0..63 -> q

  SignalCodecImpl();

  struct Latents {
    Tensor y, z; ///< before rounding, [B,192,H/16,W/16] and [B,64,H/64,W/64]
  };
  /// x [B,3,H,W] in [-1,1], H and W multiples of 64; q [B] float.
  Latents analyse(const Tensor& x, const Tensor& q);
  Latents analyse_unshuffled(const Tensor& x, const Tensor& q); ///< [B,48,H/4,W/4]

  struct Prior {
    Tensor mean, raw, features; ///< raw: scale_of() makes scales of it; features: [B,64,H/16,W/16]
  };
  /// z rounded -> the prior of the y of the first pass.
  Prior hyper(const Tensor& z);
  /// Symbols of the first pass (others do not count) -> the prior with the y of the second pass predicted
  /// too. 12 M multiply-accumulates at 256x256.
  Prior refine(const Prior& prior, const Tensor& symbols);
  static Tensor scale_of(const Tensor& raw);

  /// base [B,3,H,W] in [-1,1], map [B,1,H/2,W/2] in 0..1, flags [B,2] (base present, map present); absent
  /// ones zeros -> [B,54,H/4,W/4].
  static Tensor side(const Tensor& base, const Tensor& map, const Tensor& flags);
  /// side undefined: as with base and map absent. -> [B,48,H/4,W/4], a pixel shuffle by 4 short of the
  /// picture; not clamped.
  Tensor synthesise_unshuffled(const Tensor& y_hat, const Tensor& q, const Tensor& side = {});
  Tensor synthesise(const Tensor& y_hat, const Tensor& q, const Tensor& side = {});

  /// Faster upsampling; later changes of the weights do not count.
  void prepare_for_inference();

  struct Output {
    Tensor picture, bits_per_pixel,
        penalty; ///< [B,3,H,W], [B], scalar keeping latents inside the coder's range
  };
  /// Training: additive uniform noise for the rates, straight-through rounding for the picture. In eval mode:
  /// rounding.
  Output forward(const Tensor& x, const Tensor& q, const Tensor& side = {});

  /// Row of a gain table at q, linear in between: [B,C,1,1].
  static Tensor at(const Tensor& table, const Tensor& q);

private:
  Conv e1_{nullptr}, e3_{nullptr}, e6_{nullptr}, he0_{nullptr}, he2_{nullptr}, he4_{nullptr}, hd4_{nullptr};
  DepthConv e2_{nullptr}, e4_{nullptr}, e5_{nullptr};
  Up2 hd0_{nullptr}, hd2_{nullptr}, d3_{nullptr}, d6_{nullptr};
  Conv d0_{nullptr}, d9_{nullptr};
  DepthConv d1_{nullptr}, d2_{nullptr}, d4_{nullptr}, d5_{nullptr}, d7_{nullptr}, d8_{nullptr};
  Conv sa0_{nullptr}, sb0_{nullptr}, sc0_{nullptr}, m4_{nullptr}, m8_{nullptr}, m16_{nullptr};
  DepthConv sa1_{nullptr}, sb1_{nullptr}, sc1_{nullptr};
  Conv cx_{nullptr}, ch_{nullptr}, co_{nullptr}; ///< context, features, more (entropy::HyperWeights)
  Tensor ge_, gd_, qe_, zs_, zm_;
};
TORCH_MODULE(SignalCodec);

/// -log2 probability of the unit interval around v under Normal(mean, scale), floors kept differentiable.
Tensor likelihood_bits(const Tensor& v, const Tensor& mean, const Tensor& scale);

} // namespace gsem::nets
