// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/optimiser.hpp"

#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <torch/torch.h>
#include <torch/version.h>

#include <cmath>
#include <numbers>

namespace gsem::train {
namespace {

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define GSEM_CLONES __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))
#else
#define GSEM_CLONES
#endif

struct Pass {
  float beta1, beta2, rate, root_scale, epsilon, keep, gain;
};

GSEM_CLONES void adam_pass(float* __restrict p, const float* __restrict g, float* __restrict m,
                           float* __restrict v, int64_t n, Pass a) {
  for (int64_t i = 0; i < n; i++) {
    const float grad = g[i] * a.gain;
    m[i] += (1 - a.beta1) * (grad - m[i]);
    v[i] += (1 - a.beta2) * (grad * grad - v[i]);
    p[i] = p[i] * a.keep - a.rate * m[i] / (__builtin_sqrtf(v[i]) * a.root_scale + a.epsilon);
  }
}

} // namespace

TensorMap module_state(const torch::nn::Module& module, const std::string& prefix) {
  TensorMap out;
  for (const auto& p : module.named_parameters())
    out[prefix + p.key()] = p.value();
  for (const auto& b : module.named_buffers())
    if (b.key().find("num_batches_tracked") == std::string::npos)
      out[prefix + b.key()] = b.value();
  return out;
}

Adam::Adam(const std::vector<const torch::nn::Module*>& modules, AdamOptions options) : options_(options) {
  steps_ = torch::zeros({1}, torch::kInt64);
  for (size_t i = 0; i < modules.size(); i++)
    for (const auto& p : modules[i]->named_parameters())
      add(modules.size() > 1 ? std::to_string(i) + "." + p.key() : p.key(), p.value());
}

Adam::Adam(const TensorMap& parameters, AdamOptions options) : options_(options) {
  steps_ = torch::zeros({1}, torch::kInt64);
  for (const auto& [name, p] : parameters)
    add(name, p);
}

void Adam::add(const std::string& name, const at::Tensor& parameter) {
  if (!parameter.requires_grad())
    return;
  TORCH_CHECK(parameter.scalar_type() == torch::kFloat32 && parameter.is_non_overlapping_and_dense(),
              "parameter ", name, " is not dense float32");
  slots_.push_back({name, parameter, torch::zeros_like(parameter), torch::zeros_like(parameter)});
}

void Adam::zero_grad() {
  for (auto& s : slots_)
    s.parameter.mutable_grad().reset();
}

double Adam::step(double rate, double max_norm) {
  torch::NoGradGuard no_grad;
  std::vector<at::Tensor> grads(slots_.size());
  double squares = 0;
  for (size_t i = 0; i < slots_.size(); i++) {
    const at::Tensor& g = slots_[i].parameter.grad();
    if (!g.defined())
      continue;
    if (g.scalar_type() == torch::kFloat32 && g.strides() == slots_[i].parameter.strides())
      grads[i] = g;
    else
      grads[i] =
          torch::empty_like(slots_[i].parameter).copy_(g); // channels-last weights, contiguous gradients
    squares += std::pow(torch::linalg_vector_norm(grads[i]).item<double>(), 2);
  }
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm))
    throw NotFinite("the gradient is not finite");
  auto* steps = steps_.data_ptr<int64_t>();
  const double t = double(++*steps);
  Pass pass;
  pass.beta1 = float(options_.beta1);
  pass.beta2 = float(options_.beta2);
  pass.rate = float(rate / (1 - std::pow(options_.beta1, t)));
  pass.root_scale = float(1 / std::sqrt(1 - std::pow(options_.beta2, t)));
  pass.epsilon = float(options_.epsilon);
  pass.keep = float(1 - rate * options_.decay);
  pass.gain = max_norm > 0 && norm > max_norm ? float(max_norm / norm) : 1.f;
  for (size_t i = 0; i < slots_.size(); i++) {
    if (!grads[i].defined())
      continue;
    float *p = slots_[i].parameter.data_ptr<float>(), *m = slots_[i].first.data_ptr<float>(),
          *v = slots_[i].second.data_ptr<float>();
    const float* g = grads[i].data_ptr<float>();
    at::parallel_for(0, slots_[i].parameter.numel(), 1 << 16, [&](int64_t from, int64_t to) {
      adam_pass(p + from, g + from, m + from, v + from, to - from, pass);
    });
    slots_[i].parameter.unsafeGetTensorImpl()->bump_version();
  }
  return norm;
}

TensorMap Adam::state(const std::string& prefix) const {
  TensorMap out{{prefix + "steps", steps_}};
  for (const auto& s : slots_) {
    out[prefix + "first." + s.name] = s.first;
    out[prefix + "second." + s.name] = s.second;
  }
  return out;
}

void update_average(torch::nn::Module& shadow, const torch::nn::Module& live, double beta) {
  torch::NoGradGuard no_grad;
  auto a = shadow.parameters(), b = live.parameters();
  for (size_t i = 0; i < a.size(); i++)
    a[i].lerp_(b[i], 1 - beta);
  auto c = shadow.buffers(), d = live.buffers();
  for (size_t i = 0; i < c.size(); i++)
    c[i].copy_(d[i]);
}

void copy_module(torch::nn::Module& to, const torch::nn::Module& from) {
  update_average(to, from, 0);
}

void set_requires_grad(torch::nn::Module& module, bool on) {
  for (auto& p : module.parameters())
    p.set_requires_grad(on);
}

double cosine_rate(double rate, double progress, int64_t step, double warmup, double flat, double floor) {
  if (warmup > 0)
    rate *= std::min(1.0, double(step + 1) / warmup);
  if (progress <= flat)
    return rate;
  const double t = std::min(1.0, (progress - flat) / (1 - flat));
  return rate * (floor + (1 - floor) * 0.5 * (1 + std::cos(std::numbers::pi * t)));
}

Bf16Scope::Bf16Scope(bool on) : on_(on) {
  if (!on_)
    return;
#if TORCH_VERSION_MAJOR >= 2
  before_ = at::autocast::is_autocast_enabled(at::kCPU);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
#else
  before_ = at::autocast::is_cpu_enabled();
  at::autocast::set_cpu_enabled(true);
  at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
#endif
  at::autocast::increment_nesting();
}

Bf16Scope::~Bf16Scope() {
  if (!on_)
    return;
  // Weights cast in this scope must not outlive the optimiser's next step.
  if (at::autocast::decrement_nesting() == 0)
    at::autocast::clear_cache();
#if TORCH_VERSION_MAJOR >= 2
  at::autocast::set_autocast_enabled(at::kCPU, before_);
#else
  at::autocast::set_cpu_enabled(before_);
#endif
}

bool bf16_pays() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

} // namespace gsem::train
