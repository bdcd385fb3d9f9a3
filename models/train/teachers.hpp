// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

/// Published networks that teach or judge ours. Their weights are fetched at training time (fetch-teachers)
/// and are no part of the project.
namespace gsem::train {

/// Holistically-nested edge detection (Xie, Tu, ICCV 2015; VGG-16, trained on BSDS500).
class Hed {
public:
  /// `file`: safetensors with block1.0.weight .. block5.2.bias, side1.weight .. side5.bias, fuse.weight,
  /// fuse.bias. Throws std::runtime_error.
  explicit Hed(const std::string& file);
  /// Float pictures [B,3,H,W] in [-1,1], RGB -> boundary probability [B,1,H,W]. 20 GMAC at 256x256.
  /// Thread-safe.
  at::Tensor operator()(const at::Tensor& pictures) const;

private:
  struct Layer {
    at::Tensor weight, bias;
  };
  std::vector<std::vector<Layer>> blocks_;
  std::vector<Layer> sides_;
  Layer fuse_;
};

} // namespace gsem::train
