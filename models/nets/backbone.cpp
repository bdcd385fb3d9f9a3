// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/backbone.hpp"

namespace gsem::nets {
namespace {

struct BlockShape {
  int kernel, stride, expansion, out;
};

constexpr BlockShape kBlocks[16] = {{3, 1, 1, 16},  {3, 2, 6, 24},  {3, 1, 6, 24},  {5, 2, 6, 40},
                                    {5, 1, 6, 40},  {3, 2, 6, 80},  {3, 1, 6, 80},  {3, 1, 6, 80},
                                    {5, 1, 6, 112}, {5, 1, 6, 112}, {5, 1, 6, 112}, {5, 2, 6, 192},
                                    {5, 1, 6, 192}, {5, 1, 6, 192}, {5, 1, 6, 192}, {3, 1, 6, 320}};
/// The last block of each stride.
constexpr int kLast[4] = {2, 4, 10, 15};

/// Bottom and right get one more row than top and left; the convolution itself then pads nothing.
Tensor pad_same(const Tensor& x, int kernel) {
  const int64_t before = kernel / 2 - 1, after = kernel / 2;
  return at::constant_pad_nd(x, {before, after, before, after}, 0);
}

} // namespace

BackboneImpl::BackboneImpl() {
  stem_ = register_module("stem", Conv(3, 32, 3, 2, 0));
  Stack blocks = register_module("blocks", Stack());
  int in = 32;
  for (int i = 0; i < 16; ++i) {
    const BlockShape& s = kBlocks[i];
    Stack names = blocks->add(i, Stack());
    const int wide = in * s.expansion;
    Block b;
    if (s.expansion > 1)
      b.expand = names->register_module("expand", Conv(in, wide, 1));
    b.depthwise = names->register_module("depthwise",
                                         Conv(wide, wide, s.kernel, s.stride, s.stride == 1 ? -1 : 0, wide));
    b.project = names->register_module("project", Conv(wide, s.out, 1));
    b.residual = s.stride == 1 && in == s.out;
    blocks_.push_back(b);
    in = s.out;
  }
}

BackboneImpl::Features BackboneImpl::forward(const Tensor& x, int levels, const Between& between) {
  Features out;
  Tensor t = clip6(stem_(pad_same(x, 3)));
  for (int i = 0, level = 0; level < levels; ++i) {
    Block& b = blocks_[i];
    Tensor y = b.expand.is_empty() ? t : clip6(b.expand(t));
    y = clip6(b.depthwise(b.depthwise->padding ? y : pad_same(y, kBlocks[i].kernel)));
    y = b.project(y);
    if (b.residual)
      y = y.requires_grad() ? y + t : y.add_(t);
    t = y;
    if (i == kLast[level])
      out[level++] = t;
    if (between && level < levels && !between())
      return {};
  }
  return out;
}

LayoutHintImpl::LayoutHintImpl() {
  mu = register_buffer("mu", torch::zeros({112 * 16}));
  basis = register_buffer("basis", torch::zeros({112 * 16, 48}));
  scale = register_buffer("scale", torch::ones({1}));
  centroids = register_buffer("centroids", torch::zeros({127, 48}));
}

Tensor LayoutHintImpl::project(const Tensor& features) {
  Tensor x = at::adaptive_avg_pool2d(features.to(at::kFloat), {4, 4}).contiguous().flatten(1) - mu;
  x = x.view({-1, 112, 16});
  return torch::matmul((x - x.mean(2, true)).flatten(1), basis) / scale;
}

Tensor LayoutHintImpl::forward(const Tensor& features) {
  return torch::cdist(project(features), centroids).argmin(1);
}

} // namespace gsem::nets
