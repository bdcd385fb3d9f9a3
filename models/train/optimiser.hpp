// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <torch/nn/module.h>

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace gsem::train {

/// Live tensors under their names: what a checkpoint holds. Copies share storage.
using TensorMap = std::map<std::string, at::Tensor>;

/// Parameters and buffers of a module under `prefix`; batch norm's counters are left out (as in the exported
/// files).
TensorMap module_state(const torch::nn::Module& module, const std::string& prefix = "");

/// A loss or a gradient became NaN or infinite. Nothing has been changed by the step that throws it.
struct NotFinite : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double decay = 0; ///< decoupled weight decay (AdamW), times the rate
};

/// Adam (Kingma, Ba, ICLR 2015) with decoupled decay (Loshchilov, Hutter, ICLR 2019) in one pass over memory.
/// Its state is named after the parameters, so checkpoints of different LibTorch versions are the same.
/// Parameters are float32 on the CPU.
class Adam {
public:
  /// Parameters that need no gradient are left out.
  Adam(const std::vector<const torch::nn::Module*>& modules, AdamOptions options);
  explicit Adam(const TensorMap& parameters, AdamOptions options);

  void zero_grad();
  /// Gradient norm before clipping to `max_norm` (0: no clipping). Throws NotFinite before anything changes.
  double step(double rate, double max_norm = 0);
  /// Moments and step count under `prefix`.
  TensorMap state(const std::string& prefix) const;

private:
  struct Slot {
    std::string name;
    at::Tensor parameter, first, second;
  };
  void add(const std::string& name, const at::Tensor& parameter);
  std::vector<Slot> slots_;
  at::Tensor steps_;
  AdamOptions options_;
};

/// shadow = beta * shadow + (1 - beta) * live for parameters; buffers (batch norm's statistics) are copied.
void update_average(torch::nn::Module& shadow, const torch::nn::Module& live, double beta);
void copy_module(torch::nn::Module& to, const torch::nn::Module& from);
void set_requires_grad(torch::nn::Module& module, bool on);

/// `rate` at `progress` 0..1 of a run: linear warm-up over `warmup` steps, flat to `flat`, then half a cosine
/// down to `floor` of it.
double cosine_rate(double rate, double progress, int64_t step, double warmup, double flat, double floor);

/// Convolutions and products in bfloat16 in this scope (autocast), when `on`.
class Bf16Scope {
public:
  explicit Bf16Scope(bool on);
  ~Bf16Scope();
  Bf16Scope(const Bf16Scope&) = delete;
  Bf16Scope& operator=(const Bf16Scope&) = delete;

private:
  bool on_, before_ = false;
};
/// This CPU multiplies bfloat16 in hardware and this LibTorch makes use of it.
bool bf16_pays();

} // namespace gsem::train
