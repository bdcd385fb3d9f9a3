// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/reference/captioner.hpp"

#include <algorithm>

namespace gsem::nets::reference {

ResidualBlockImpl::ResidualBlockImpl(int64_t in, int64_t width, int64_t stride) {
  const int64_t out = width * 4;
  conv1_ = register_module("conv1", Kernel(in, width, 1, KernelOptions{.bias = false}));
  bn1_ = register_module("bn1", Norm(width));
  conv2_ = register_module("conv2", Kernel(width, width, 3, KernelOptions{.stride = stride, .bias = false}));
  bn2_ = register_module("bn2", Norm(width));
  conv3_ = register_module("conv3", Kernel(width, out, 1, KernelOptions{.bias = false}));
  bn3_ = register_module("bn3", Norm(out));
  if (stride == 1 && in == out)
    return;
  Group shortcut = register_module("downsample", Group());
  shortcut_ = shortcut->add("0", Kernel(in, out, 1, KernelOptions{.stride = stride, .bias = false}));
  shortcut_norm_ = shortcut->add("1", Norm(out));
}

Tensor ResidualBlockImpl::forward(const Tensor& x) {
  const Tensor inner = rectify(bn2_(conv2_(rectify(bn1_(conv1_(x))))));
  const Tensor around = shortcut_.is_empty() ? x : shortcut_norm_(shortcut_(x));
  return rectify(bn3_(conv3_(inner)) + around);
}

PictureEncoderImpl::PictureEncoderImpl(const CaptionerSizes& sizes) {
  // Positions in nn.Sequential of ResNet's children: 0 convolution, 1 norm, 2 ReLU, 3 pooling, 4 to 7 stages.
  Group resnet = register_module("resnet", Group());
  stem_ = resnet->add("0", Kernel(3, sizes.stem, 7, KernelOptions{.stride = 2, .bias = false}));
  stem_norm_ = resnet->add("1", Norm(sizes.stem));
  int64_t in = sizes.stem;
  for (size_t stage = 0; stage < sizes.blocks.size(); ++stage) {
    Group group = resnet->add(std::to_string(4 + stage), Group());
    const int64_t width = sizes.stem << stage;
    for (int64_t i = 0; i < sizes.blocks[stage]; ++i) {
      const int64_t stride = stage > 0 && i == 0 ? 2 : 1;
      blocks_.push_back(group->add(std::to_string(i), ResidualBlock(in, width, stride)));
      in = width * 4;
    }
  }
  linear_ = register_module("linear", Dense(in, sizes.embedding));
  norm_ = register_module("bn", Norm(sizes.embedding, 1e-5, 0.01));
}

Tensor PictureEncoderImpl::forward(const Tensor& x, const Between& between) {
  Tensor y = torch::max_pool2d(rectify(stem_norm_(stem_(x))), 3, 2, 1);
  for (auto& block : blocks_) {
    if (between && !between())
      return {};
    y = block(y);
  }
  return norm_(linear_(y.mean({2, 3})));
}

WordDecoderImpl::WordDecoderImpl(const CaptionerSizes& sizes) {
  embed_ = register_module("embed", Embedding(sizes.words, sizes.embedding));
  lstm_ = register_module(
      "lstm", torch::nn::LSTM(torch::nn::LSTMOptions(sizes.embedding, sizes.hidden).batch_first(true)));
  linear_ = register_module("linear", Dense(sizes.hidden, sizes.words));
}

std::vector<int64_t> WordDecoderImpl::sample(const Tensor& features, int count) {
  std::vector<int64_t> words;
  Tensor input = features.unsqueeze(1);
  torch::optional<std::tuple<Tensor, Tensor>> state;
  for (int i = 0; i < count; ++i) {
    const auto [output, next] = lstm_(input, state);
    state = next;
    const Tensor word = linear_(output.squeeze(1)).argmax(1);
    words.push_back(word.item<int64_t>());
    input = embed_(word).unsqueeze(1);
  }
  return words;
}

Tensor WordDecoderImpl::forward(const Tensor& features, const Tensor& words) {
  const Tensor input = torch::cat({features.unsqueeze(1), embed_(words)}, 1);
  return linear_(std::get<0>(lstm_(input)));
}

CaptionerImpl::CaptionerImpl(const CaptionerSizes& sizes) {
  encoder = register_module("encoder", PictureEncoder(sizes));
  decoder = register_module("decoder", WordDecoder(sizes));
}

std::vector<std::string> published_cut(const std::vector<std::string>& words) {
  auto end = std::find(words.begin(), words.end(), "<end>");
  if (end == words.end() && !words.empty())
    --end; // none: the last word goes in its place
  if (end - words.begin() >= 1 && *(end - 1) == ".")
    --end;
  return end - words.begin() > 1 ? std::vector<std::string>(words.begin() + 1, end)
                                 : std::vector<std::string>();
}

} // namespace gsem::nets::reference
