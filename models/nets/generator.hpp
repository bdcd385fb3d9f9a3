// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/layers.hpp"

namespace gsem::nets {

/// Batch norm without own gain, then gain and offset from the style vector (after Perez et al., "FiLM", AAAI
/// 2018).
struct FilmImpl : torch::nn::Module {
  FilmImpl(int64_t channels, int64_t style);
  Tensor forward(const Tensor& x, const Tensor& style);
  /// Moves the running statistics into the convolution before it; `forward` then only modulates. For
  /// inference; not to be undone.
  void fold_into(ConvImpl& conv);

private:
  torch::nn::BatchNorm2d norm_{nullptr};
  Linear modulation_{nullptr};
  bool folded_ = false;
};
TORCH_MODULE(Film);

struct WordAttentionImpl : torch::nn::Module {
  explicit WordAttentionImpl(int64_t channels, int64_t width = 128, int64_t keys = 64);
  Tensor forward(const Tensor& x, const Tensor& words, const Tensor& mask);

private:
  Conv query_{nullptr};
  Linear key_{nullptr}, value_{nullptr};
  Tensor gain_;
};
TORCH_MODULE(WordAttention);

/// Doubles the size first when `up`.
struct GeneratorBlockImpl : torch::nn::Module {
  GeneratorBlockImpl(int64_t in, int64_t out, int64_t style, bool up);
  /// `noise`: [B or 1,1,h,w] of unit variance, or undefined for none.
  Tensor forward(const Tensor& x, const Tensor& style, const Tensor& noise);
  void fold_batch_norm();

private:
  bool up_;
  Conv c1_{nullptr}, c2_{nullptr}, skip_{nullptr};
  Film f1_{nullptr}, f2_{nullptr};
  Tensor noise_gain_;
};
TORCH_MODULE(GeneratorBlock);

/// Words and layout to a picture, a conditional GAN's generator. 5.5 M parameters, 1.3 GMAC.
struct GeneratorImpl : torch::nn::Module {
  static constexpr int64_t kNoiseWidth = 64;
  static constexpr int kBlocks = 5;
  static constexpr int64_t kLayouts = 127;                      ///< codes of LayoutHint
  static constexpr int64_t block_side(int i) { return 4 << i; } ///< 4, 8, 16, 32, 64

  GeneratorImpl();

  /// z [B,64], words [B,L,128], sentence [B,128], mask [B,L], hint [B] int64 0..126 -> [B,3,128,128] in
  /// [-1,1]. `noise`: one plane a block (see block_side); empty: fresh ones while training, none otherwise.
  Tensor forward(const Tensor& z, const Tensor& words, const Tensor& sentence, const Tensor& mask,
                 const Tensor& hint, const std::vector<Tensor>& noise = {}, const Between& between = {});
  /// Which layouts pictures of such a sentence have: sentence [B,128] -> logits [B,127]. For captions that
  /// come without a hint: painting them all in one common layout looked worse than any of the layouts.
  Tensor layouts(const Tensor& sentence);
  /// For inference, after loading.
  void fold_batch_norm();

private:
  Embedding hints_{nullptr};
  Linear layout_prior_{nullptr}, mapping0_{nullptr}, mapping2_{nullptr}, first_{nullptr};
  std::vector<GeneratorBlock> blocks_;
  WordAttention attention2_{nullptr}, attention3_{nullptr};
  Conv widen_{nullptr}, output_{nullptr};
};
TORCH_MODULE(Generator);

/// The generator's light last stage and layer 1's: twice the size, sharper. 76 kMAC a 2x2 input pixels.
struct UpscaleImpl : torch::nn::Module {
  explicit UpscaleImpl(int64_t channels = 48);
  /// x [B,3,H,W] in [-1,1], H and W even -> [B,3,2H,2W]; clamped to [-1,1] unless told otherwise (training).
  Tensor forward(const Tensor& x, bool clamp = true);

private:
  Conv c0_{nullptr}, o_{nullptr};
  DepthConv r0_{nullptr}, r1_{nullptr};
};
TORCH_MODULE(Upscale);

} // namespace gsem::nets
