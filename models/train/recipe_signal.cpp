// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/signal_codec.hpp"
#include "models/train/averaged_recipe.hpp"
#include "models/train/losses.hpp"
#include "models/train/stage_inputs.hpp"

#include <cmath>

/// The picture codec over its whole range of rates: bits + lambda (squared error and MS-SSIM), each rate's
/// loss divided by sqrt(lambda) so that all weigh alike. With --sides the synthesis gets the lower layers'
/// picture and map, each half of the time.
namespace gsem::train {
namespace {

/// log2 of lambda over q 0..7: about 0.02 to 0.5 bits per pixel. Above, more bits bring next to nothing.
constexpr double kLowest = -14.3, kSlope = 1.488;
constexpr int64_t kCrop = 128;

Tensor lambda_of(const Tensor& q) {
  return torch::exp2(q * kSlope + kLowest);
}

Tensor squared_error(const Tensor& a, const Tensor& b) {
  return ((a - b) * 127.5).pow(2).mean({1, 2, 3});
}

class SignalRecipe : public AveragedRecipe<nets::SignalCodec> {
public:
  int default_batch() const override { return 12; }
  int64_t default_steps() const override { return 30000; }

  void prepare(Context& context) override {
    const bool sides = context.settings.sides;
    using Group = std::pair<std::vector<size_t>, double>;
    std::vector<Group> groups{{context.select(Kind::Scene, true), 2},
                              {context.select(Kind::General, true), 3},
                              {context.select(Kind::Boundary, true), 1}};
    // Pictures with sides are bird crops already.
    if (!sides || (groups[0].first.empty() && groups[1].first.empty() && groups[2].first.empty()))
      groups.push_back({context.select(Kind::Object, true), 4});
    pool_ = std::make_unique<CropPool>(context.data, groups, context.settings.cache_megabytes << 20,
                                       context.message);
    if (sides)
      sides_ = side_inputs(context, structure_inputs(context, true));
    build(context, {0.9, 0.99}, [] { return nets::SignalCodec(); });
    auto test = context.select(Kind::Object, false);
    if (test.empty())
      test = context.select(Kind::General, false);
    if (test.size() > 48)
      test.resize(48);
    test_ = load_squares(context.data, test, 256, context.message);
  }

  Losses step(const StepInfo& info) override {
    Tensor x, side;
    if (sides_.pictures.defined() && info.step % 4 != 3)
      x = crop_with_sides(info, side);
    else
      x = to_unit(pool_->crops(info.batch, kCrop, 1, 2.2, info.random));
    const Tensor q = (torch::rand({info.batch}) * 7.3 - 0.15).clamp(0, 7), root = lambda_of(q).sqrt();
    net_->train();
    nets::SignalCodecImpl::Output out;
    {
      Bf16Scope scope(context_->bf16);
      out = net_(x, q, side);
    }
    const Tensor mse = squared_error(out.picture, x), unlike = 1 - ms_ssim(x, out.picture, 4);
    const Tensor loss = (out.bits_per_pixel / root + root * (0.5 * mse + 800 * unlike)).mean() + out.penalty;
    adam_->zero_grad();
    loss.backward();
    adam_->step(cosine_rate(context_->rate(sides_.pictures.defined() ? 3e-4 : 4e-4), info.progress, info.step,
                            200, 0.5, 0.05),
                1000);
    update_average(*average_, *net_, average_beta(info.step, 20, 0.999));
    return {{"loss", loss.item<double>()},
            {"bpp", out.bits_per_pixel.mean().item<double>()},
            {"mse", mse.mean().item<double>()},
            {"unlike", unlike.mean().item<double>()}};
  }

  std::string measure() override {
    if (test_.size(0) == 0)
      return {};
    std::string text = "likelihood bpp/dB/MS-SSIM on " + std::to_string(test_.size(0)) + " test pictures:";
    for (double q : {0.0, 1.75, 3.5, 5.25, 7.0}) {
      double bpp = 0, psnr = 0, alike = 0;
      for (int64_t i = 0; i < test_.size(0); i++) {
        const Tensor x = to_unit(test_.slice(0, i, i + 1));
        const auto out = average_(x, torch::full({1}, q));
        const Tensor y = to_unit(from_unit(out.picture));
        bpp += out.bits_per_pixel.item<double>();
        psnr += 10 * std::log10(65025 / squared_error(x, y).item<double>());
        alike += ms_ssim(x, y).item<double>();
      }
      const double n = double(test_.size(0));
      char row[64];
      snprintf(row, sizeof row, " q%.2f %.3f/%.2f/%.4f", q, bpp / n, psnr / n, alike / n);
      text += row;
    }
    return text;
  }

  void sheet(const std::string& file) override {
    std::vector<std::vector<Tensor>> rows(4);
    for (int64_t i = 0; i < std::min<int64_t>(6, test_.size(0)); i++) {
      rows[0].push_back(test_[i]);
      for (int k = 0; k < 3; k++)
        rows[size_t(k + 1)].push_back(
            from_unit(average_(to_unit(test_.slice(0, i, i + 1)), torch::full({1}, 3.5 * k)).picture)[0]);
    }
    write_sheet(rows, file);
  }

private:
  Tensor crop_with_sides(const StepInfo& info, Tensor& side) {
    std::vector<Tensor> pictures, bases, maps;
    for (int i = 0; i < info.batch; i++) {
      const int64_t k = info.random.below(sides_.pictures.size(0)), oy = 2 * info.random.below(65),
                    ox = 2 * info.random.below(65);
      const bool mirrored = info.random.chance(0.5);
      auto cut = [&](const Tensor& from, int64_t y, int64_t x, int64_t side) {
        const Tensor part = from[k].slice(1, y, y + side).slice(2, x, x + side);
        return mirrored ? part.flip(2) : part;
      };
      pictures.push_back(cut(sides_.pictures, oy, ox, kCrop));
      bases.push_back(cut(sides_.bases, oy, ox, kCrop));
      maps.push_back(cut(sides_.maps, oy / 2, ox / 2, kCrop / 2));
    }
    const Tensor flags = (torch::rand({info.batch, 2}) < 0.5).to(torch::kFloat32);
    auto flag = [&](int64_t i) { return flags.select(1, i).view({-1, 1, 1, 1}); };
    side = nets::SignalCodecImpl::side(to_unit(torch::stack(bases)) * flag(0),
                                       torch::stack(maps).to(torch::kFloat32) / 255 * flag(1), flags);
    return to_unit(torch::stack(pictures));
  }

  std::unique_ptr<CropPool> pool_;
  SideInputs sides_;
  Tensor test_;
};

} // namespace

std::unique_ptr<Recipe> recipes::signal() {
  return std::make_unique<SignalRecipe>();
}

} // namespace gsem::train
