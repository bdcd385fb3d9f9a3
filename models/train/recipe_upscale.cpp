// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/generator.hpp"
#include "models/train/averaged_recipe.hpp"
#include "models/train/losses.hpp"

#include <cmath>

/// 128 to 256: super-resolution of real pictures, half of them blurred or noisy, as painted ones are. L1 and
/// feature distance.
namespace gsem::train {
namespace {

Tensor blur(const Tensor& x, double sigma) {
  const Tensor r = torch::arange(-2, 3).to(torch::kFloat32);
  Tensor taps = torch::exp(-r * r / (2 * sigma * sigma));
  taps = taps / taps.sum();
  const Tensor p = torch::reflection_pad2d(x.contiguous(), {2, 2, 2, 2}).flatten(0, 1).unsqueeze(1);
  return torch::conv2d(torch::conv2d(p, taps.view({1, 1, 5, 1})), taps.view({1, 1, 1, 5})).view(x.sizes());
}

class UpscaleRecipe : public AveragedRecipe<nets::Upscale> {
public:
  int default_batch() const override { return 16; }
  int64_t default_steps() const override { return 3000; }

  void prepare(Context& context) override {
    pool_ = std::make_unique<CropPool>(
        context.data,
        std::vector<std::pair<std::vector<size_t>, double>>{{context.select(Kind::Object, true), 5},
                                                            {context.select(Kind::Scene, true), 2},
                                                            {context.select(Kind::General, true), 2},
                                                            {context.select(Kind::Boundary, true), 1}},
        context.settings.cache_megabytes << 20, context.message);
    features_ = std::make_unique<FrozenFeatures>(context);
    build(context, {0.9, 0.99}, [] { return nets::Upscale(); });
    torch::NoGradGuard no_grad; // starts as bilinear
    net_->named_parameters()["o.weight"].normal_(0, 0.01);
    net_->named_parameters()["o.bias"].zero_();
    copy_module(*average_, *net_);
    auto test = context.select(Kind::Object, false);
    if (test.size() > 48)
      test.resize(48);
    test_ = load_squares(context.data, test, 256, context.message);
  }

  Losses step(const StepInfo& info) override {
    const Tensor x = to_unit(pool_->crops(info.batch, 128, 1, 2.2, info.random)),
                 half = torch::avg_pool2d(x, 2);
    const Tensor hurt = info.step % 2
                            ? blur(half, info.random.uniform(0.35, 0.85))
                            : half + 0.06 * torch::rand({info.batch, 1, 1, 1}) * torch::randn(half.sizes());
    const Tensor clean = torch::rand({info.batch, 1, 1, 1}) < 0.5;
    const Tensor small = torch::where(clean, half, hurt).contiguous(at::MemoryFormat::ChannelsLast);
    net_->train();
    Tensor y;
    std::vector<Tensor> seen, wanted;
    {
      Bf16Scope scope(context_->bf16);
      y = net_(small, false);
      {
        torch::NoGradGuard no_grad;
        wanted = (*features_)(x);
      }
      seen = (*features_)(y);
    }
    const Tensor l1 = (y - x).abs().mean(), distance = feature_distance(seen, wanted);
    adam_->zero_grad();
    (10 * l1 + 0.5 * distance).backward();
    adam_->step(cosine_rate(context_->rate(1.5e-3), info.progress, info.step, 100, 0.4, 0.01), 5);
    update_average(*average_, *net_, average_beta(info.step, 10, 0.998));
    return {{"l1", l1.item<double>()}, {"features", distance.item<double>()}};
  }

  std::string measure() override {
    if (test_.size(0) == 0)
      return {};
    double ours = 0, plain = 0;
    for (int64_t i = 0; i < test_.size(0); i++) {
      const Tensor x = to_unit(test_.slice(0, i, i + 1)), small = torch::avg_pool2d(x, 2);
      ours += psnr(average_(small), x);
      plain += psnr(nets::bilinear_up2(small), x);
    }
    char text[96];
    snprintf(text, sizeof text, "%.2f dB, bilinear %.2f dB on %lld test pictures",
             ours / double(test_.size(0)), plain / double(test_.size(0)), (long long)test_.size(0));
    return text;
  }

  void sheet(const std::string& file) override {
    std::vector<std::vector<Tensor>> rows(3);
    for (int64_t i = 0; i < std::min<int64_t>(6, test_.size(0)); i++) {
      const Tensor small = torch::avg_pool2d(to_unit(test_.slice(0, i, i + 1)), 2);
      rows[0].push_back(test_[i]);
      rows[1].push_back(from_unit(nets::bilinear_up2(small))[0]);
      rows[2].push_back(from_unit(average_(small))[0]);
    }
    write_sheet(rows, file);
  }

private:
  static double psnr(const Tensor& a, const Tensor& b) {
    return 10 * std::log10(4 / (a - b).pow(2).mean().item<double>());
  }

  std::unique_ptr<CropPool> pool_;
  std::unique_ptr<FrozenFeatures> features_;
  Tensor test_;
};

} // namespace

std::unique_ptr<Recipe> recipes::upscale() {
  return std::make_unique<UpscaleRecipe>();
}

} // namespace gsem::train
