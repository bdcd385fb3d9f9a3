// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/reference/structure.hpp"

#include <cmath>

namespace gsem::nets::reference {
namespace {

constexpr int kStages = 5;
constexpr int kConvolutions[kStages] = {2, 2, 3, 3, 3};

/// Bilinear enlargement as a transposed convolution, cropped as the published code does.
Tensor enlarge(const Tensor& x, int64_t kernel, int64_t stride, int64_t crop, int64_t height, int64_t width) {
  const double factor = double((kernel + 1) / 2), centre = kernel % 2 ? factor - 1 : factor - 0.5;
  const Tensor ramp = 1 - (torch::arange(kernel, torch::kDouble) - centre).abs() / factor;
  const Tensor weight = torch::outer(ramp, ramp).to(x.options()).view({1, 1, kernel, kernel});
  const Tensor y = torch::conv_transpose2d(x, weight, {}, stride);
  TORCH_CHECK(y.size(2) >= crop + height && y.size(3) >= crop + width,
              "a picture size that RCF's crops do not allow");
  return y.narrow(2, crop, height).narrow(3, crop, width);
}

} // namespace

RcfImpl::RcfImpl(const EdgeSizes& sizes) {
  int64_t in = 3;
  for (int stage = 0; stage < kStages; ++stage) {
    const int64_t out = sizes.stem << std::min(stage, 3), dilation = stage == 4 ? 2 : 1;
    for (int i = 0; i < kConvolutions[stage]; ++i) {
      const std::string name = "conv" + std::to_string(stage + 1) + "_" + std::to_string(i + 1);
      conv_.push_back(register_module(
          name, Kernel(in, out, 3, KernelOptions{.padding = dilation, .dilation = dilation})));
      down_.push_back(register_module(name + "_down", Kernel(out, sizes.side, 1)));
      in = out;
    }
    score_.push_back(register_module("score_dsn" + std::to_string(stage + 1), Kernel(sizes.side, 1, 1)));
  }
  fuse_ = register_module("score_fuse", Kernel(kStages, 1, 1));
}

std::vector<Tensor> RcfImpl::forward(const Tensor& input, const Between& between) {
  constexpr int64_t kernel[kStages] = {0, 4, 8, 16, 16}, stride[kStages] = {0, 2, 4, 8, 8},
                    crop[kStages] = {0, 1, 2, 4, 0};
  const int64_t height = input.size(2), width = input.size(3);
  std::vector<Tensor> maps;
  Tensor x = input;
  for (int stage = 0, n = 0; stage < kStages; ++stage) {
    if (stage > 0) // the last pooling keeps the size
      x = torch::max_pool2d(x, 2, stage == 4 ? 1 : 2, 0, 1, true);
    Tensor side;
    for (int i = 0; i < kConvolutions[stage]; ++i, ++n) {
      if (between && !between())
        return {};
      x = rectify(conv_[size_t(n)](x));
      const Tensor part = down_[size_t(n)](x);
      side = side.defined() ? side + part : part;
    }
    side = score_[size_t(stage)](side);
    maps.push_back(stage == 0 ? side
                              : enlarge(side, kernel[stage], stride[stage], crop[stage], height, width));
  }
  maps.push_back(fuse_(torch::cat(maps, 1)));
  for (Tensor& map : maps)
    map = map.sigmoid();
  return maps;
}

StructureImpl::StructureImpl(const StructureSizes& sizes) {
  const int64_t nf = sizes.width;
  Group semantic = register_module("semantic_extractor", Group());
  for (int i = 0; i < 5; ++i) {
    const std::string n = std::to_string(i + 1);
    scales_[i].conv = semantic->add("conv" + n, Kernel(i == 0 ? 3 : nf, nf, 3)); // the second is never used
    scales_[i].slope = semantic->add("Prel" + n, Prelu());
  }
  for (int i = 0; i < 4; ++i)
    fc_[i] = semantic->add("fc" + std::to_string(i + 1), Dense(nf, nf, false));
  fc_slope_ = semantic->add("pr1", Prelu());
  Group edges = register_module("structure_extractor", Group());
  for (int i = 0; i < 4; ++i) {
    const std::string n = std::to_string(i + 1);
    Group attention = register_module("attn" + n, Group());
    attention_[i] = {attention->add("q_conv", Kernel(nf, nf, 1)), attention->add("k_conv", Kernel(nf, nf, 1)),
                     attention->add("v_conv", Kernel(nf, nf, 1))};
    down_[i] =
        register_module("down" + n, Kernel(nf, nf, 3, KernelOptions{.stride = 2})); // the first: never used
    edges_[i] = {edges->add("conv" + n, Kernel(i == 0 ? 1 : nf, nf, 3)), edges->add("Prel" + n, Prelu()),
                 edges->add("down" + n, Downsample(nf, nf))};
    transform_[i] = register_module("tran" + n, Calibrated(nf));
    merge_[i] = register_module("m" + n, Merge(nf, false)); // the fourth: never used
  }
  for (int i = 0; i < 5; ++i) {
    Group up = register_module("up" + std::to_string(i + 1), Group());
    up_[i] = {up->add("conv", Kernel(nf, nf * 4, 3)), up->add("prelu", Prelu())};
  }
  for (int i = 0; i < 2; ++i) {
    Group block = register_module("rs" + std::to_string(i + 4), Group());
    Group first = block->add("conv_block1", Group())->add("conv_block", Group()),
          second = block->add("conv_block2", Group())->add("conv_block", Group());
    Refine& r = refine_[i];
    r.conv1 = first->add("0", Kernel(nf, nf, 3));
    r.norm1 = first->add("1", Norm(nf));
    r.slope = first->add("2", Prelu());
    r.conv2 = second->add("0", Kernel(nf, nf, 3));
    r.norm2 = second->add("1", Norm(nf));
  }
  output_ = register_module("re", Kernel(nf, 3, 3));
}

StructureImpl::BaseFeatures StructureImpl::base_branch(const Tensor& base) {
  BaseFeatures out;
  Tensor x = torch::max_pool2d(scales_[0].slope(scales_[0].conv(base)), 5, 2, 2);
  out.maps[0] = torch::max_pool2d(scales_[1].slope(x), 5, 2, 2);
  for (int i = 1; i < 4; ++i)
    out.maps[i] = torch::max_pool2d(scales_[i + 1].slope(scales_[i + 1].conv(out.maps[i - 1])), 3, 2, 1);
  out.vectors[0] = fc_[1](fc_slope_(fc_[0](out.maps[3].mean({2, 3}))));
  out.vectors[1] = fc_[2](out.vectors[0]);
  out.vectors[2] = fc_[3](out.vectors[1]);
  return out;
}

/// Between channels; the weights of one column sum to one, as published.
Tensor StructureImpl::attend(Attention& a, const Tensor& query, const Tensor& key,
                             const Tensor& value) const {
  const Tensor q = a.query(query).flatten(2), k = a.key(key).flatten(2), v = a.value(value);
  const Tensor energy = torch::bmm(q, k.transpose(1, 2));
  const Tensor weights = torch::softmax(energy.amax({-1}, true) - energy, 1);
  const Tensor out = torch::bmm(weights, v.flatten(2)).view(v.sizes());
  return (is_training() ? torch::dropout(out, 0.1, true) : out).contiguous(v.suggest_memory_format());
}

Tensor StructureImpl::refine(Refine& r, const Tensor& x) {
  return r.norm2(r.conv2(r.slope(r.norm1(r.conv1(x))))) + x;
}

Tensor StructureImpl::up(Up& u, const Tensor& x) {
  return u.slope(torch::pixel_shuffle(u.conv(x), 2));
}

Tensor StructureImpl::decode(const BaseFeatures& base, const Tensor& edges, const Between& between) {
  const auto stop = [&] { return between && !between(); };
  Tensor x = edges;
  if (x.size(2) != 128 || x.size(3) != 128)
    x = at::upsample_nearest2d(x, {128, 128});
  Tensor shapes[4];
  for (int i = 0; i < 4; ++i)
    shapes[i] = x = edges_[i].down(edges_[i].slope(edges_[i].conv(x)));
  Tensor a = attend(attention_[0], base.maps[0], shapes[0], shapes[0]);
  for (int i = 1; i < 4; ++i)
    a = down_[i](attend(attention_[i], base.maps[i], shapes[i], a));
  Tensor y = a + transform_[3](shapes[3]);
  for (int i = 0; i < 3; ++i) {
    if (stop())
      return {};
    y = merge_[i](up(up_[i], y), Tensor(), base.vectors[i], transform_[2 - i](shapes[2 - i]));
  }
  for (int i = 0; i < 2; ++i) {
    if (stop())
      return {};
    y = refine(refine_[i], up(up_[3 + i], y));
  }
  return output_(y);
}

} // namespace gsem::nets::reference
