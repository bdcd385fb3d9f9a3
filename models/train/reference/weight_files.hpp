// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/optimiser.hpp"

/// Other people's weights as starting points and judges.
namespace gsem::train {

/// Tensors of a .safetensors file, or of a PyTorch checkpoint (read as data, nothing in it is run), as
/// float32. Throws std::runtime_error naming the file.
TensorMap read_weight_file(const std::string& file);

/// torchvision's pretrained networks under the names of ours: resnet152 -> "encoder.resnet.N..." (without
/// its classifier), inception_v3 -> as it is (without classifier and auxiliary head), vgg16 -> RCF's
/// "convI_J". Empty when the tensors are not such a network.
TensorMap backbone_weights(const TensorMap& tensors);

/// Copies `from` into the module's tensors of the same names; every one must be there and fit. Throws.
void fill_module(torch::nn::Module& module, const TensorMap& from, const std::string& what);

/// Positions of VGG-16's convolutions in torchvision's "features", by stage.
inline const std::vector<std::vector<int>> kVggLayers{
    {0, 2}, {5, 7}, {10, 12, 14}, {17, 19, 21}, {24, 26, 28}};

} // namespace gsem::train
