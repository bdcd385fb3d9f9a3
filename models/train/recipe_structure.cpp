// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/structure.hpp"
#include "models/train/averaged_recipe.hpp"
#include "models/train/discriminator.hpp"
#include "models/train/losses.hpp"
#include "models/train/stage_inputs.hpp"

/// Base picture and coded map to a picture: a little L1 (more of it comes out grey), feature distance, the
/// base's colours (wherever they are in a painted one, whose shapes are elsewhere than the map's; in their
/// places in a general photo's), nothing that repeats with the pixel shuffles, the edges of the map, after a
/// while an adversarial term, and on whole captioned pictures a contrastive text term. A quarter of a batch
/// are general photos. The base is blank or wrong often enough that neither is relied on.
namespace gsem::train {
namespace {

constexpr double kBlank = 0.15, kWrong = 0.1, kNoise = 0.3;
constexpr int64_t kNoHint = 127, kQuietSteps = 600;

class StructureRecipe : public AveragedRecipe<nets::StructureSynthesis> {
public:
  int default_batch() const override { return 8; }
  int64_t default_steps() const override { return 10000; }

  void prepare(Context& context) override {
    features_ = std::make_unique<FrozenFeatures>(context);
    text_ = TextSide(load_vocabulary(context).size());
    load_frozen(*text_, context, "text");
    load_frozen(*edges_, context, "edges");
    in_ = structure_inputs(context, true);
    test_ = structure_inputs(context, false);
    if (!in_.maps.defined())
      throw std::runtime_error("no training pictures");
    captioned_ = in_.captioned.nonzero().squeeze(1);
    general_ = in_.captioned.logical_not().nonzero().squeeze(1);
    build(context, {0, 0.99}, [] { return nets::StructureSynthesis(); });
    make_channels_last(*discriminator_);
    critic_ = std::make_unique<Adam>(std::vector<const torch::nn::Module*>{discriminator_.get()},
                                     AdamOptions{0, 0.99});
  }

  Losses step(const StepInfo& info) override {
    const int64_t n = info.batch,
                  plain = captioned_.size(0) == 0 ? n
                          : general_.size(0) == 0 ? 0
                                                  : n / 4,
                  birds = n - plain;
    const Tensor i = torch::cat({pick(captioned_, birds), pick(general_, plain)});
    const Tensor mirrored = (torch::rand({n}) < 0.5).view({-1, 1, 1, 1});
    auto turned = [&](const Tensor& v) {
      return torch::where(mirrored, v.flip(3), v).contiguous(at::MemoryFormat::ChannelsLast);
    };
    const Tensor upright = to_unit(in_.pictures.index_select(0, i));
    const Tensor x = turned(upright),
                 map = turned(to_unit(in_.maps.index_select(0, i).narrow(1, info.random.below(2), 1)));
    const Tensor base = turned(bases(i, upright, birds, info.random));
    Condition c;
    c.sentence = in_.sentences.index_select(0, i);
    c.hint = in_.hints.index_select(0, i).masked_fill(mirrored.flatten(), kNoHint);
    c.weight = in_.captioned.index_select(0, i).to(torch::kFloat32);
    Condition wrong = c;
    wrong.sentence =
        torch::cat({c.sentence.narrow(0, 0, birds).roll(1, 0), c.sentence.narrow(0, birds, plain)});

    const bool whole = info.step % 2 == 0, conditional = whole && birds > 1;
    const int64_t oy = info.random.below(129), ox = info.random.below(129);
    auto view = [&](const Tensor& v) {
      return (whole ? torch::avg_pool2d(v, 2) : v.slice(2, oy, oy + 128).slice(3, ox, ox + 128))
          .contiguous(at::MemoryFormat::ChannelsLast);
    };
    net_->train();
    discriminator_->train();
    Tensor y, judged, fooled;
    std::vector<Tensor> wanted, seen;
    {
      Bf16Scope scope(context_->bf16);
      y = net_(base, map, kNoise);
      {
        torch::NoGradGuard no_grad;
        wanted = (*features_)(view(x));
      }
      seen = (*features_)(view(y));
      std::vector<Tensor> real, fake;
      {
        torch::NoGradGuard no_grad;
        real = discriminator_->mix(wanted);
        fake = discriminator_->mix(seen);
      }
      judged = discriminator_loss(discriminator_, real, fake, conditional ? &c : nullptr, &wrong);
    }
    critic_->zero_grad();
    judged.backward();
    critic_->step(rate(2e-4, info));

    set_requires_grad(*discriminator_, false);
    {
      Bf16Scope scope(context_->bf16);
      fooled = adversarial_loss(discriminator_, discriminator_->mix(seen), conditional ? &c : nullptr);
    }
    const Tensor l1 = (y - x).abs().mean(), distance = feature_distance(seen, wanted);
    const Tensor colours = colour_distance(y, base, birds),
                 pattern = torch::relu(shuffle_pattern(y) - shuffle_pattern(x)).mean();
    Tensor words = torch::zeros({});
    if (conditional) {
      const Tensor own = c.sentence.narrow(0, 0, birds),
                   shown = text_->embed(seen[3].narrow(0, 0, birds).to(torch::kFloat32).mean({2, 3}));
      words = torch::cross_entropy_loss(12 * torch::mm(shown, own.t()), torch::arange(birds));
    }
    Tensor edges;
    {
      Bf16Scope scope(context_->bf16);
      edges = edges_->forward(y.contiguous(at::MemoryFormat::ChannelsLast)).to(torch::kFloat32);
    }
    edges = (edges - (map / 2 + 0.5)).abs().mean();
    adam_->zero_grad();
    // Adversarial too early: grey embossings of the map.
    (0.5 * l1 + 3 * colours + 20 * pattern + 4 * edges + distance +
     (info.step >= kQuietSteps ? 0.06 : 0.0) * fooled + 0.3 * words)
        .backward();
    adam_->step(rate(6e-4, info), 5);
    set_requires_grad(*discriminator_, true);
    update_average(*average_, *net_, info.step > 300 ? 0.995 : 0.98);
    return {{"l1", l1.item<double>()},
            {"colours", colours.item<double>()},
            {"pattern", pattern.item<double>()},
            {"edges", edges.item<double>()},
            {"features", distance.item<double>()},
            {"judged", judged.item<double>()},
            {"fooled", fooled.item<double>()},
            {"text", words.item<double>()}};
  }

  TensorMap state() override {
    TensorMap all = AveragedRecipe::state();
    all.merge(module_state(*discriminator_, "discriminator."));
    all.merge(critic_->state("critic."));
    return all;
  }

  void start_from(const std::string& file) override {
    if (has_tensor(file, "h.0.u.bias"))
      load_network(*discriminator_, file);
    else
      AveragedRecipe::start_from(file);
  }

  std::string measure() override {
    if (!test_.maps.defined())
      return {};
    double distance = 0, l1 = 0;
    const int64_t n = test_.pictures.size(0);
    for (int64_t i = 0; i < n; i++) {
      const Tensor x = to_unit(test_.pictures.slice(0, i, i + 1)), y = shown(test_, i);
      l1 += (x - y).abs().mean().item<double>() / double(n);
      distance += feature_distance((*features_)(y), (*features_)(x)).item<double>() / double(n);
    }
    char text[96];
    snprintf(text, sizeof text, "L1 %.3f, feature distance %.2f on %lld test pictures", l1, distance,
             (long long)n);
    return text;
  }

  void sheet(const std::string& file) override {
    const StructureInputs& in = test_.maps.defined() ? test_ : in_;
    std::vector<std::vector<Tensor>> rows(4);
    const int64_t n = in.pictures.size(0), columns = std::min<int64_t>(10, n);
    for (int64_t k = 0; k < columns; k++) {
      const int64_t i = k * n / columns;
      rows[0].push_back(from_unit(torch::avg_pool2d(to_unit(in.pictures.slice(0, i, i + 1)), 2))[0]);
      rows[1].push_back(in.bases[i]);
      rows[2].push_back(in.maps[i].narrow(0, 0, 1));
      rows[3].push_back(from_unit(torch::avg_pool2d(shown(in, i), 2))[0]);
    }
    write_sheet(rows, file);
  }

private:
  static Tensor pick(const Tensor& from, int64_t n) {
    return n == 0 ? from.narrow(0, 0, 0)
                  : from.index_select(0, torch::randint(from.size(0), {n}, torch::kInt64));
  }

  double rate(double own, const StepInfo& info) const {
    const double fall = info.progress < 0.6 ? 1 : 1 - 0.85 * (info.progress - 0.6) / 0.4;
    return context_->rate(own) * fall * std::min(1.0, double(info.step + 1) / 100);
  }

  /// Over cells of 16x16, without the pictures whose base is blank: distance of the two sets of colours of
  /// the first `birds` (sliced Wasserstein-1 along random directions: where a colour is does not count), of
  /// the colours in their places of the others.
  static Tensor colour_distance(const Tensor& y, const Tensor& base, int64_t birds) {
    auto cells = [](const Tensor& v) {
      return torch::adaptive_avg_pool2d(v.contiguous(), {16, 16}).flatten(2).transpose(1, 2);
    };
    const Tensor given = (base.abs().amax({1, 2, 3}) > 0).to(torch::kFloat32);
    const Tensor a = cells(y), b = cells(base), directions = torch::randn({3, 12});
    auto sorted = [&](const Tensor& v) {
      return std::get<0>(torch::matmul(v.slice(0, 0, birds), directions / directions.norm(2, 0)).sort(1));
    };
    const Tensor anywhere = (sorted(a) - sorted(b)).abs().mean({1, 2}),
                 in_place = (a - b).slice(0, birds).abs().mean({1, 2});
    return (torch::cat({anywhere, in_place}) * given).mean();
  }

  /// How much repeats every 4 pixels over 16, and every 8 over 32 [N]: pixel shuffles leave such dots.
  static Tensor shuffle_pattern(const Tensor& v) {
    Tensor sum = torch::zeros({v.size(0)});
    for (int64_t n : {4, 8}) {
      const Tensor phases =
          torch::avg_pool2d(torch::pixel_unshuffle(v.contiguous(), n), 4).view({v.size(0), 3, n * n, -1});
      sum = sum + (phases - phases.mean(2, true)).abs().mean({1, 2, 3});
    }
    return sum;
  }

  /// The first `birds` are captioned: painted, blank or another one's; the others: blank or vague.
  Tensor bases(const Tensor& i, const Tensor& x, int64_t birds, StepRandom& random) {
    std::vector<Tensor> rows;
    if (birds > 0) {
      const Tensor luck = torch::rand({birds, 1, 1, 1});
      const Tensor own = to_unit(in_.bases.index_select(0, i.narrow(0, 0, birds))),
                   other = to_unit(in_.bases.index_select(0, pick(captioned_, birds)));
      rows.push_back(torch::where(luck > 1 - kWrong, other, own) * (luck >= kBlank));
    }
    if (x.size(0) > birds)
      rows.push_back(vague_base(x.slice(0, birds), random) *
                     (torch::rand({x.size(0) - birds, 1, 1, 1}) >= 0.5));
    return torch::cat(rows);
  }

  Tensor shown(const StructureInputs& in, int64_t i) {
    torch::NoGradGuard no_grad;
    const Tensor base = to_unit(in.bases.slice(0, i, i + 1)) * in.captioned[i].to(torch::kFloat32);
    return average_(base, to_unit(in.maps.slice(0, i, i + 1).narrow(1, 0, 1)));
  }

  std::unique_ptr<FrozenFeatures> features_;
  TextSide text_{nullptr};
  nets::EdgeNet edges_;
  Discriminator discriminator_;
  std::unique_ptr<Adam> critic_;
  StructureInputs in_, test_;
  Tensor captioned_, general_;
};

} // namespace

std::unique_ptr<Recipe> recipes::structure() {
  return std::make_unique<StructureRecipe>();
}

} // namespace gsem::train
