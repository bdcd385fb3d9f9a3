// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/discriminator.hpp"

#include "models/train/losses.hpp"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

namespace gsem::train {
using nets::Stack;

namespace {
constexpr int64_t kFeatureChannels[4] = {24, 40, 112, 320}, kMixedChannels[4] = {32, 64, 96, 128},
                  kSides[4] = {32, 16, 8, 4};
constexpr int64_t kTraits = 64, kSentence = 128, kCodes = 128;

Tensor unit(const Tensor& x) {
  return x / x.norm().clamp_min(1e-12);
}
} // namespace

SpectralConvImpl::SpectralConvImpl(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding)
    : stride(stride), padding(padding) {
  const double bound = 1 / std::sqrt(double(in * kernel * kernel));
  auto parametrizations = register_module("parametrizations", Stack());
  auto weight = parametrizations->register_module("weight", Stack());
  auto norm = weight->register_module("0", Stack());
  original =
      weight->register_parameter("original", torch::empty({out, in, kernel, kernel}).uniform_(-bound, bound));
  bias = register_parameter("bias", torch::empty({out}).uniform_(-bound, bound));
  u = norm->register_buffer("_u", unit(torch::randn({out})));
  v = norm->register_buffer("_v", unit(torch::randn({in * kernel * kernel})));
  torch::NoGradGuard no_grad;
  const Tensor m = original.flatten(1);
  for (int i = 0; i < 15; i++) {
    v.copy_(unit(m.t().mv(u)));
    u.copy_(unit(m.mv(v)));
  }
}

Tensor SpectralConvImpl::forward(const Tensor& x) {
  const Tensor m = original.flatten(1);
  if (is_training()) {
    torch::NoGradGuard no_grad;
    v.copy_(unit(m.t().mv(u)));
    u.copy_(unit(m.mv(v)));
  }
  // Copies: the next iteration changes u and v in place while this graph still needs them.
  const Tensor sigma = u.clone().dot(m.mv(v.clone()));
  return torch::conv2d(x, original / sigma, bias, stride, padding);
}

HeadImpl::HeadImpl(int64_t channels, int64_t side) {
  Stack m = register_module("m", Stack());
  const bool small = side <= 4;
  convs_.push_back(m->add(0, SpectralConv(channels, 64, small ? 3 : 4, small ? 1 : 2, 1)));
  int64_t width = 64, at = 2; // index 1 is the activation
  for (side = small ? side : side / 2; side > 4; side /= 2) {
    convs_.push_back(m->add(int(at), SpectralConv(width, 128, 4, 2, 1)));
    norms_.push_back(m->add(int(at + 1), torch::nn::GroupNorm(8, 128)));
    width = 128;
    at += 3;
  }
  real_ = register_module("u", SpectralConv(width, 1, 3, 1, 1));
  trait_ = register_module("c", SpectralConv(width, kTraits, 4, 1, 0));
  sentence_ = register_module("t", nets::Linear(kSentence, kTraits));
  hint_ = register_module("l", nets::Embedding(kCodes, kTraits));
  torch::NoGradGuard no_grad;
  hint_->weight.normal_(0, 0.3);
}

Judgement HeadImpl::judge(const Tensor& features) {
  Tensor x = features;
  for (size_t i = 0; i < convs_.size(); i++) {
    x = convs_[i](x);
    if (i)
      x = norms_[i - 1](x.to(torch::kFloat32));
    x = torch::leaky_relu(x, 0.2);
  }
  return {real_(x).to(torch::kFloat32).mean({1, 2, 3}), trait_(x).flatten(1).to(torch::kFloat32)};
}

Tensor HeadImpl::match(const Tensor& trait, const Tensor& sentence, const Tensor& hint) {
  return (trait * (sentence_(sentence * 11) + hint_(hint))).sum(1);
}

DiscriminatorImpl::DiscriminatorImpl() {
  auto generator = at::detail::createCPUGenerator(1);
  auto fixed = [&](int64_t out, int64_t in, int64_t kernel) {
    const Tensor w = torch::randn({out, in, kernel, kernel}, generator);
    return w / std::sqrt(double(in * kernel * kernel));
  };
  for (int i = 0; i < 4; i++)
    across_.push_back(fixed(kMixedChannels[i], kFeatureChannels[i], 1));
  for (int i = 0; i < 3; i++)
    down_.push_back(fixed(kMixedChannels[i], kMixedChannels[i + 1], 3));
  Stack h = register_module("h", Stack());
  for (int i = 0; i < 4; i++)
    heads_.push_back(h->add(i, Head(kMixedChannels[i], kSides[i])));
}

std::vector<Tensor> DiscriminatorImpl::mix(const std::vector<Tensor>& features) {
  std::vector<Tensor> x(4);
  for (int i = 3; i >= 0; i--) {
    x[i] = torch::conv2d(features[i], across_[i]);
    if (i < 3)
      x[i] = (x[i] + nets::bilinear_up2(torch::conv2d(x[i + 1], down_[i], {}, 1, 1))) * 0.7;
  }
  return x;
}

std::vector<Judgement> DiscriminatorImpl::judge(const std::vector<Tensor>& mixed) {
  std::vector<Judgement> out;
  for (size_t i = 0; i < heads_.size(); i++)
    out.push_back(heads_[i]->judge(mixed[i]));
  return out;
}

Tensor DiscriminatorImpl::match(size_t scale, const Judgement& judgement, const Condition& condition) {
  return heads_[scale]->match(judgement.trait, condition.sentence, condition.hint);
}

namespace {
Tensor weighted_mean(const Tensor& x, const Condition& condition) {
  return condition.weight.defined() ? (x * condition.weight).sum() / condition.weight.sum().clamp_min(1)
                                    : x.mean();
}
} // namespace

Tensor discriminator_loss(Discriminator& d, const std::vector<Tensor>& real, const std::vector<Tensor>& fake,
                          const Condition* condition, const Condition* wrong, const Condition* shown) {
  const auto r = d->judge(real), f = d->judge(fake);
  Tensor sum = torch::zeros({});
  for (size_t i = 0; i < d->scales(); i++) {
    sum = sum + hinge_real(r[i].real).mean() + hinge_fake(f[i].real).mean();
    if (condition)
      sum = sum + weighted_mean(hinge_real(d->match(i, r[i], *condition)), *condition) +
            0.5 * (weighted_mean(hinge_fake(d->match(i, f[i], shown ? *shown : *condition)), *condition) +
                   weighted_mean(hinge_fake(d->match(i, r[i], *wrong)), *condition));
  }
  return sum;
}

Tensor adversarial_loss(Discriminator& d, const std::vector<Tensor>& fake, const Condition* condition) {
  const auto f = d->judge(fake);
  Tensor sum = torch::zeros({});
  for (size_t i = 0; i < d->scales(); i++) {
    sum = sum - f[i].real.mean();
    if (condition)
      sum = sum - weighted_mean(d->match(i, f[i], *condition), *condition);
  }
  return sum;
}

Tensor augment(Tensor x, StepRandom& random) {
  const int64_t b = x.size(0), side = x.size(2), reach = side / 8;
  x = x + (torch::rand({b, 1, 1, 1}) - 0.5) * 0.6;
  Tensor m = x.mean(1, true);
  x = (x - m) * (torch::rand({b, 1, 1, 1}) * 1.2 + 0.4) + m;
  m = x.mean({1, 2, 3}, true);
  x = (x - m) * (torch::rand({b, 1, 1, 1}) + 0.5) + m;
  const int64_t dx = random.below(2 * reach + 1), dy = random.below(2 * reach + 1);
  return torch::reflection_pad2d(x, {reach, reach, reach, reach})
      .slice(2, dy, dy + side)
      .slice(3, dx, dx + side)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

} // namespace gsem::train
