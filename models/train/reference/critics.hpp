// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/reference/layers.hpp"
#include "models/train/discriminator.hpp"

/// Discriminators of the published networks. Scores are logits.
namespace gsem::train {

/// AttnGAN's D_NET64, 128 and 256 with the published tensor names: strided convolutions to 4x4, then one
/// score of the picture alone and one of picture and sentence together.
struct StageCriticImpl : torch::nn::Module {
  /// `side` 64, 128 or 256.
  StageCriticImpl(int64_t side, int64_t width, int64_t sentence);
  Tensor features(const Tensor& x);
  Tensor alone(const Tensor& features);                           ///< [B]
  Tensor matched(const Tensor& features, const Tensor& sentence); ///< [B]

private:
  struct Layer {
    nets::reference::Kernel conv{nullptr};
    nets::reference::Norm norm{nullptr};
  };
  static Tensor run(Layer& layer, const Tensor& x);
  std::vector<Layer> layers_;
  Layer joint_;
  nets::reference::Kernel alone_{nullptr}, matched_{nullptr};
};
TORCH_MODULE(StageCritic);

/// The published loss of one discriminator: real, painted, and real with the next picture's sentence.
Tensor critic_loss(StageCritic& critic, const Tensor& real, const Tensor& painted, const Tensor& sentence);
/// The generator's: both scores taken for real.
Tensor painter_loss(StageCritic& critic, const Tensor& painted, const Tensor& sentence);

/// Layer 2's discriminator (HiFiC's without the condition; Mentzer et al., "High-Fidelity Generative Image
/// Compression", NeurIPS 2020): four spectrally normalised convolutions, a score a patch.
struct PatchCriticImpl : torch::nn::Module {
  explicit PatchCriticImpl(int64_t width); ///< 64: as published
  Tensor forward(const Tensor& x);

private:
  SpectralConv conv_[4]{nullptr, nullptr, nullptr, nullptr};
  nets::reference::Kernel out_{nullptr};
};
TORCH_MODULE(PatchCritic);

/// Binary cross-entropy of logits against all ones or all zeros.
Tensor taken_for(const Tensor& logits, bool real);

/// AttnGAN's initial weights: orthogonal matrices, norms around 1, no linear biases.
void orthogonal_start(torch::nn::Module& module);

} // namespace gsem::train
