// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/layers.hpp"

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

Tensor ConvImpl::forward(const Tensor& x) {
  return torch::conv2d(x, weight, bias, stride, padding, 1, groups);
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
  return x.requires_grad() ? at::hardtanh(x, 0, 6) : at::hardtanh_(x, 0, 6);
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
  Tensor y = b(d(leaky(a(x), 0.1)));
  y = y.requires_grad() ? x + y : y.add_(x);
  if (f0.is_empty())
    return y;
  Tensor z = f2(leaky(f0(y), 0.1));
  return z.requires_grad() ? y + z : z.add_(y);
}

Up2Impl::Up2Impl(int64_t in, int64_t out) {
  conv = register_module("0", Conv(in, 4 * out, 1));
}

Tensor Up2Impl::forward(const Tensor& x) {
  return torch::pixel_shuffle(conv(x), 2);
}

Tensor bilinear_up2(const Tensor& x) {
  return torch::upsample_bilinear2d(x, {x.size(2) * 2, x.size(3) * 2}, false);
}

} // namespace gsem::nets
