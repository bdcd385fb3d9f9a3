// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/reference/layers.hpp"

#include <cmath>

namespace gsem::nets::reference {
namespace {

/// PyTorch's default for convolutions and linear layers.
Tensor uniform(at::IntArrayRef shape, int64_t fan_in) {
  Tensor t = torch::empty(shape);
  if (!SkipInitialisation::active()) {
    torch::NoGradGuard no_grad;
    const double bound = 1 / std::sqrt(double(fan_in));
    t.uniform_(-bound, bound);
  }
  return t;
}

class LowerBound : public torch::autograd::Function<LowerBound> {
public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, double bound) {
    context->save_for_backward({x});
    context->saved_data["bound"] = bound;
    return x.clamp_min(bound);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const Tensor x = context->get_saved_variables()[0];
    const Tensor passes = (x >= context->saved_data["bound"].toDouble()).logical_or(gradients[0] < 0);
    return {gradients[0] * passes, Tensor()};
  }
};

constexpr double kPedestal = 1.0 / (int64_t(1) << 36); ///< CompressAI's reparam_offset^2

} // namespace

Tensor lower_bound(const Tensor& x, double bound) {
  return torch::GradMode::is_enabled() && x.requires_grad() ? LowerBound::apply(x, bound)
                                                            : x.clamp_min(bound);
}

namespace {

/// CompressAI's non-negative parameterisation.
Tensor squared(const Tensor& root, double minimum) {
  return lower_bound(root, std::sqrt(minimum + kPedestal)).square() - kPedestal;
}

} // namespace

Tensor rectify(Tensor x) {
  return x.requires_grad() ? at::relu(x) : at::relu_(x);
}

Tensor gated(const Tensor& x) {
  const auto halves = x.chunk(2, 1);
  return halves[0] * halves[1].sigmoid();
}

Tensor nearest_up2(const Tensor& x) {
  return at::upsample_nearest2d(x, {x.size(2) * 2, x.size(3) * 2});
}

KernelImpl::KernelImpl(int64_t in, int64_t out, std::array<int64_t, 2> size, KernelOptions options)
    : stride_(options.stride), dilation_(options.dilation) {
  const int64_t fan_in = in * size[0] * size[1];
  weight = register_parameter("weight", uniform({out, in, size[0], size[1]}, fan_in));
  if (options.bias)
    bias = register_parameter("bias", uniform({out}, fan_in));
  for (size_t i = 0; i < 2; ++i)
    padding_[i] = options.padding < 0 ? size[i] / 2 : options.padding;
}

Tensor KernelImpl::forward(const Tensor& x) {
  // See nets::convolve.
  if (c10::InferenceMode::is_enabled() && x.is_cpu() && at::hasMKLDNN())
    return at::mkldnn_convolution(x, weight, bias, padding_, {stride_, stride_}, {dilation_, dilation_}, 1);
  return torch::conv2d(x, weight, bias, {stride_, stride_}, padding_, {dilation_, dilation_});
}

UpKernelImpl::UpKernelImpl(int64_t in, int64_t out) {
  weight = register_parameter("weight", uniform({in, out, 5, 5}, out * 25));
  bias = register_parameter("bias", uniform({out}, out * 25));
}

Tensor UpKernelImpl::forward(const Tensor& x) {
  return torch::conv_transpose2d(x, weight, bias, 2, 2, 1);
}

NormImpl::NormImpl(int64_t channels, double epsilon, double momentum)
    : epsilon_(epsilon), momentum_(momentum) {
  weight = register_parameter("weight", torch::ones({channels}));
  bias = register_parameter("bias", torch::zeros({channels}));
  running_mean = register_buffer("running_mean", torch::zeros({channels}));
  running_var = register_buffer("running_var", torch::ones({channels}));
}

Tensor NormImpl::forward(const Tensor& x) {
  return torch::batch_norm(x, weight, bias, running_mean, running_var, is_training(), momentum_, epsilon_,
                           false);
}

DenseImpl::DenseImpl(int64_t in, int64_t out, bool with_bias) {
  weight = register_parameter("weight", uniform({out, in}, in));
  if (with_bias)
    bias = register_parameter("bias", uniform({out}, in));
}

Tensor DenseImpl::forward(const Tensor& x) {
  return torch::linear(x, weight, bias);
}

PreluImpl::PreluImpl() {
  weight = register_parameter("weight", torch::full({1}, 0.25));
}

Tensor PreluImpl::forward(const Tensor& x) {
  return torch::prelu(x, weight);
}

GdnImpl::GdnImpl(int64_t channels, bool inverse) : inverse_(inverse) {
  beta = register_parameter("beta", torch::full({channels}, std::sqrt(1 + kPedestal)));
  gamma = register_parameter("gamma", (0.1 * torch::eye(channels) + kPedestal).sqrt());
}

Tensor GdnImpl::forward(const Tensor& x) {
  const int64_t channels = x.size(1);
  const Tensor norm =
      convolve(x.square(), squared(gamma, 0).view({channels, channels, 1, 1}), squared(beta, 1e-6));
  return x * (inverse_ ? norm.sqrt() : norm.rsqrt());
}

DownsampleImpl::DownsampleImpl(int64_t in, int64_t out) {
  conv_ = register_module("conv", Kernel(in, out, 3, KernelOptions{.stride = 2}));
  residual_ = register_module("residual", Kernel(in, out, 1));
  norm1_ = register_module("norm1", Norm(out));
  norm2_ = register_module("norm2", Norm(out));
}

Tensor DownsampleImpl::forward(const Tensor& x) {
  return torch::silu(norm1_(conv_(x)) + norm2_(residual_(torch::max_pool2d(x, 2, 2))));
}

CalibratedImpl::CalibratedImpl(int64_t channels) {
  const int64_t half = channels / 2;
  const KernelOptions plain{.bias = false};
  a_ = register_module("conv1_a", Kernel(channels, half, 1, plain));
  b_ = register_module("conv1_b", Kernel(channels, half, 1, plain));
  k1_ = register_module("k1", Group())->add("0", Kernel(half, half, 3, plain));
  Group pixels = register_module("PAConv", Group());
  k2_ = pixels->add("k2", Kernel(half, half, 1));
  k3_ = pixels->add("k3", Kernel(half, half, 3, plain));
  k4_ = pixels->add("k4", Kernel(half, half, 3, plain));
  last_ = register_module("conv3", Kernel(half * 2, channels, 1, plain));
}

Tensor CalibratedImpl::forward(const Tensor& x) {
  const Tensor a = leaky(a_(x), 0.2), b = leaky(b_(x), 0.2);
  const Tensor attended = k4_(k3_(b) * k2_(b).sigmoid());
  return last_(torch::cat({leaky(k1_(a), 0.2), leaky(attended, 0.2)}, 1)) + x;
}

MergeImpl::MergeImpl(int64_t channels, bool joined) {
  const KernelOptions plain{.bias = false};
  first_ = register_module("conv_first", Kernel(channels, channels, 1, plain));
  last_ = register_module("conv_last", Kernel(channels, channels, 1, plain));
  Group adm = register_module("ADM", Group());
  adm0_ = adm->add("0", Dense(channels, channels / 2, false));
  adm2_ = adm->add("2", Dense(channels / 2, 2, false));
  Group attention = register_module("attention", Group());
  k1_ = attention->add("k1", Kernel(channels, channels, 3, plain));
  k2_ = attention->add("k2", Kernel(channels, channels, 1));
  k3_ = attention->add("k3", Kernel(channels, channels, 3, plain));
  k4_ = attention->add("k4", Kernel(channels, channels, 3, plain));
  if (joined) {
    join_attention_ = register_module("conv_attn", Kernel(channels * 2, channels, 1, plain));
    join_plain_ = register_module("conv_nattn", Kernel(channels * 2, channels, 1, plain));
  }
  plain_ = register_module("non_attention", Kernel(channels, channels, 3, plain));
}

Tensor MergeImpl::forward(const Tensor& main, const Tensor& edges, const Tensor& weights,
                          const Tensor& residual) {
  const Tensor x = leaky(first_(main), 0.2);
  constexpr double kTemperature = 30;
  const Tensor share = torch::softmax(adm2_(rectify(adm0_(weights))) / kTemperature, 1);
  Tensor attended = x, plain = x;
  if (!join_plain_.is_empty()) {
    const Tensor both = torch::cat({x, edges}, 1);
    attended = join_attention_(both);
    plain = join_plain_(both);
  }
  attended = k4_(k3_(attended) * k2_(leaky(k1_(attended), 0.2)).sigmoid());
  const Tensor mixed = attended * share.select(1, 0).view({-1, 1, 1, 1}) +
                       plain_(plain) * share.select(1, 1).view({-1, 1, 1, 1});
  return last_(leaky(mixed, 0.2)) + residual;
}

} // namespace gsem::nets::reference
