// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/reference/signal.hpp"

#include <cmath>

namespace gsem::nets::reference {
namespace {

constexpr int64_t kFilters[6] = {1, 3, 3, 3, 3, 1};
constexpr double kLeastScale = 0.11, kLeastLikelihood = 1e-9;
constexpr double kTail = 1e-9; ///< probability outside the outer quantiles

Tensor normal_cumulative(const Tensor& x) {
  return 0.5 * torch::erfc(-M_SQRT1_2 * x);
}

/// What the picture from below has of detail: a 3x3 Laplacian over all channels together, three times the
/// same.
Tensor detail(const Tensor& x) {
  Tensor kernel = torch::full({1, 3, 3, 3}, -1.0, x.options());
  kernel.select(2, 1).select(2, 1).fill_(8);
  return torch::conv2d(x, kernel, {}, 1, 1).expand({-1, 3, -1, -1}).contiguous(x.suggest_memory_format());
}

} // namespace

SignalImpl::SignalImpl(const SignalSizes& sizes) {
  const int64_t n = sizes.width, m = sizes.latents;
  const KernelOptions half{.stride = 2};
  Group ga = register_module("g_a", Group()), ha = register_module("h_a", Group()),
        hs = register_module("h_s", Group());
  for (int i = 0; i < 4; ++i)
    ga_[i] = ga->add(std::to_string(2 * i), Kernel(i == 0 ? 3 : n, i == 3 ? m : n, 5, half));
  for (int i = 0; i < 3; ++i)
    ga_gdn_[i] = ga->add(std::to_string(2 * i + 1), Gdn(n));
  ha_[0] = ha->add("0", Kernel(m, n, 3));
  ha_[1] = ha->add("2", Kernel(n, n, 5, half));
  ha_[2] = ha->add("4", Kernel(n, n, 5, half));
  hs_[0] = hs->add("0", UpKernel(n, n));
  hs_[1] = hs->add("2", UpKernel(n, n));
  hs_out_ = hs->add("4", Kernel(n, m, 3));
  for (int i = 0; i < 4; ++i)
    gs_[i] = register_module("g_s_d" + std::to_string(i + 1), UpKernel(n, i == 3 ? 3 : n));
  for (int i = 0; i < 3; ++i)
    gs_gdn_[i] = register_module("g_s_g" + std::to_string(i + 1), Gdn(n, true));

  Group info = register_module("sobelinfo_extractor", Group()),
        edges = register_module("edge_extractor", Group());
  for (int i = 0; i < 4; ++i) {
    const std::string k = std::to_string(i + 1);
    info_[i] = {info->add("conv" + k, Kernel(i == 0 ? 3 : n, n, 3)), info->add("Prel" + k, Prelu()),
                info->add("down" + k, Downsample(n, n))};
  }
  for (int i = 0; i < 3; ++i) {
    const std::string k = std::to_string(i + 1);
    edges_[i].conv = edges->add("conv" + k, Kernel(i == 0 ? 1 : n, n, 3));
    edges_[i].slope = edges->add("Prel" + k, Prelu());
    edges_[i].down = edges->add("down" + k, Kernel(n, n, 3, half));
    join_[i] = register_module("edge_conv" + k, Kernel(n * 2, n, 3));
    transform_[i] = register_module("tran" + k, Calibrated(n));
    merge_[i] = register_module("m" + k, Merge(n, true));
  }
  narrow_ = register_module("conv0", Kernel(m, n, 1));
  // Defined and saved by the published code, used nowhere.
  register_module("info_extractor", Kernel(3, n, 3, half));
  for (int i = 1; i <= 3; ++i)
    register_module("down" + std::to_string(i), Kernel(n, n, 3, half));
  register_module("convy", Kernel(n, n, 3));

  Group prior = register_module("entropy_bottleneck", Group());
  quantiles_ = prior->register_parameter("quantiles", torch::tensor({-10.0f, 0.0f, 10.0f}).repeat({n, 1, 1}));
  const double scale = std::pow(10.0, 1.0 / 5);
  for (int i = 0; i < 5; ++i) {
    const std::string k = std::to_string(i);
    const double start = std::log(std::expm1(1 / scale / double(kFilters[i + 1])));
    matrix_[i] =
        prior->register_parameter("_matrix" + k, torch::full({n, kFilters[i + 1], kFilters[i]}, start));
    bias_[i] = prior->register_parameter("_bias" + k, torch::rand({n, kFilters[i + 1], 1}) - 0.5);
    if (i < 4)
      factor_[i] = prior->register_parameter("_factor" + k, torch::zeros({n, kFilters[i + 1], 1}));
  }
}

Tensor SignalImpl::analyse(const Tensor& x) {
  Tensor y = x;
  for (int i = 0; i < 3; ++i)
    y = ga_gdn_[i](ga_[i](y));
  return ga_[3](y);
}

Tensor SignalImpl::hyper_analyse(const Tensor& y) {
  return ha_[2](rectify(ha_[1](rectify(ha_[0](y.abs())))));
}

Tensor SignalImpl::medians() const {
  return quantiles_.slice(2, 1, 2);
}

Tensor SignalImpl::hyper_synthesise(const Tensor& z) {
  return rectify(hs_out_(rectify(hs_[1](rectify(hs_[0](z))))));
}

Tensor SignalImpl::logits(Tensor v, bool fixed) const {
  const auto held = [fixed](const Tensor& t) { return fixed ? t.detach() : t; };
  for (int i = 0; i < 5; ++i) {
    v = torch::matmul(torch::softplus(held(matrix_[i])), v) + held(bias_[i]);
    if (i < 4)
      v = v + torch::tanh(held(factor_[i])) * torch::tanh(v);
  }
  return v;
}

Tensor SignalImpl::quantile_loss() const {
  const double far = std::log(2 / kTail - 1);
  return (logits(quantiles_, true) - torch::tensor({-far, 0.0, far}, quantiles_.options())).abs().sum();
}

Tensor SignalImpl::z_likelihood(const Tensor& z) const {
  const Tensor values = z.transpose(0, 1).reshape({z.size(1), 1, -1});
  const Tensor lower = logits(values - 0.5, false), upper = logits(values + 0.5, false);
  // On the side where both sigmoids are small: near 1 their difference would be rounding.
  const Tensor side = 1 - 2 * (lower + upper > 0).to(lower.scalar_type());
  const Tensor p = lower_bound(((side * upper).sigmoid() - (side * lower).sigmoid()).abs(), kLeastLikelihood);
  return p.reshape({z.size(1), z.size(0), z.size(2), z.size(3)}).transpose(0, 1);
}

Tensor SignalImpl::y_likelihood(const Tensor& y, const Tensor& scales) {
  const Tensor v = y.abs(), s = lower_bound(scales, kLeastScale);
  return lower_bound(normal_cumulative((0.5 - v) / s) - normal_cumulative((-0.5 - v) / s), kLeastLikelihood);
}

SignalImpl::Sides SignalImpl::sides(const Tensor& base, const Tensor& edges) {
  Tensor x = detail(base), e = edges;
  x = info_[0].down(info_[0].slope(info_[0].conv(x)));
  Sides out;
  for (int i = 0; i < 3; ++i) {
    x = info_[i + 1].down(info_[i + 1].slope(info_[i + 1].conv(x)));
    e = edges_[i].down(edges_[i].slope(edges_[i].conv(e)));
    out.merged[2 - i] = transform_[2 - i](join_[i](torch::cat({e, x}, 1)));
  }
  return out;
}

Tensor SignalImpl::synthesise(const Tensor& y, const Sides& sides, const Between& between) {
  Tensor x = narrow_(y);
  for (int i = 0; i < 3; ++i) {
    if (between && !between())
      return {};
    x = merge_[i](x, sides.merged[i], x.mean({2, 3}), x);
    x = gs_gdn_[i](gs_[i](x));
  }
  return gs_[3](x);
}

} // namespace gsem::nets::reference
