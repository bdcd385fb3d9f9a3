// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/backbone.hpp"

namespace gsem::nets {
namespace {

/// Blocks of one width; the first of them has the stride. Of a depth multiplier's repeats the first and the
/// last stage's stay one.
struct StageShape {
  int kernel, stride, expansion, out;
  int repeats[2]; ///< by BackboneSize
  bool last;      ///< of its stride
};

constexpr StageShape kStages[7] = {{3, 1, 1, 16, {1, 1}, false}, {3, 2, 6, 24, {2, 3}, true},
                                   {5, 2, 6, 40, {2, 3}, true},  {3, 2, 6, 80, {3, 4}, false},
                                   {5, 1, 6, 112, {3, 4}, true}, {5, 2, 6, 192, {4, 5}, false},
                                   {3, 1, 6, 320, {1, 1}, true}};

/// Bottom and right get one more row than top and left; the convolution itself then pads nothing.
Tensor pad_same(const Tensor& x, int kernel) {
  const int64_t before = kernel / 2 - 1, after = kernel / 2;
  return at::constant_pad_nd(x, {before, after, before, after}, 0);
}

} // namespace

BackboneImpl::BackboneImpl(BackboneSize size) {
  stem_ = register_module("stem", Conv(3, 32, 3, 2, 0));
  Stack blocks = register_module("blocks", Stack());
  int in = 32;
  for (const StageShape& s : kStages) {
    const int repeats = s.repeats[int(size)];
    for (int i = 0; i < repeats; ++i) {
      const int stride = i ? 1 : s.stride, wide = in * s.expansion;
      Stack names = blocks->add(int(blocks_.size()), Stack());
      Block b;
      b.kernel = s.kernel;
      if (s.expansion > 1)
        b.expand = names->register_module("expand", Conv(in, wide, 1));
      // Lite1's published weights are for 240 pixels, where this stride meets 15 rows, and "same" padding of
      // an odd size is the same on all sides.
      const bool centred = stride == 1 || (size == BackboneSize::Lite1 && s.out == 192);
      b.depthwise =
          names->register_module("depthwise", Conv(wide, wide, s.kernel, stride, centred ? -1 : 0, wide));
      b.project = names->register_module("project", Conv(wide, s.out, 1));
      b.residual = stride == 1 && in == s.out;
      b.last = s.last && i + 1 == repeats;
      blocks_.push_back(b);
      in = s.out;
    }
  }
}

BackboneImpl::Features BackboneImpl::forward(const Tensor& x, int levels, const Between& between) {
  Features out;
  Tensor t = clip6(stem_(pad_same(x, 3)));
  int level = 0;
  for (Block& b : blocks_) {
    if (level == levels)
      break;
    Tensor y = b.expand.is_empty() ? t : clip6(b.expand(t));
    y = clip6(b.depthwise(b.depthwise->padding ? y : pad_same(y, b.kernel)));
    y = b.project(y);
    if (b.residual)
      y = y.requires_grad() ? y + t : y.add_(t);
    t = y;
    if (b.last)
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
