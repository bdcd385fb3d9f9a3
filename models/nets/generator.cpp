// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/generator.hpp"

namespace gsem::nets {

FilmImpl::FilmImpl(int64_t channels, int64_t style) {
  norm_ = register_module("n", torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(channels).affine(false)));
  modulation_ = register_module("l", Linear(style, 2 * channels));
  if (!SkipInitialisation::active()) {
    torch::NoGradGuard no_grad;
    modulation_->weight.normal_(0, 0.08);
    modulation_->bias.zero_();
  }
}

Tensor FilmImpl::forward(const Tensor& x, const Tensor& style) {
  const auto ab = modulation_(style).unsqueeze(2).unsqueeze(3).to(x.scalar_type()).chunk(2, 1);
  if (!folded_)
    return norm_(x) * (1 + ab[0]) + ab[1];
  return at::addcmul(ab[1], x, ab[0] + 1);
}

void FilmImpl::fold_into(ConvImpl& conv) {
  torch::NoGradGuard no_grad;
  const Tensor inverse = torch::rsqrt(norm_->running_var + norm_->options.eps());
  conv.weight.mul_(inverse.view({-1, 1, 1, 1}));
  conv.bias.sub_(norm_->running_mean).mul_(inverse);
  folded_ = true;
}

WordAttentionImpl::WordAttentionImpl(int64_t channels, int64_t width, int64_t keys) {
  query_ = register_module("q", Conv(channels, keys, 1));
  key_ = register_module("k", Linear(width, keys));
  value_ = register_module("v", Linear(width, channels));
  gain_ = register_parameter("gain", torch::zeros({1}));
}

Tensor WordAttentionImpl::forward(const Tensor& x, const Tensor& words, const Tensor& mask) {
  const Tensor q = query_(x).flatten(2).transpose(1, 2).to(at::kFloat);
  const Tensor k = key_(words).to(at::kFloat).transpose(1, 2);
  const Tensor a = (torch::matmul(q, k) / 8).masked_fill(mask.unsqueeze(1) == 0, -1e4).softmax(-1);
  const Tensor v = torch::matmul(a, value_(words).to(at::kFloat)).transpose(1, 2).reshape(x.sizes());
  return x + gain_.to(x.scalar_type()) * v.to(x.scalar_type());
}

GeneratorBlockImpl::GeneratorBlockImpl(int64_t in, int64_t out, int64_t style, bool up) : up_(up) {
  c1_ = register_module("c1", Conv(in, out, 3));
  c2_ = register_module("c2", Conv(out, out, 3));
  skip_ = register_module("sk", Conv(in, out, 1));
  f1_ = register_module("f1", Film(out, style));
  f2_ = register_module("f2", Film(out, style));
  noise_gain_ = register_parameter("ns", torch::zeros({1}));
}

Tensor GeneratorBlockImpl::forward(const Tensor& input, const Tensor& style, const Tensor& noise) {
  const Tensor x = up_ ? torch::upsample_nearest2d(input, {input.size(2) * 2, input.size(3) * 2}) : input;
  Tensor h = leaky(f1_(c1_(x), style), 0.2);
  if (noise.defined())
    h = h + noise_gain_.to(h.scalar_type()) * noise.to(h.scalar_type());
  // The skip's 1x1 convolution commutes with nearest-neighbour doubling: a quarter of the work.
  Tensor skip = skip_(input);
  if (up_)
    skip = torch::upsample_nearest2d(skip, {x.size(2), x.size(3)});
  return leaky(f2_(c2_(h), style) + skip, 0.2);
}

void GeneratorBlockImpl::fold_batch_norm() {
  f1_->fold_into(*c1_);
  f2_->fold_into(*c2_);
}

GeneratorImpl::GeneratorImpl() {
  constexpr int64_t kWidth[kBlocks] = {256, 256, 192, 128, 64}, kStyle = 192, kHintWidth = 64, kText = 128;
  hints_ = register_module("lc", Embedding(kLayouts, kHintWidth));
  layout_prior_ = register_module("lp", Linear(kText, kLayouts));
  Stack mapping = register_module("mp", Stack());
  mapping0_ = mapping->add(0, Linear(kNoiseWidth + kText + kHintWidth, kStyle));
  mapping2_ = mapping->add(2, Linear(kStyle, kStyle));
  first_ = register_module("st", Linear(kStyle, kWidth[0] * 16));
  Stack blocks = register_module("b", Stack());
  for (int i = 0; i < kBlocks; ++i)
    blocks_.push_back(blocks->add(i, GeneratorBlock(kWidth[i ? i - 1 : 0], kWidth[i], kStyle, i > 0)));
  Stack attention = register_module("at", Stack());
  attention2_ = attention->add(2, WordAttention(kWidth[2]));
  attention3_ = attention->add(3, WordAttention(kWidth[3]));
  widen_ = register_module("u", Conv(kWidth[4], 64, 3));
  output_ = register_module("o", Conv(16, 3, 3));
}

Tensor GeneratorImpl::forward(const Tensor& z, const Tensor& words, const Tensor& sentence,
                              const Tensor& mask, const Tensor& hint, const std::vector<Tensor>& noise,
                              const Between& between) {
  // The gains bring noise, sentence (length 1) and hint to equal scale; else the loudest wins and the others
  // are ignored.
  Tensor h = torch::cat({z * 0.7, sentence * 11, hints_(hint)}, 1);
  h = leaky(mapping2_(leaky(mapping0_(h), 0.2)), 0.2);
  Tensor x = channels_last(first_(h).view({-1, first_->weight.size(0) / 16, 4, 4}));
  for (int i = 0; i < kBlocks; ++i) {
    Tensor plane;
    if (!noise.empty())
      plane = noise[i];
    else if (is_training())
      plane = torch::randn({x.size(0), 1, block_side(i), block_side(i)}, x.options().dtype(at::kFloat));
    x = blocks_[i](x, h, plane);
    if (i == 2)
      x = attention2_(x, words, mask);
    if (i == 3)
      x = attention3_(x, words, mask);
    if (between && !between())
      return {};
  }
  x = leaky(torch::pixel_shuffle(widen_(x), 2), 0.2);
  return torch::tanh(output_(x).to(at::kFloat));
}

Tensor GeneratorImpl::layouts(const Tensor& sentence) {
  return layout_prior_(sentence * 11);
}

void GeneratorImpl::fold_batch_norm() {
  for (GeneratorBlock& b : blocks_)
    b->fold_batch_norm();
}

UpscaleImpl::UpscaleImpl(int64_t c) {
  c0_ = register_module("c0", Conv(12, c, 3));
  r0_ = register_module("r0", DepthConv(c));
  r1_ = register_module("r1", DepthConv(c));
  o_ = register_module("o", Conv(c, 48, 3));
}

Tensor UpscaleImpl::forward(const Tensor& x, bool clamp) {
  const Tensor y = o_(r1_(r0_(leaky(c0_(torch::pixel_unshuffle(x, 2)), 0.1))));
  Tensor out = bilinear_up2(x.to(at::kFloat)) + torch::pixel_shuffle(y, 4).to(at::kFloat);
  return clamp ? out.clamp(-1, 1) : out;
}

} // namespace gsem::nets
