// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/layers.hpp"

#include <array>

/// Building blocks of the published networks (models/nets/reference): PyTorch's layers with PyTorch's names
/// and without their random initialisation when weights are loaded next (SkipInitialisation).
namespace gsem::nets::reference {

struct KernelOptions {
  int64_t stride = 1;
  int64_t padding = -1; ///< -1: kernel / 2 on each side
  int64_t dilation = 1;
  bool bias = true;
};

/// nn.Conv2d with a kernel of height x width.
struct KernelImpl : torch::nn::Module {
  KernelImpl(int64_t in, int64_t out, std::array<int64_t, 2> size, KernelOptions options = {});
  KernelImpl(int64_t in, int64_t out, int64_t size, KernelOptions options = {})
      : KernelImpl(in, out, std::array<int64_t, 2>{size, size}, options) {}
  Tensor forward(const Tensor& x);

  Tensor weight, bias; ///< bias undefined when there is none

private:
  std::array<int64_t, 2> padding_;
  int64_t stride_, dilation_;
};
TORCH_MODULE(Kernel);

/// nn.ConvTranspose2d 5x5, stride 2: doubles the size exactly.
struct UpKernelImpl : torch::nn::Module {
  UpKernelImpl(int64_t in, int64_t out);
  Tensor forward(const Tensor& x);

  Tensor weight, bias;
};
TORCH_MODULE(UpKernel);

/// nn.BatchNorm1d and 2d.
struct NormImpl : torch::nn::Module {
  explicit NormImpl(int64_t channels, double epsilon = 1e-5, double momentum = 0.1);
  Tensor forward(const Tensor& x);

  Tensor weight, bias, running_mean, running_var;

private:
  double epsilon_, momentum_;
};
TORCH_MODULE(Norm);

/// nn.Linear with an optional bias.
struct DenseImpl : torch::nn::Module {
  DenseImpl(int64_t in, int64_t out, bool with_bias = true);
  Tensor forward(const Tensor& x);

  Tensor weight, bias;
};
TORCH_MODULE(Dense);

/// nn.PReLU with one slope.
struct PreluImpl : torch::nn::Module {
  PreluImpl();
  Tensor forward(const Tensor& x);

  Tensor weight;
};
TORCH_MODULE(Prelu);

/// Generalised divisive normalisation as CompressAI parameterises it: beta and gamma are square roots
/// (source: Balle, Laparra, Simoncelli, "Density Modeling of Images Using a Generalized Normalization
/// Transformation", ICLR 2016).
struct GdnImpl : torch::nn::Module {
  explicit GdnImpl(int64_t channels, bool inverse = false);
  Tensor forward(const Tensor& x);

  Tensor beta, gamma;

private:
  bool inverse_;
};
TORCH_MODULE(Gdn);

/// SCMC's Downsample: 3x3 stride 2 and max pooling, each with batch norm, added, SiLU.
struct DownsampleImpl : torch::nn::Module {
  DownsampleImpl(int64_t in, int64_t out);
  Tensor forward(const Tensor& x);

private:
  Kernel conv_{nullptr}, residual_{nullptr};
  Norm norm1_{nullptr}, norm2_{nullptr};
};
TORCH_MODULE(Downsample);

/// SCMC's Transform: self-calibrated convolution with pixel attention.
struct CalibratedImpl : torch::nn::Module {
  explicit CalibratedImpl(int64_t channels);
  Tensor forward(const Tensor& x);

private:
  Kernel a_{nullptr}, b_{nullptr}, k1_{nullptr}, k2_{nullptr}, k3_{nullptr}, k4_{nullptr}, last_{nullptr};
};
TORCH_MODULE(Calibrated);

/// SCMC's MergeInfo. `joined`: layer 3's, which merges the edges before both branches.
struct MergeImpl : torch::nn::Module {
  MergeImpl(int64_t channels, bool joined);
  /// `weights` [B,C] decides between the two branches; `residual` is added. Without `joined`, `edges` is not
  /// looked at.
  Tensor forward(const Tensor& main, const Tensor& edges, const Tensor& weights, const Tensor& residual);

private:
  Kernel first_{nullptr}, last_{nullptr}, k1_{nullptr}, k2_{nullptr}, k3_{nullptr}, k4_{nullptr},
      plain_{nullptr}, join_attention_{nullptr}, join_plain_{nullptr};
  Dense adm0_{nullptr}, adm2_{nullptr};
};
TORCH_MODULE(Merge);

/// A module that only groups others under its name.
struct GroupImpl : torch::nn::Module {
  template <typename M>
  M add(const std::string& name, M child) {
    return register_module(name, child);
  }
};
TORCH_MODULE(Group);

/// max(x, bound); when training its gradient passes where x is below the bound and would grow, as
/// CompressAI's LowerBound has it: without that nothing comes back from below.
Tensor lower_bound(const Tensor& x, double bound);
Tensor rectify(Tensor x);      ///< in place when no gradient is wanted
Tensor gated(const Tensor& x); ///< first half of the channels times the sigmoid of the second
Tensor nearest_up2(const Tensor& x);

} // namespace gsem::nets::reference
