// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/reference/layers.hpp"
#include "models/nets/reference/sizes.hpp"

/// AttnGAN (Xu et al., "AttnGAN: Fine-Grained Text to Image Generation with Attentional Generative
/// Adversarial Networks", CVPR 2018): text encoder and three-stage generator.
namespace gsem::nets::reference {

/// RNN_ENCODER: embedding and a bidirectional LSTM.
struct TextEncoderImpl : torch::nn::Module {
  explicit TextEncoderImpl(const TextEncoderSizes& sizes);
  struct Output {
    Tensor words, sentence; ///< [B,W,L], [B,W]
  };
  /// tokens [B,L] int64, all of the same length, without padding.
  Output forward(const Tensor& tokens);
  /// The same for captions of different lengths [B] (int64, on the CPU, 1 or more), padded to the longest or
  /// more: words are cut to the longest and zero where there is none.
  Output forward(const Tensor& tokens, const Tensor& lengths);

private:
  Embedding encoder_{nullptr};
  torch::nn::Dropout drop_{nullptr};
  torch::nn::LSTM rnn_{nullptr};
};
TORCH_MODULE(TextEncoder);

/// NEXT_STAGE_G: attends to the words, refines, doubles the size.
struct PainterStageImpl : torch::nn::Module {
  explicit PainterStageImpl(const PainterSizes& sizes);
  Tensor forward(const Tensor& x, const Tensor& words, const Tensor& mask);

private:
  struct Residual {
    Kernel conv1{nullptr}, conv2{nullptr};
    Norm norm1{nullptr}, norm2{nullptr};
  };
  Kernel context_{nullptr}, up_{nullptr};
  Norm up_norm_{nullptr};
  std::vector<Residual> residuals_;
};
TORCH_MODULE(PainterStage);

/// G_NET.
struct PainterImpl : torch::nn::Module {
  explicit PainterImpl(const PainterSizes& sizes);
  /// noise [B,Z], epsilon [B,condition] (of the conditioning augmentation), sentence [B,W], words [B,W,L],
  /// mask [B,L] true where there is no word (undefined: none) -> pictures of 64, 128 and 256 in [-1,1]; fewer
  /// when `between` says stop. The attention masks each picture's own words; the published code mixes the
  /// masks of a batch up.
  std::vector<Tensor> forward(const Tensor& noise, const Tensor& epsilon, const Tensor& sentence,
                              const Tensor& words, const Tensor& mask = {}, const Between& between = {});
  struct Condition {
    Tensor mean, log_variance; ///< [B,condition]
  };
  /// What the conditioning augmentation draws from.
  Condition condition(const Tensor& sentence);
  const PainterSizes sizes;

private:
  Dense condition_{nullptr}, first_{nullptr};
  Norm first_norm_{nullptr};
  Kernel up_[4]{nullptr, nullptr, nullptr, nullptr}, picture_[3]{nullptr, nullptr, nullptr};
  Norm up_norm_[4]{nullptr, nullptr, nullptr, nullptr};
  PainterStage stage_[2]{nullptr, nullptr};
};
TORCH_MODULE(Painter);

} // namespace gsem::nets::reference
