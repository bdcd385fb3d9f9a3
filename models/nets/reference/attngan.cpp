// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/reference/attngan.hpp"

#include <limits>

namespace gsem::nets::reference {
namespace {

const KernelOptions kNoBias{.bias = false};

} // namespace

TextEncoderImpl::TextEncoderImpl(const TextEncoderSizes& sizes) {
  encoder_ = register_module("encoder", Embedding(sizes.words, sizes.embedding));
  drop_ = register_module("drop", torch::nn::Dropout(0.5));
  rnn_ = register_module(
      "rnn",
      torch::nn::LSTM(
          torch::nn::LSTMOptions(sizes.embedding, sizes.width / 2).batch_first(true).bidirectional(true)));
}

TextEncoderImpl::Output TextEncoderImpl::forward(const Tensor& tokens) {
  const auto [output, state] = rnn_(drop_(encoder_(tokens)));
  return {output.transpose(1, 2), std::get<0>(state).transpose(0, 1).reshape({tokens.size(0), -1})};
}

TextEncoderImpl::Output TextEncoderImpl::forward(const Tensor& tokens, const Tensor& lengths) {
  namespace rnn = torch::nn::utils::rnn;
  const auto packed = rnn::pack_padded_sequence(drop_(encoder_(tokens)), lengths, true, false);
  const auto [output, state] = rnn_->forward_with_packed_input(packed);
  return {std::get<0>(rnn::pad_packed_sequence(output, true)).transpose(1, 2),
          std::get<0>(state).transpose(0, 1).reshape({tokens.size(0), -1})};
}

PainterStageImpl::PainterStageImpl(const PainterSizes& sizes) {
  const int64_t c = sizes.features;
  context_ = register_module("att", Group())->add("conv_context", Kernel(sizes.text, c, 1, kNoBias));
  Group residual = register_module("residual", Group());
  for (int64_t i = 0; i < sizes.residuals; ++i) {
    Group block = residual->add(std::to_string(i), Group())->add("block", Group());
    Residual r;
    r.conv1 = block->add("0", Kernel(2 * c, 4 * c, 3, kNoBias));
    r.norm1 = block->add("1", Norm(4 * c));
    r.conv2 = block->add("3", Kernel(2 * c, 2 * c, 3, kNoBias));
    r.norm2 = block->add("4", Norm(2 * c));
    residuals_.push_back(r);
  }
  Group up = register_module("upsample", Group());
  up_ = up->add("1", Kernel(2 * c, 2 * c, 3, kNoBias));
  up_norm_ = up->add("2", Norm(2 * c));
}

Tensor PainterStageImpl::forward(const Tensor& x, const Tensor& words, const Tensor& mask) {
  const int64_t b = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
  const Tensor source = context_(words.unsqueeze(3)).squeeze(3); // [B,C,L]
  const Tensor target = x.reshape({b, c, h * w}).transpose(1, 2);
  Tensor attention = torch::bmm(target, source); // [B,HW,L]
  if (mask.defined())
    attention = attention.masked_fill(mask.unsqueeze(1), -std::numeric_limits<float>::infinity());
  attention = attention.softmax(2);
  const Tensor weighted = torch::bmm(source, attention.transpose(1, 2)).view({b, c, h, w});
  Tensor y = torch::cat({x, weighted}, 1).contiguous(x.suggest_memory_format());
  for (Residual& r : residuals_)
    y = r.norm2(r.conv2(gated(r.norm1(r.conv1(y))))) + y;
  return gated(up_norm_(up_(nearest_up2(y))));
}

PainterImpl::PainterImpl(const PainterSizes& s) : sizes(s) {
  const int64_t first = s.features * 16;
  condition_ = register_module("ca_net", Group())->add("fc", Dense(s.text, 4 * s.condition));
  Group start = register_module("h_net1", Group());
  Group fc = start->add("fc", Group());
  first_ = fc->add("0", Dense(s.noise + s.condition, first * 4 * 4 * 2, false));
  first_norm_ = fc->add("1", Norm(first * 4 * 4 * 2));
  for (int i = 0; i < 4; ++i) {
    Group up = start->add("upsample" + std::to_string(i + 1), Group());
    const int64_t in = first >> i;
    up_[i] = up->add("1", Kernel(in, in, 3, kNoBias)); // half as many after the gate
    up_norm_[i] = up->add("2", Norm(in));
  }
  for (int i = 0; i < 2; ++i)
    stage_[i] = register_module("h_net" + std::to_string(i + 2), PainterStage(s));
  for (int i = 0; i < 3; ++i)
    picture_[i] = register_module("img_net" + std::to_string(i + 1), Group())
                      ->add("img", Group())
                      ->add("0", Kernel(s.features, 3, 3, kNoBias));
}

PainterImpl::Condition PainterImpl::condition(const Tensor& sentence) {
  const auto halves = gated(condition_(sentence)).chunk(2, 1);
  return {halves[0], halves[1]};
}

std::vector<Tensor> PainterImpl::forward(const Tensor& noise, const Tensor& epsilon, const Tensor& sentence,
                                         const Tensor& words, const Tensor& mask, const Between& between) {
  const auto go_on = [&] { return !between || between(); };
  const Condition c = condition(sentence);
  const Tensor drawn = epsilon * (c.log_variance * 0.5).exp() + c.mean;
  Tensor x = gated(first_norm_(first_(torch::cat({drawn, noise}, 1))));
  x = x.view({-1, sizes.features * 16, 4, 4}).contiguous(at::MemoryFormat::ChannelsLast);
  for (int i = 0; i < 4; ++i)
    x = gated(up_norm_[i](up_[i](nearest_up2(x))));
  std::vector<Tensor> pictures{picture_[0](x).tanh()};
  for (int i = 0; i < 2 && go_on(); ++i) {
    x = stage_[i](x, words, mask);
    pictures.push_back(picture_[i + 1](x).tanh());
  }
  return pictures;
}

} // namespace gsem::nets::reference
