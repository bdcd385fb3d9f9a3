// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/reference/damsm.hpp"

namespace gsem::nets::reference {
namespace {

using Size = std::array<int64_t, 2>;
using Step = std::function<Tensor(const Tensor&)>;

/// Builds Inception's blocks; channel numbers are those of the paper's network in proportion to the stem's.
class Builder {
public:
  explicit Builder(int64_t stem) : stem_(stem) {}
  int64_t scaled(int64_t published) const { return published * stem_ / 32; }

  /// Convolution without bias, batch norm, ReLU.
  Step conv(Group& parent, const std::string& name, int64_t in, int64_t out, Size size, int64_t stride = 1,
            int64_t padding = -1) {
    Group group = parent->add(name, Group());
    Kernel kernel =
        group->add("conv", Kernel(in, scaled(out), size,
                                  KernelOptions{.stride = stride, .padding = padding, .bias = false}));
    Norm norm = group->add("bn", Norm(scaled(out), 1e-3));
    return [kernel, norm](const Tensor& x) mutable { return rectify(norm(kernel(x))); };
  }

  static Step chain(std::vector<Step> steps) {
    return [steps = std::move(steps)](const Tensor& x) {
      Tensor y = x;
      for (const Step& step : steps)
        y = step(y);
      return y;
    };
  }
  static Step side_by_side(std::vector<Step> steps) {
    return [steps = std::move(steps)](const Tensor& x) {
      std::vector<Tensor> parts;
      for (const Step& step : steps)
        parts.push_back(step(x));
      return torch::cat(parts, 1);
    };
  }
  static Tensor average(const Tensor& x) { return torch::avg_pool2d(x, 3, 1, 1); }
  static Tensor largest(const Tensor& x) { return torch::max_pool2d(x, 3, 2); }

  Step a(Group g, int64_t in, int64_t pool) {
    return side_by_side(
        {conv(g, "branch1x1", in, 64, {1, 1}),
         chain({conv(g, "branch5x5_1", in, 48, {1, 1}), conv(g, "branch5x5_2", scaled(48), 64, {5, 5})}),
         chain({conv(g, "branch3x3dbl_1", in, 64, {1, 1}), conv(g, "branch3x3dbl_2", scaled(64), 96, {3, 3}),
                conv(g, "branch3x3dbl_3", scaled(96), 96, {3, 3})}),
         chain({average, conv(g, "branch_pool", in, pool, {1, 1})})});
  }
  Step b(Group g, int64_t in) {
    return side_by_side(
        {conv(g, "branch3x3", in, 384, {3, 3}, 2, 0),
         chain({conv(g, "branch3x3dbl_1", in, 64, {1, 1}), conv(g, "branch3x3dbl_2", scaled(64), 96, {3, 3}),
                conv(g, "branch3x3dbl_3", scaled(96), 96, {3, 3}, 2, 0)}),
         largest});
  }
  Step c(Group g, int64_t in, int64_t width) {
    const int64_t w = scaled(width);
    return side_by_side(
        {conv(g, "branch1x1", in, 192, {1, 1}),
         chain({conv(g, "branch7x7_1", in, width, {1, 1}), conv(g, "branch7x7_2", w, width, {1, 7}),
                conv(g, "branch7x7_3", w, 192, {7, 1})}),
         chain({conv(g, "branch7x7dbl_1", in, width, {1, 1}), conv(g, "branch7x7dbl_2", w, width, {7, 1}),
                conv(g, "branch7x7dbl_3", w, width, {1, 7}), conv(g, "branch7x7dbl_4", w, width, {7, 1}),
                conv(g, "branch7x7dbl_5", w, 192, {1, 7})}),
         chain({average, conv(g, "branch_pool", in, 192, {1, 1})})});
  }
  Step d(Group g, int64_t in) {
    const int64_t w = scaled(192);
    return side_by_side(
        {chain({conv(g, "branch3x3_1", in, 192, {1, 1}), conv(g, "branch3x3_2", w, 320, {3, 3}, 2, 0)}),
         chain({conv(g, "branch7x7x3_1", in, 192, {1, 1}), conv(g, "branch7x7x3_2", w, 192, {1, 7}),
                conv(g, "branch7x7x3_3", w, 192, {7, 1}), conv(g, "branch7x7x3_4", w, 192, {3, 3}, 2, 0)}),
         largest});
  }
  Step e(Group g, int64_t in) {
    const int64_t w = scaled(384);
    return side_by_side({conv(g, "branch1x1", in, 320, {1, 1}),
                         chain({conv(g, "branch3x3_1", in, 384, {1, 1}),
                                side_by_side({conv(g, "branch3x3_2a", w, 384, {1, 3}),
                                              conv(g, "branch3x3_2b", w, 384, {3, 1})})}),
                         chain({conv(g, "branch3x3dbl_1", in, 448, {1, 1}),
                                conv(g, "branch3x3dbl_2", scaled(448), 384, {3, 3}),
                                side_by_side({conv(g, "branch3x3dbl_3a", w, 384, {1, 3}),
                                              conv(g, "branch3x3dbl_3b", w, 384, {3, 1})})}),
                         chain({average, conv(g, "branch_pool", in, 192, {1, 1})})});
  }

private:
  int64_t stem_;
};

} // namespace

RankerImpl::RankerImpl(const RankerSizes& sizes) {
  Builder build(sizes.stem);
  // The convolutions of the stem are this module's own children, so a group lends its name only.
  const auto top = [&](const char* name, int64_t in, int64_t out, int64_t size, int64_t stride,
                       int64_t padding) {
    Group holder;
    Step step = build.conv(holder, name, in, out, {size, size}, stride, padding);
    register_module(name, holder->children()[0]);
    return step;
  };
  const auto s = [&](int64_t channels) { return build.scaled(channels); };
  const auto block = [&](const char* name) { return register_module(name, Group()); };
  to_regions_ = {top("Conv2d_1a_3x3", 3, 32, 3, 2, 0),
                 top("Conv2d_2a_3x3", s(32), 32, 3, 1, 0),
                 top("Conv2d_2b_3x3", s(32), 64, 3, 1, 1),
                 Builder::largest,
                 top("Conv2d_3b_1x1", s(64), 80, 1, 1, 0),
                 top("Conv2d_4a_3x3", s(80), 192, 3, 1, 0),
                 Builder::largest,
                 build.a(block("Mixed_5b"), s(192), 32),
                 build.a(block("Mixed_5c"), s(64) + s(64) + s(96) + s(32), 64),
                 build.a(block("Mixed_5d"), s(64) + s(64) + s(96) + s(64), 64)};
  const int64_t five = s(64) + s(64) + s(96) + s(64), six = s(384) + s(96) + five, sixes = 4 * s(192);
  to_regions_.push_back(build.b(block("Mixed_6a"), five));
  to_regions_.push_back(build.c(block("Mixed_6b"), six, 128));
  to_regions_.push_back(build.c(block("Mixed_6c"), sixes, 160));
  to_regions_.push_back(build.c(block("Mixed_6d"), sixes, 160));
  to_regions_.push_back(build.c(block("Mixed_6e"), sixes, 192));
  const int64_t seven = s(320) + s(192) + sixes, sevens = s(320) + 4 * s(384) + s(192);
  to_picture_ = {build.d(block("Mixed_7a"), sixes), build.e(block("Mixed_7b"), seven),
                 build.e(block("Mixed_7c"), sevens)};
  regions_ = register_module("emb_features", Kernel(sixes, sizes.width, 1, KernelOptions{.bias = false}));
  picture_ = register_module("emb_cnn_code", Dense(sevens, sizes.width));
}

RankerImpl::Output RankerImpl::forward(const Tensor& x) {
  Tensor y = torch::upsample_bilinear2d(x, {299, 299}, false);
  for (const Step& step : to_regions_)
    y = step(y);
  const Tensor regions = regions_(y);
  for (const Step& step : to_picture_)
    y = step(y);
  return {regions, picture_(torch::avg_pool2d(y, 8).flatten(1))};
}

Tensor match_score(const Tensor& pictures, const Tensor& sentences) {
  const auto unit = [](const Tensor& t) { return t / t.norm(2, 1, true).clamp_min(1e-8); };
  return unit(pictures).matmul(unit(sentences).t());
}

} // namespace gsem::nets::reference
