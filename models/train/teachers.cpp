// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/teachers.hpp"

#include "models/train/checkpoint.hpp"

#include <torch/torch.h>

namespace gsem::train {

Hed::Hed(const std::string& file) {
  const TensorMap tensors = load_tensors(file);
  auto layer = [&](const std::string& name, int64_t in, int64_t out, int64_t kernel) {
    Layer l;
    for (auto [part, tensor] : {std::pair(".weight", &l.weight), std::pair(".bias", &l.bias)}) {
      const auto at = tensors.find(name + part);
      if (at == tensors.end())
        throw std::runtime_error(file + " is not the HED teacher: no " + name + part);
      *tensor = at->second.to(torch::kFloat32)
                    .contiguous(at->second.dim() == 4 ? at::MemoryFormat::ChannelsLast
                                                      : at::MemoryFormat::Contiguous);
    }
    if (l.weight.sizes() != at::IntArrayRef({out, in, kernel, kernel}) ||
        l.bias.sizes() != at::IntArrayRef({out}))
      throw std::runtime_error(file + " is not the HED teacher: wrong shape of " + name);
    return l;
  };
  const int64_t widths[6] = {3, 64, 128, 256, 512, 512};
  for (int b = 1; b <= 5; b++) {
    blocks_.emplace_back();
    for (int i = 0; i < (b <= 2 ? 2 : 3); i++)
      blocks_.back().push_back(layer("block" + std::to_string(b) + "." + std::to_string(i),
                                     i ? widths[b] : widths[b - 1], widths[b], 3));
    sides_.push_back(layer("side" + std::to_string(b), widths[b], 1, 1));
  }
  fuse_ = layer("fuse", 5, 1, 1);
}

at::Tensor Hed::operator()(const at::Tensor& pictures) const {
  torch::NoGradGuard no_grad;
  // Caffe's convention: BGR, 0..255, the training set's mean taken off.
  static const at::Tensor mean = torch::tensor({103.939f, 116.779f, 123.68f}).view({1, 3, 1, 1});
  at::Tensor x = ((pictures.flip(1) + 1) * 127.5 - mean).contiguous(at::MemoryFormat::ChannelsLast);
  std::vector<at::Tensor> sides;
  for (size_t b = 0; b < blocks_.size(); b++) {
    if (b)
      x = torch::max_pool2d(x, 2, 2, 0, 1, true);
    for (const auto& l : blocks_[b])
      x = torch::conv2d(x, l.weight, l.bias, 1, 1).relu_();
    const at::Tensor side = torch::conv2d(x, sides_[b].weight, sides_[b].bias).to(torch::kFloat32);
    sides.push_back(torch::upsample_bilinear2d(side, {pictures.size(2), pictures.size(3)}, false));
  }
  return torch::sigmoid(torch::conv2d(torch::cat(sides, 1), fuse_.weight, fuse_.bias).to(torch::kFloat32));
}

} // namespace gsem::train
