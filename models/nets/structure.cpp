// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/structure.hpp"

namespace gsem::nets {

EdgeNetImpl::EdgeNetImpl() {
  constexpr int kWidth[5] = {16, 32, 48, 64, 64}, kFfn[5] = {0, 0, 1, 1, 2}, kTop = 16;
  c0_ = register_module("c0", Conv(12, kWidth[0], 3));
  for (int i = 1; i < 5; ++i) {
    Stack s = register_module("s" + std::to_string(i), Stack());
    stages_[i - 1].down = s->add(0, Conv(kWidth[i - 1], kWidth[i], 3, 2));
    stages_[i - 1].block = s->add(1, DepthConv(kWidth[i], kFfn[i]));
  }
  for (int i = 0; i < 5; ++i)
    side_[i] = register_module("l" + std::to_string(i), Conv(kWidth[i], kTop, 1));
  for (int i = 0; i < 4; ++i)
    top_[i] = register_module("t" + std::to_string(i), DepthConv(kTop));
  o_ = register_module("o", Conv(kTop, 1, 3));
}

Tensor EdgeNetImpl::forward(const Tensor& x, bool logits) {
  return forward_unshuffled(torch::pixel_unshuffle(x, 2), logits);
}

Tensor EdgeNetImpl::forward_unshuffled(const Tensor& x, bool logits) {
  Tensor levels[5] = {leaky(c0_(x), 0.1)};
  for (int i = 1; i < 5; ++i)
    levels[i] = stages_[i - 1].block(stages_[i - 1].down(levels[i - 1]));
  Tensor t = side_[4](levels[4]);
  for (int i = 3; i >= 0; --i)
    t = top_[i](sum(bilinear_up2(t), side_[i](levels[i])));
  t = o_(t).to(at::kFloat);
  return logits ? t : torch::sigmoid(t);
}

StructureSynthesisImpl::StructureSynthesisImpl() {
  constexpr int a = 48, b = 96, c = 144;
  const auto stack = [this](const char* name) { return register_module(name, Stack()); };
  Stack b0 = stack("b0"), b1 = stack("b1"), b2 = stack("b2"), m0 = stack("m0"), m1 = stack("m1");
  b0_1_ = b0->add(1, Conv(12, a, 3));
  b0_2_ = b0->add(2, DepthConv(a));
  b1_0_ = b1->add(0, Conv(a, b, 3, 2));
  b1_1_ = b1->add(1, DepthConv(b, 1));
  b2_0_ = b2->add(0, Conv(b, c, 3, 2));
  b2_1_ = b2->add(1, DepthConv(c, 2));
  m0_1_ = m0->add(1, Conv(4, a, 3));
  m1_0_ = m1->add(0, Conv(a, b, 3, 2));
  m1_1_ = m1->add(1, DepthConv(b, 1));
  m2_ = register_module("m2", Conv(b, c, 3, 2));
  Stack f2 = stack("f2"), f1 = stack("f1"), f0 = stack("f0");
  f2_0_ = f2->add(0, Conv(2 * c, c, 1));
  f2_1_ = f2->add(1, DepthConv(c, 2));
  f2_2_ = f2->add(2, DepthConv(c, 2));
  u2_ = register_module("u2", Up2(c, b));
  f1_0_ = f1->add(0, Conv(3 * b, b, 1));
  f1_1_ = f1->add(1, DepthConv(b, 1));
  u1_ = register_module("u1", Up2(b, a));
  f0_0_ = f0->add(0, Conv(3 * a, a, 1));
  f0_1_ = f0->add(1, DepthConv(a));
  f0_2_ = f0->add(2, Conv(a, 48, 1));
  noise_gain_ = register_parameter("n", torch::zeros({1, a, 1, 1}));
}

StructureSynthesisImpl::BaseFeatures StructureSynthesisImpl::base_branch(const Tensor& base) {
  return base_branch_unshuffled(torch::pixel_unshuffle(base, 2));
}

StructureSynthesisImpl::BaseFeatures StructureSynthesisImpl::base_branch_unshuffled(const Tensor& base) {
  BaseFeatures f;
  f.b0 = b0_2_(b0_1_(base));
  f.b1 = b1_1_(b1_0_(f.b0));
  f.b2 = b2_1_(b2_0_(f.b1));
  return f;
}

Tensor StructureSynthesisImpl::decode(const BaseFeatures& base, const Tensor& edge, double noise) {
  const Tensor m0 = leaky(m0_1_(edge), 0.1), m1 = m1_1_(m1_0_(m0));
  Tensor x = f2_2_(f2_1_(f2_0_(torch::cat({base.b2, m2_(m1)}, 1))));
  x = u1_(f1_1_(f1_0_(torch::cat({u2_(x), base.b1, m1}, 1))));
  if (noise > 0)
    x = x + noise * noise_gain_.to(x.scalar_type()) *
                torch::randn({x.size(0), 1, x.size(2), x.size(3)}, x.options());
  x = f0_2_(f0_1_(f0_0_(torch::cat({x, base.b0, m0}, 1))));
  return torch::tanh(x.to(at::kFloat));
}

void StructureSynthesisImpl::prepare_for_inference() {
  u2_->prepare_for_inference();
  u1_->prepare_for_inference();
  // A 1x1 convolution of joined inputs is the sum of one convolution each; the base's are the same for every
  // map.
  const auto split = [](const Conv& conv, std::vector<int64_t> widths) {
    std::vector<Tensor> parts;
    int64_t first = 0;
    for (int64_t width : widths) {
      parts.push_back(channels_last(conv->weight.detach().narrow(1, first, width).clone()));
      first += width;
    }
    return parts;
  };
  constexpr int a = 48, b = 96, c = 144;
  split2_ = split(f2_0_, {c, c});
  split1_ = split(f1_0_, {b, b, b});
  split0_ = split(f0_0_, {a, a, a});
}

StructureSynthesisImpl::BaseFeatures StructureSynthesisImpl::project(const BaseFeatures& base) {
  return {convolve(base.b0, split0_[1], f0_0_->bias), convolve(base.b1, split1_[1], f1_0_->bias),
          convolve(base.b2, split2_[0], f2_0_->bias)};
}

Tensor StructureSynthesisImpl::decode_projected(const BaseFeatures& base, const Tensor& edge) {
  const auto part = [](const Tensor& x, const Tensor& weight) { return convolve(x, weight, {}); };
  const Tensor m0 = leaky(m0_1_(edge), 0.1), m1 = m1_1_(m1_0_(m0));
  Tensor x = f2_2_(f2_1_(sum(part(m2_(m1), split2_[1]), base.b2)));
  x = sum(sum(part(u2_(x), split1_[0]), part(m1, split1_[2])), base.b1);
  x = u1_(f1_1_(x));
  x = sum(sum(part(x, split0_[0]), part(m0, split0_[2])), base.b0);
  return torch::tanh(f0_2_(f0_1_(x)).to(at::kFloat));
}

Tensor StructureSynthesisImpl::forward(const Tensor& base, const Tensor& edge, double noise) {
  return torch::pixel_shuffle(decode(base_branch(base), torch::pixel_unshuffle(edge, 2), noise), 4);
}

} // namespace gsem::nets
