// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/layers.hpp"

#include <algorithm>
#include <cmath>

namespace gsem::nets {
namespace {

thread_local bool skip_initialisation = false;

/// PyTorch's default: uniform in +-1/sqrt(fan in), weights and biases alike.
Tensor uniform(at::IntArrayRef shape, int64_t fan_in) {
  Tensor t = torch::empty(shape);
  if (!skip_initialisation) {
    const double bound = 1.0 / std::sqrt(double(fan_in));
    torch::NoGradGuard no_grad;
    t.uniform_(-bound, bound);
  }
  return t;
}

} // namespace

SkipInitialisation::SkipInitialisation() : before_(skip_initialisation) {
  skip_initialisation = true;
}
SkipInitialisation::~SkipInitialisation() {
  skip_initialisation = before_;
}
bool SkipInitialisation::active() {
  return skip_initialisation;
}

ConvImpl::ConvImpl(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding, int64_t groups)
    : stride(stride), padding(padding < 0 ? kernel / 2 : padding), groups(groups) {
  const int64_t fan_in = in / groups * kernel * kernel;
  weight = register_parameter("weight", uniform({out, in / groups, kernel, kernel}, fan_in));
  bias = register_parameter("bias", uniform({out}, fan_in));
}

Tensor convolve(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride, int64_t padding,
                int64_t groups) {
  // LibTorch gives 1x1 convolutions of one picture to a kernel that wants channels first, and copies twice.
  if (c10::InferenceMode::is_enabled() && x.is_cpu() && at::hasMKLDNN())
    return at::mkldnn_convolution(x.to(weight.scalar_type()), weight, bias, {padding, padding},
                                  {stride, stride}, {1, 1}, groups);
  return torch::conv2d(x, weight, bias, stride, padding, 1, groups);
}

Tensor ConvImpl::forward(const Tensor& x) {
  return convolve(x, weight, bias, stride, padding, groups);
}

void use_bfloat16(torch::nn::Module& module, const std::vector<std::string>& keep) {
  for (const auto& child : module.named_modules()) {
    auto* conv = child.value()->as<ConvImpl>();
    const bool kept = std::any_of(keep.begin(), keep.end(), [&](const std::string& name) {
      return child.key().compare(0, name.size(), name) == 0;
    });
    if (!conv || kept)
      continue;
    conv->weight.set_data(conv->weight.detach().to(at::kBFloat16));
    conv->bias.set_data(conv->bias.detach().to(at::kBFloat16));
  }
}

LinearImpl::LinearImpl(int64_t in, int64_t out) {
  weight = register_parameter("weight", uniform({out, in}, in));
  bias = register_parameter("bias", uniform({out}, in));
}

Tensor LinearImpl::forward(const Tensor& x) {
  return torch::linear(x, weight, bias);
}

EmbeddingImpl::EmbeddingImpl(int64_t rows, int64_t width, int64_t zero_row) : zero_row(zero_row) {
  Tensor w = torch::empty({rows, width});
  if (!skip_initialisation) {
    w.normal_();
    if (zero_row >= 0)
      w[zero_row].zero_();
  }
  weight = register_parameter("weight", w);
}

Tensor EmbeddingImpl::forward(const Tensor& index) {
  return torch::embedding(weight, index, zero_row);
}

Tensor leaky(Tensor x, double slope) {
  return x.requires_grad() ? at::leaky_relu(x, slope) : at::leaky_relu_(x, slope);
}

Tensor clip6(Tensor x) {
  // LibTorch 1.13 has no gradient of hardtanh in bfloat16.
  return x.requires_grad() ? at::clamp(x, 0, 6) : at::hardtanh_(x, 0, 6);
}

Tensor sum(Tensor a, const Tensor& b) {
  return a.requires_grad() || b.requires_grad() ? a + b : a.to(b.scalar_type()).add_(b);
}

DepthConvImpl::DepthConvImpl(int64_t c, int64_t ffn) {
  a = register_module("a", Conv(c, c, 1));
  d = register_module("d", Conv(c, c, 3, 1, 1, c));
  b = register_module("b", Conv(c, c, 1));
  if (ffn > 0) {
    Stack f = register_module("f", Stack());
    f0 = f->add(0, Conv(c, ffn * c, 1));
    f2 = f->add(2, Conv(ffn * c, c, 1));
  }
}

Tensor DepthConvImpl::forward(const Tensor& x) {
  const Tensor y = sum(b(d(leaky(a(x), 0.1))), x);
  return f0.is_empty() ? y : sum(f2(leaky(f0(y), 0.1)), y);
}

Up2Impl::Up2Impl(int64_t in, int64_t out) {
  conv = register_module("0", Conv(in, 4 * out, 1));
}

Tensor Up2Impl::forward(const Tensor& x) {
  if (!blocked_weight_.defined())
    return torch::pixel_shuffle(conv(x), 2);
  const Tensor y = convolve(x, blocked_weight_, blocked_bias_);
  const int64_t n = y.size(0), h = y.size(2), w = y.size(3);
  const Tensor blocks = y.permute({0, 2, 3, 1}).reshape({n, h, w, 2, 2, -1});
  return blocks.permute({0, 1, 3, 2, 4, 5}).reshape({n, 2 * h, 2 * w, -1}).permute({0, 3, 1, 2});
}

void Up2Impl::prepare_for_inference() {
  const auto blocked = [](const Tensor& t) {
    std::vector<int64_t> shape = t.sizes().vec();
    const Tensor split = t.detach().contiguous().view({t.size(0) / 4, 2, 2, -1});
    return split.permute({1, 2, 0, 3}).reshape(shape);
  };
  blocked_weight_ = channels_last(blocked(conv->weight));
  blocked_bias_ = blocked(conv->bias);
}

Tensor bilinear_up2(const Tensor& x) {
  return torch::upsample_bilinear2d(x, {x.size(2) * 2, x.size(3) * 2}, false);
}

} // namespace gsem::nets
