// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/reference/weight_files.hpp"

#include "models/import/checkpoint.hpp"
#include "models/train/checkpoint.hpp"

#include <torch/torch.h>

namespace gsem::train {
namespace {

TensorMap read_checkpoint(const std::string& file) {
  std::shared_ptr<const checkpoint::Checkpoint> in;
  std::string error;
  if (checkpoint::Checkpoint::open(file, in, error) != Status::Ok)
    throw std::runtime_error(error);
  TensorMap out;
  for (const auto& [name, tensor] : in->tensors()) {
    const std::vector<float> values = checkpoint::to_floats(tensor);
    out[name] = torch::tensor(values).view(tensor.shape);
  }
  return out;
}

TensorMap from_resnet(const TensorMap& tensors) {
  TensorMap out;
  for (const auto& [name, tensor] : tensors) {
    std::string to;
    if (name.starts_with("conv1."))
      to = "0" + name.substr(5);
    else if (name.starts_with("bn1."))
      to = "1" + name.substr(3);
    else if (name.starts_with("layer") && name.size() > 6 && name[5] >= '1' && name[5] <= '4')
      to = std::to_string(3 + name[5] - '0') + name.substr(6);
    if (!to.empty() && !name.ends_with("num_batches_tracked"))
      out["encoder.resnet." + to] = tensor;
  }
  return out;
}

TensorMap from_inception(const TensorMap& tensors) {
  TensorMap out;
  for (const auto& [name, tensor] : tensors)
    if (!name.starts_with("fc.") && !name.starts_with("AuxLogits.") && !name.ends_with("num_batches_tracked"))
      out[name] = tensor;
  return out;
}

TensorMap from_vgg(const TensorMap& tensors) {
  TensorMap out;
  for (size_t stage = 0; stage < kVggLayers.size(); stage++)
    for (size_t i = 0; i < kVggLayers[stage].size(); i++)
      for (const char* part : {".weight", ".bias"})
        if (const auto at = tensors.find("features." + std::to_string(kVggLayers[stage][i]) + part);
            at != tensors.end())
          out["conv" + std::to_string(stage + 1) + "_" + std::to_string(i + 1) + part] = at->second;
  return out;
}

} // namespace

TensorMap read_weight_file(const std::string& file) {
  if (!file.ends_with(".safetensors"))
    return read_checkpoint(file);
  TensorMap tensors = load_tensors(file);
  for (auto& [name, tensor] : tensors)
    tensor = tensor.to(torch::kFloat32);
  return tensors;
}

TensorMap backbone_weights(const TensorMap& tensors) {
  if (tensors.count("layer1.0.conv1.weight"))
    return from_resnet(tensors);
  if (tensors.count("Mixed_7c.branch1x1.conv.weight") && !tensors.count("emb_features.weight"))
    return from_inception(tensors);
  if (tensors.count("features.28.weight"))
    return from_vgg(tensors);
  return {};
}

void fill_module(torch::nn::Module& module, const TensorMap& from, const std::string& what) {
  TensorMap all = module_state(module), some;
  for (const auto& [name, tensor] : from)
    if (const auto at = all.find(name); at != all.end())
      some[name] = at->second;
  assign(some, from, what);
}

} // namespace gsem::train
