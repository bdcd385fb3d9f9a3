// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/reference/perceptual_loss.hpp"

#include "models/train/frozen.hpp"
#include "models/train/reference/weight_files.hpp"

#include <torch/torch.h>

#include <filesystem>

namespace gsem::train {
namespace {

constexpr double kSmall = 1e-6; ///< DISTS' c1 and c2
constexpr int64_t kVggWidths[5] = {64, 128, 256, 512, 512};

struct Layer {
  Tensor weight, bias;
};
using Stages = std::vector<std::vector<Layer>>;

Tensor rgb(std::initializer_list<float> values) {
  return torch::tensor(std::vector<float>(values)).view({1, 3, 1, 1});
}

/// A root mean square under a 3x3 Hann window instead of the largest of 2x2: no aliasing.
Tensor soft_pool(const Tensor& x) {
  const Tensor row = torch::tensor({0.25f, 0.5f, 0.25f});
  const Tensor window = torch::outer(row, row).view({1, 1, 3, 3}).repeat({x.size(1), 1, 1, 1});
  return (torch::conv2d(x.square(), window, {}, 2, 1, 1, x.size(1)) + 1e-12).sqrt();
}

std::vector<Tensor> vgg_maps(const Stages& stages, Tensor x, bool soft) {
  std::vector<Tensor> maps;
  for (size_t s = 0; s < stages.size(); s++) {
    if (s)
      x = soft ? soft_pool(x) : torch::max_pool2d(x, 2);
    for (const Layer& layer : stages[s])
      x = torch::relu(torch::conv2d(x, layer.weight, layer.bias, 1, 1));
    maps.push_back(x);
  }
  return maps;
}

Tensor imagenet(const Tensor& x) {
  return ((x + 1) / 2 - rgb({0.485f, 0.456f, 0.406f})) / rgb({0.229f, 0.224f, 0.225f});
}

std::vector<Tensor> with_picture(const Tensor& x, std::vector<Tensor> maps) {
  maps.insert(maps.begin(), (x + 1) / 2);
  return maps;
}

/// Known names of the same tensors: DISTS keeps VGG's layers in stages, layer 2's checkpoints keep all DISTS.
TensorMap plain_names(const TensorMap& tensors) {
  TensorMap out;
  for (const auto& [full, tensor] : tensors) {
    std::string name = full.starts_with("dists.") ? full.substr(6) : full;
    if (name.starts_with("stage") && name.size() > 7 && name[6] == '.')
      name = "features." + name.substr(7);
    out[name] = tensor;
  }
  return out;
}

Layer layer_of(const TensorMap& tensors, int index, at::IntArrayRef shape) {
  const std::string name = "features." + std::to_string(index);
  const auto weight = tensors.find(name + ".weight"), bias = tensors.find(name + ".bias");
  if (weight == tensors.end() || bias == tensors.end() || weight->second.sizes() != shape ||
      bias->second.sizes() != shape.slice(0, 1))
    throw std::runtime_error("--perceptual-weights: " + name +
                             " is not that of torchvision's vgg16 or alexnet");
  return {weight->second, bias->second};
}

Stages vgg_stages(const TensorMap& tensors) {
  Stages stages;
  int64_t in = 3;
  for (size_t s = 0; s < 5; s++) {
    stages.emplace_back();
    for (int index : kVggLayers[s]) {
      stages.back().push_back(layer_of(tensors, index, {kVggWidths[s], in, 3, 3}));
      in = kVggWidths[s];
    }
  }
  return stages;
}

std::vector<Layer> alex_layers(const TensorMap& t) {
  return {layer_of(t, 0, {64, 3, 11, 11}), layer_of(t, 3, {192, 64, 5, 5}), layer_of(t, 6, {384, 192, 3, 3}),
          layer_of(t, 8, {256, 384, 3, 3}), layer_of(t, 10, {256, 256, 3, 3})};
}

std::vector<Tensor> alex_maps(const std::vector<Layer>& layers, Tensor x) {
  std::vector<Tensor> maps;
  for (size_t i = 0; i < layers.size(); i++) {
    if (i == 1 || i == 2)
      x = torch::max_pool2d(x, 3, 2);
    x = torch::relu(torch::conv2d(x, layers[i].weight, layers[i].bias, i ? 1 : 4, i < 2 ? 2 : 1));
    maps.push_back(x);
  }
  return maps;
}

/// LPIPS' own normalisation of [-1,1].
Tensor lpips_input(const Tensor& x) {
  return (x - rgb({-0.030f, -0.088f, -0.188f})) / rgb({0.458f, 0.448f, 0.450f});
}

std::vector<Tensor> lpips_weights(const TensorMap& tensors) {
  std::vector<Tensor> out;
  for (int i = 0; i < 5; i++)
    if (const auto at = tensors.find("lin" + std::to_string(i) + ".model.1.weight"); at != tensors.end())
      out.push_back(at->second);
  return out;
}

Dists on_hed(const std::string& file) {
  TensorMap renamed;
  for (const auto& [name, tensor] : read_weight_file(file))
    if (name.starts_with("block") && name.size() > 8)
      renamed["features." + std::to_string(kVggLayers.at(size_t(name[5] - '1')).at(size_t(name[7] - '0'))) +
              name.substr(8)] = tensor;
  const Stages stages = vgg_stages(renamed);
  return {[stages](const Tensor& x) {
            // HED's VGG is Caffe's: blue-green-red in bytes.
            const Tensor input = (x.flip(1) + 1) * 127.5 - rgb({103.939f, 116.779f, 123.68f});
            return with_picture(x, vgg_maps(stages, input, true));
          },
          {},
          {}};
}

} // namespace

Dists::Dists(Features features, at::Tensor alpha, at::Tensor beta)
    : features_(std::move(features)), alpha_(std::move(alpha)), beta_(std::move(beta)) {}

at::Tensor Dists::operator()(const at::Tensor& a, const at::Tensor& b) const {
  const auto as = features_(a), bs = features_(b);
  int64_t channels = 0;
  for (const auto& map : as)
    channels += map.size(1);
  const Tensor alike = torch::full({channels}, 0.5 / double(channels));
  const Tensor total = alpha_.defined() ? alpha_.sum() + beta_.sum() : torch::ones({});
  const Tensor alpha = (alpha_.defined() ? alpha_.flatten() : alike) / total,
               beta = (beta_.defined() ? beta_.flatten() : alike) / total;
  Tensor likeness = torch::zeros({a.size(0)});
  int64_t at = 0;
  for (size_t k = 0; k < as.size(); k++) {
    const int64_t n = as[k].size(1);
    const Tensor x = as[k].flatten(2), y = bs[k].flatten(2);
    const Tensor mx = x.mean(2), my = y.mean(2);
    const Tensor vx = (x - mx.unsqueeze(2)).square().mean(2), vy = (y - my.unsqueeze(2)).square().mean(2);
    const Tensor cov = (x * y).mean(2) - mx * my;
    const Tensor texture = (2 * mx * my + kSmall) / (mx.square() + my.square() + kSmall);
    const Tensor structure = (2 * cov + kSmall) / (vx + vy + kSmall);
    likeness = likeness + (texture * alpha.narrow(0, at, n) + structure * beta.narrow(0, at, n)).sum(1);
    at += n;
  }
  return 1 - likeness;
}

Lpips::Lpips(Dists::Features features, std::vector<at::Tensor> weights)
    : features_(std::move(features)), weights_(std::move(weights)) {}

at::Tensor Lpips::operator()(const at::Tensor& a, const at::Tensor& b) const {
  const auto unit = [](const Tensor& x) { return x / (x.square().sum(1, true).sqrt() + 1e-10); };
  const auto as = features_(a), bs = features_(b);
  Tensor sum = torch::zeros({a.size(0)});
  for (size_t k = 0; k < as.size(); k++)
    sum = sum + torch::conv2d((unit(as[k]) - unit(bs[k])).square(), weights_[k]).mean({1, 2, 3});
  return sum;
}

PerceptualNetworks load_perceptual(const std::vector<std::string>& files) {
  TensorMap vgg, alex, rest;
  for (const auto& file : files) {
    const TensorMap tensors = plain_names(read_weight_file(file));
    const auto first = tensors.find("features.0.weight");
    TensorMap& network =
        first != tensors.end() && first->second.dim() == 4 && first->second.size(3) == 11 ? alex : vgg;
    for (const auto& [name, tensor] : tensors)
      (name.starts_with("features.") ? network : rest)[name] = tensor;
  }
  PerceptualNetworks out;
  if (rest.count("alpha") && rest.count("beta")) {
    const int64_t channels = 3 + 64 + 128 + 256 + 512 + 512;
    if (rest["alpha"].numel() != channels || rest["beta"].numel() != channels)
      throw std::runtime_error("--perceptual-weights: alpha and beta are not DISTS', 1475 numbers each");
    const Stages stages = vgg_stages(vgg);
    out.dists.emplace(
        [stages](const Tensor& x) { return with_picture(x, vgg_maps(stages, imagenet(x), true)); },
        rest["alpha"], rest["beta"]);
  }
  const auto weights = lpips_weights(rest);
  if (weights.size() == 5 && weights[1].size(1) == 192) {
    out.lpips.emplace(
        [layers = alex_layers(alex)](const Tensor& x) { return alex_maps(layers, lpips_input(x)); }, weights);
    out.lpips_name = "LPIPS (AlexNet)";
  } else if (weights.size() == 5) {
    out.lpips.emplace(
        [stages = vgg_stages(vgg)](const Tensor& x) { return vgg_maps(stages, lpips_input(x), false); },
        weights);
    out.lpips_name = "LPIPS (VGG-16)";
  }
  if (!files.empty() && !out.dists && !out.lpips)
    throw std::runtime_error("--perceptual-weights: neither DISTS' alpha and beta nor LPIPS' lin0 to lin4 "
                             "are in the files");
  return out;
}

PerceptualLoss perceptual_loss(const Context& context) {
  PerceptualLoss out;
  out.given = load_perceptual(context.settings.perceptual_weights);
  const std::string hed = context.settings.teachers + "/hed.safetensors";
  if (out.given.dists) {
    out.loss = out.given.dists;
    out.column = "dists";
    out.name = "DISTS";
  } else if (!context.settings.teachers.empty() && std::filesystem::exists(hed)) {
    out.loss = on_hed(hed);
    out.column = "dists_on_hed";
    out.name = "DISTS' formula on HED's VGG-16, all channels alike (a substitute: not comparable to DISTS)";
  } else {
    const auto features = std::make_shared<FrozenFeatures>(context);
    out.loss.emplace([features](const Tensor& x) { return with_picture(x, (*features)(x)); }, Tensor(),
                     Tensor());
    out.column = "dists_on_lite0";
    out.name = "DISTS' formula on EfficientNet-Lite0, all channels alike (a substitute: not comparable to "
               "DISTS)";
  }
  context.message("perceptual loss: " + out.name);
  return out;
}

} // namespace gsem::train
