// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/reference/critics.hpp"

namespace gsem::train {
namespace nr = nets::reference;

StageCriticImpl::StageCriticImpl(int64_t side, int64_t width, int64_t sentence) {
  const nr::KernelOptions half{.stride = 2, .padding = 1, .bias = false}, same{.bias = false};
  const auto add = [&](nr::Group group, int index, int64_t in, int64_t out, bool norm, bool down) {
    Layer layer;
    layer.conv = group->add(std::to_string(index), nr::Kernel(in, out, down ? 4 : 3, down ? half : same));
    if (norm)
      layer.norm = group->add(std::to_string(index + 1), nr::Norm(out));
    layers_.push_back(layer);
  };
  const auto group = [&](const char* name) { return register_module(name, nr::Group()); };
  nr::Group first = group("img_code_s16");
  add(first, 0, 3, width, false, true);
  add(first, 2, width, width * 2, true, true);
  add(first, 5, width * 2, width * 4, true, true);
  add(first, 8, width * 4, width * 8, true, true);
  if (side >= 128)
    add(group("img_code_s32"), 0, width * 8, width * 16, true, true);
  if (side == 128)
    add(group("img_code_s32_1"), 0, width * 16, width * 8, true, false);
  if (side == 256) {
    add(group("img_code_s64"), 0, width * 16, width * 32, true, true);
    add(group("img_code_s64_1"), 0, width * 32, width * 16, true, false);
    add(group("img_code_s64_2"), 0, width * 16, width * 8, true, false);
  }
  const nr::KernelOptions score{.stride = 4, .padding = 0};
  alone_ = group("UNCOND_DNET")->add("outlogits", nr::Group())->add("0", nr::Kernel(width * 8, 1, 4, score));
  nr::Group matched = group("COND_DNET"), joint = matched->add("jointConv", nr::Group());
  joint_.conv = joint->add("0", nr::Kernel(width * 8 + sentence, width * 8, 3, same));
  joint_.norm = joint->add("1", nr::Norm(width * 8));
  matched_ = matched->add("outlogits", nr::Group())->add("0", nr::Kernel(width * 8, 1, 4, score));
}

Tensor StageCriticImpl::run(Layer& layer, const Tensor& x) {
  const Tensor y = layer.conv(x);
  return nets::leaky(layer.norm.is_empty() ? y : layer.norm(y), 0.2);
}

Tensor StageCriticImpl::features(const Tensor& x) {
  Tensor y = x;
  for (Layer& layer : layers_)
    y = run(layer, y);
  return y;
}

Tensor StageCriticImpl::alone(const Tensor& features) {
  return alone_(features).flatten();
}

Tensor StageCriticImpl::matched(const Tensor& features, const Tensor& sentence) {
  const Tensor spread = sentence.view({sentence.size(0), -1, 1, 1}).expand({-1, -1, 4, 4});
  return matched_(run(joint_, torch::cat({features, spread}, 1))).flatten();
}

Tensor taken_for(const Tensor& logits, bool real) {
  return torch::binary_cross_entropy_with_logits(logits, torch::full_like(logits, real ? 1.0 : 0.0));
}

Tensor critic_loss(StageCritic& critic, const Tensor& real, const Tensor& painted, const Tensor& sentence) {
  const int64_t n = real.size(0);
  const Tensor seen = critic->features(real), false_seen = critic->features(painted.detach());
  const Tensor right = taken_for(critic->matched(seen, sentence), true),
               fake = taken_for(critic->matched(false_seen, sentence), false),
               wrong = taken_for(critic->matched(seen.slice(0, 0, n - 1), sentence.slice(0, 1)), false);
  return (taken_for(critic->alone(seen), true) + right) / 2 +
         (taken_for(critic->alone(false_seen), false) + fake + wrong) / 3;
}

Tensor painter_loss(StageCritic& critic, const Tensor& painted, const Tensor& sentence) {
  const Tensor seen = critic->features(painted);
  return taken_for(critic->alone(seen), true) + taken_for(critic->matched(seen, sentence), true);
}

PatchCriticImpl::PatchCriticImpl(int64_t width) {
  for (int i = 0; i < 4; i++)
    conv_[i] = register_module("conv" + std::to_string(i + 1),
                               SpectralConv(i == 0 ? 3 : width << (i - 1), width << i, 4, 2, 0));
  out_ = register_module("conv_out", nr::Kernel(width << 3, 1, 1));
}

Tensor PatchCriticImpl::forward(const Tensor& x) {
  Tensor y = x;
  for (auto& conv : conv_)
    y = torch::leaky_relu(conv(torch::reflection_pad2d(y, {1, 1, 1, 1})), 0.2);
  return out_(y).flatten();
}

void orthogonal_start(torch::nn::Module& module) {
  torch::NoGradGuard no_grad;
  for (const auto& m : module.modules()) {
    if (auto* kernel = m->as<nr::KernelImpl>())
      torch::nn::init::orthogonal_(kernel->weight);
    else if (auto* norm = m->as<nr::NormImpl>())
      norm->weight.normal_(1, 0.02);
    else if (auto* dense = m->as<nr::DenseImpl>()) {
      torch::nn::init::orthogonal_(dense->weight);
      if (dense->bias.defined())
        dense->bias.zero_();
    }
  }
}

} // namespace gsem::train
