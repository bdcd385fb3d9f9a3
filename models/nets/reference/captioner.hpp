// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/reference/layers.hpp"
#include "models/nets/reference/sizes.hpp"

/// SCMC's captioner, the "image captioning" lesson of pytorch-tutorial: ResNet-152 without its classifier,
/// linear and batch norm (source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016;
/// Vinyals et al., "Show and Tell", CVPR 2015), then an LSTM.
namespace gsem::nets::reference {

struct ResidualBlockImpl : torch::nn::Module {
  ResidualBlockImpl(int64_t in, int64_t width, int64_t stride);
  Tensor forward(const Tensor& x);

private:
  Kernel conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr}, shortcut_{nullptr};
  Norm bn1_{nullptr}, bn2_{nullptr}, bn3_{nullptr}, shortcut_norm_{nullptr};
};
TORCH_MODULE(ResidualBlock);

struct PictureEncoderImpl : torch::nn::Module {
  explicit PictureEncoderImpl(const CaptionerSizes& sizes);
  /// x [B,3,224,224], ImageNet's mean and deviation -> [B,embedding]; undefined when `between` says stop.
  Tensor forward(const Tensor& x, const Between& between = {});

private:
  Kernel stem_{nullptr};
  Norm stem_norm_{nullptr}, norm_{nullptr};
  std::vector<ResidualBlock> blocks_;
  Dense linear_{nullptr};
};
TORCH_MODULE(PictureEncoder);

struct WordDecoderImpl : torch::nn::Module {
  explicit WordDecoderImpl(const CaptionerSizes& sizes);
  /// Greedy: features [1,embedding] -> `count` word indices, whatever they are (the published code looks for
  /// "<end>" afterwards).
  std::vector<int64_t> sample(const Tensor& features, int count = 20);
  /// Teacher forcing: features [B,E], words [B,L] -> logits [B,L+1,V].
  Tensor forward(const Tensor& features, const Tensor& words);

private:
  Embedding embed_{nullptr};
  torch::nn::LSTM lstm_{nullptr};
  Dense linear_{nullptr};
};
TORCH_MODULE(WordDecoder);

/// Both, under "encoder." and "decoder.".
struct CaptionerImpl : torch::nn::Module {
  explicit CaptionerImpl(const CaptionerSizes& sizes);
  PictureEncoder encoder{nullptr};
  WordDecoder decoder{nullptr};
};
TORCH_MODULE(Captioner);

/// What the published sampling script keeps of the words: up to "<end>", without the first and the last, and
/// without a full stop before the last.
std::vector<std::string> published_cut(const std::vector<std::string>& words);

} // namespace gsem::nets::reference
