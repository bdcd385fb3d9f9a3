// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/layers.hpp"
#include "models/train/random.hpp"

/// Discriminators on frozen features (Sauer, Chitta, Mueller, Geiger: "Projected GANs Converge Faster",
/// NeurIPS 2021) that also judge whether the picture matches its sentence and its layout hint (projection
/// discriminator: Miyato, Koyama, ICLR 2018).
namespace gsem::train {

using torch::Tensor;

/// Convolution with spectral normalisation (Miyato et al., ICLR 2018); tensor names of
/// torch.nn.utils.parametrizations.spectral_norm. In training mode every call makes one power iteration.
struct SpectralConvImpl : torch::nn::Module {
  SpectralConvImpl(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding);
  Tensor forward(const Tensor& x);

  Tensor original, u, v, bias;
  int64_t stride, padding;
};
TORCH_MODULE(SpectralConv);

/// What a head says of pictures [B].
struct Judgement {
  Tensor real;  ///< looks real
  Tensor trait; ///< [B,64]: compared with sentence and hint by Head::match
};

/// What pictures [B] should match: sentence [B,128], hint [B]; `weight` [B] 0 or 1 says which have a caption
/// at all (undefined: every one).
struct Condition {
  Tensor sentence, hint, weight;
};
struct HeadImpl : torch::nn::Module {
  /// Features of `channels` at `side` x `side` (a power of two, 4 or more).
  HeadImpl(int64_t channels, int64_t side);
  Judgement judge(const Tensor& features);
  /// sentence [B,128] unit vectors, hint [B] 0..127 -> [B].
  Tensor match(const Tensor& trait, const Tensor& sentence, const Tensor& hint);

private:
  std::vector<SpectralConv> convs_;
  std::vector<torch::nn::GroupNorm> norms_; ///< before conv i+1; the first conv has none
  SpectralConv real_{nullptr}, trait_{nullptr};
  nets::Linear sentence_{nullptr};
  nets::Embedding hint_{nullptr};
};
TORCH_MODULE(Head);

/// One head a scale over features of strides 4, 8, 16, 32 of 128x128 pictures, mixed by fixed random
/// projections (from seed 1, the same as in the Python recipe; not in checkpoints).
struct DiscriminatorImpl : torch::nn::Module {
  DiscriminatorImpl();
  /// Frozen; gradients pass to the features.
  std::vector<Tensor> mix(const std::vector<Tensor>& features);
  std::vector<Judgement> judge(const std::vector<Tensor>& mixed);
  Tensor match(size_t scale, const Judgement& judgement, const Condition& condition);
  size_t scales() const { return heads_.size(); }

private:
  std::vector<Head> heads_;
  std::vector<Tensor> across_, down_; ///< 1x1 and 3x3 kernels
};
TORCH_MODULE(Discriminator);

/// The discriminator's loss on real and painted pictures; `wrong`: a mismatched condition for the real ones,
/// `shown`: the painted ones' condition, if it is another. `condition` null: only real or painted.
Tensor discriminator_loss(Discriminator& d, const std::vector<Tensor>& real, const std::vector<Tensor>& fake,
                          const Condition* condition, const Condition* wrong,
                          const Condition* shown = nullptr);
/// The generator's loss: minus the scores.
Tensor adversarial_loss(Discriminator& d, const std::vector<Tensor>& fake, const Condition* condition);

/// Differentiable: brightness, saturation, contrast, a shift by up to 1/8 (Zhao et al., NeurIPS 2020).
/// 128x128 pictures.
Tensor augment(Tensor x, StepRandom& random);

} // namespace gsem::train
