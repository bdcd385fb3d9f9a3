// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// How unlike two pictures look, by networks whose weights the user supplies (docs/training.md has the
/// format). Pictures are float [B,3,H,W] in [-1,1]; results [B], differentiable in both pictures.
namespace gsem::train {

struct Context;

/// DISTS (Ding, Ma, Wang, Simoncelli, "Image Quality Assessment: Unifying Structure and Texture Similarity",
/// TPAMI 2020): 0 for equal pictures.
class Dists {
public:
  /// A picture in [-1,1] -> what is compared, the picture itself first.
  using Features = std::function<std::vector<at::Tensor>(const at::Tensor&)>;
  /// `alpha`, `beta`: weights of every channel of all maps, [sum of channels]; undefined: all alike.
  Dists(Features features, at::Tensor alpha, at::Tensor beta);
  at::Tensor operator()(const at::Tensor& a, const at::Tensor& b) const;

private:
  Features features_;
  at::Tensor alpha_, beta_;
};

/// LPIPS 0.1 (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR
/// 2018) on VGG-16 or AlexNet.
class Lpips {
public:
  Lpips(Dists::Features features, std::vector<at::Tensor> weights);
  at::Tensor operator()(const at::Tensor& a, const at::Tensor& b) const;

private:
  Dists::Features features_; ///< without the picture itself
  std::vector<at::Tensor> weights_;
};

/// What the files of --perceptual-weights make.
struct PerceptualNetworks {
  std::optional<Dists> dists;
  std::optional<Lpips> lpips;
  std::string lpips_name; ///< "LPIPS (VGG-16)"
};
/// Throws std::runtime_error naming what is missing in the files together.
PerceptualNetworks load_perceptual(const std::vector<std::string>& files);

/// The loss in DISTS' place: DISTS itself where its weights were given, else DISTS' formula on other features
/// that are at hand, all channels alike.
struct PerceptualLoss {
  std::string name;   ///< for reports: what it is
  std::string column; ///< for logs: "dists", "dists_on_hed", "dists_on_lite0"
  std::optional<Dists> loss;
  PerceptualNetworks given;
};
/// From --perceptual-weights, else hed.safetensors in --teachers, else the backbone of --profile or
/// --teachers. Throws when there is none.
PerceptualLoss perceptual_loss(const Context& context);

} // namespace gsem::train
