// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/reference/signal.hpp"
#include "models/train/reference/published_recipe.hpp"
#include "models/train/reference/stage_folder.hpp"

#include <cmath>

/// SCMC's layer 3 at one rate: 5 * 2^lambda * MSE (pictures in [-1,1]) + bits a pixel, uniform noise in
/// rounding's place; Adam 1e-4, 1e-3 for the prior's quantiles, gradients cut to 20, batch 16, 500 epochs.
/// Layer 2's pictures and decoded maps come from --stages.
namespace gsem::train {
namespace nr = nets::reference;
namespace {

constexpr const char* kQuantiles = "entropy_bottleneck.quantiles";

Tensor noisy(const Tensor& x) {
  return x + torch::rand_like(x) - 0.5;
}

class ReferenceSignal : public PublishedRecipe<nr::Signal> {
public:
  int default_batch() const override { return 16; }
  int64_t default_steps() const override { return 276500; }

  void prepare(Context& context) override {
    context_ = &context;
    weight_ = 5 * std::exp2(context.settings.lambda);
    train_ = read_stages(context, kLayer2, true);
    test_ = read_stages(context, kLayer2, false);
    if (train_.size() == 0)
      throw std::runtime_error("no training pictures");
    net_ = nr::Signal(nr::SignalSizes::scaled(share()));
    TensorMap main, quantiles;
    for (const auto& p : net_->named_parameters())
      (p.key() == kQuantiles ? quantiles : main)[p.key()] = p.value();
    adam_ = std::make_unique<Adam>(main, AdamOptions{});
    quantile_adam_ = std::make_unique<Adam>(quantiles, AdamOptions{});
  }

  Losses step(const StepInfo& info) override {
    const auto rows =
        torch::tensor(epoch_batch(train_.size(), info.batch, context_->settings.seed, info.step));
    const Tensor x = to_unit(train_.pictures.index_select(0, rows));
    net_->train();
    const Coded coded =
        code(x, to_unit(train_.lower.index_select(0, rows)), train_.maps.index_select(0, rows), true);
    const Tensor mse = (coded.picture - x).square().mean();
    adam_->zero_grad();
    quantile_adam_->zero_grad();
    (weight_ * mse + coded.bits_per_pixel).backward();
    adam_->step(context_->rate(1e-4), 20);
    const Tensor quantiles = net_->quantile_loss();
    quantiles.backward();
    quantile_adam_->step(1e-3);
    return {{"mse", mse.item<double>()},
            {"bpp", coded.bits_per_pixel.item<double>()},
            {"quantiles", quantiles.item<double>()}};
  }

  TensorMap state() override {
    TensorMap all = PublishedRecipe::state();
    all.merge(adam_->state("adam."));
    all.merge(quantile_adam_->state("quantile-adam."));
    return all;
  }

  std::string measure() override {
    const int64_t n = test_.size();
    if (n == 0)
      return {};
    torch::NoGradGuard no_grad;
    net_->eval();
    double bpp = 0, psnr = 0;
    for (int64_t i = 0; i < n; i++) {
      const Tensor x = to_unit(test_.pictures.slice(0, i, i + 1));
      const Coded coded = one(test_, i);
      const Tensor y = to_unit(from_unit(coded.picture.clamp(-1, 1)));
      bpp += coded.bits_per_pixel.item<double>() / double(n);
      psnr += 10 * std::log10(4 / std::max(1e-9, (y - x).square().mean().item<double>())) / double(n);
    }
    return "lambda " + std::to_string(context_->settings.lambda) + ": likelihood bpp " + figure("%.3f", bpp) +
           ", " + figure("%.2f", psnr) + " dB on " + std::to_string(n) + " test pictures";
  }

  void sheet(const std::string& file) override {
    const StagePictures& part = test_.size() ? test_ : train_;
    net_->eval();
    write_stage_sheet(
        part, [&](int64_t i) { return one(part, i).picture; }, file);
  }

private:
  struct Coded {
    Tensor picture, bits_per_pixel;
  };

  Coded code(const Tensor& x, const Tensor& base, const Tensor& maps, bool noise) {
    const Tensor y = net_->analyse(x), z = net_->hyper_analyse(y), medians = net_->medians();
    const Tensor z_sent = noise ? noisy(z) : (z - medians).round() + medians;
    const Tensor scales = net_->hyper_synthesise(z_sent), y_sent = noise ? noisy(y) : y.round();
    const Tensor bits =
        net_->y_likelihood(y_sent, scales).log2().sum() + net_->z_likelihood(z_sent).log2().sum();
    return {net_->synthesise(y_sent, net_->sides(base, maps.to(torch::kFloat32) / 255)),
            -bits / double(x.size(0) * x.size(2) * x.size(3))};
  }
  Coded one(const StagePictures& part, int64_t i) {
    return code(to_unit(part.pictures.slice(0, i, i + 1)), to_unit(part.lower.slice(0, i, i + 1)),
                part.maps.slice(0, i, i + 1), false);
  }

  StagePictures train_, test_;
  std::unique_ptr<Adam> adam_, quantile_adam_;
  double weight_ = 10;
};

} // namespace

std::unique_ptr<Recipe> recipes::reference_signal() {
  return std::make_unique<ReferenceSignal>();
}

} // namespace gsem::train
