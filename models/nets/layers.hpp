// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <torch/torch.h>

#include <functional>
#include <string>
#include <vector>

/// Building blocks of the narrow networks. Tensor names equal those of the training recipes, so that their
/// weights load as they are. Pictures are NCHW tensors, channels-last in memory. Modules are not thread-safe;
/// `forward` works for training and, under c10::InferenceMode, for inference (activations then run in place).
namespace gsem::nets {

using torch::Tensor;

/// While one exists on this thread, new layers leave their weights uninitialised: random numbers for weights
/// that are loaded next would cost most of the start-up time.
class SkipInitialisation {
public:
  SkipInitialisation();
  ~SkipInitialisation();
  SkipInitialisation(const SkipInitialisation&) = delete;
  SkipInitialisation& operator=(const SkipInitialisation&) = delete;
  static bool active();

private:
  bool before_;
};

/// Called between the stages of a slow network; false: stop, the result is then an undefined tensor.
using Between = std::function<bool()>;

/// Zero padding on all sides.
Tensor convolve(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride = 1,
                int64_t padding = 0, int64_t groups = 1);

/// Convolution with bias; `padding` -1 is kernel / 2 (zeros).
struct ConvImpl : torch::nn::Module {
  ConvImpl(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t padding = -1,
           int64_t groups = 1);
  Tensor forward(const Tensor& x);

  Tensor weight, bias;
  int64_t stride, padding, groups;
};
TORCH_MODULE(Conv);

/// Convolutions in bfloat16 (sums stay 32 bits wide), for inference on CPUs that multiply it: twice the speed
/// for about 8 bits of every activation. Except those whose names begin with one of `keep`.
void use_bfloat16(torch::nn::Module& module, const std::vector<std::string>& keep);

struct LinearImpl : torch::nn::Module {
  LinearImpl(int64_t in, int64_t out);
  Tensor forward(const Tensor& x);

  Tensor weight, bias;
};
TORCH_MODULE(Linear);

/// Rows of `weight`; row `zero_row` (none: -1) starts as zeros and gets no gradient.
struct EmbeddingImpl : torch::nn::Module {
  EmbeddingImpl(int64_t rows, int64_t width, int64_t zero_row = -1);
  Tensor forward(const Tensor& index);

  Tensor weight;
  int64_t zero_row;
};
TORCH_MODULE(Embedding);

/// Children numbered as in a Python nn.Sequential, without its type erasure: the owner calls them by member.
struct StackImpl : torch::nn::Module {
  template <typename M>
  M add(int index, M child) {
    return register_module(std::to_string(index), child);
  }
};
TORCH_MODULE(Stack);

/// In place when no gradient is wanted: the first argument is then spent.
Tensor leaky(Tensor x, double slope);
Tensor clip6(Tensor x);
Tensor sum(Tensor a, const Tensor& b); ///< of b's type when in place

/// Residual 1x1 - depthwise 3x3 - 1x1 (2 C^2 + 9 C MAC a pixel), then an optional pointwise feed-forward of
/// width ffn*C (2 ffn C^2). After the DCVC-DC block (Li, Li, Lu: "Neural Video Compression with Diverse
/// Contexts", CVPR 2023).
struct DepthConvImpl : torch::nn::Module {
  explicit DepthConvImpl(int64_t channels, int64_t ffn = 0);
  Tensor forward(const Tensor& x);

  Conv a{nullptr}, d{nullptr}, b{nullptr}, f0{nullptr}, f2{nullptr};
};
TORCH_MODULE(DepthConv);

/// 1x1 convolution to 4*out channels and a pixel shuffle: twice the size. (Transposed convolution is slow on
/// CPUs.)
struct Up2Impl : torch::nn::Module {
  Up2Impl(int64_t in, int64_t out);
  Tensor forward(const Tensor& x);
  /// Keeps a copy of the weights in an order in which the shuffle moves whole pixels; after this, later
  /// changes of the weights do not count.
  void prepare_for_inference();

  Conv conv{nullptr};

private:
  Tensor blocked_weight_, blocked_bias_;
};
TORCH_MODULE(Up2);

Tensor bilinear_up2(const Tensor& x);
inline Tensor channels_last(const Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

} // namespace gsem::nets
