// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/generator.hpp"
#include "models/train/averaged_recipe.hpp"
#include "models/train/discriminator.hpp"
#include "models/train/losses.hpp"

/// Caption and layout hint to a 128x128 picture: a conditional GAN with discriminators on frozen features.
/// Mismatched captions and hints are negatives; a contrastive text loss and a hint classification loss on the
/// same features keep words and poses apart. A fifth of the captions are the captioner's own: they are what
/// a receiver paints from. A part of the pictures get another picture's hint, as when a receiver draws one.
namespace gsem::train {
namespace {

constexpr double kOwnCaptions = 0.2, kOtherHint = 0.15;

class GeneratorRecipe : public AveragedRecipe<nets::Generator> {
public:
  int default_batch() const override { return 32; }
  int64_t default_steps() const override { return 20000; }

  void prepare(Context& context) override {
    const Vocabulary vocabulary = load_vocabulary(context);
    features_ = std::make_unique<FrozenFeatures>(context);
    load_frozen(*hint_, context, "hint");
    text_ = TextSide(vocabulary.size());
    load_frozen(*text_, context, "text");
    train_ = read(context, vocabulary, true);
    test_ = read(context, vocabulary, false);
    if (!train_.pictures.defined())
      throw std::runtime_error("no captioned training pictures");
    build(context, {0, 0.99}, [] { return nets::Generator(); });
    make_channels_last(*discriminator_);
    critic_ = std::make_unique<Adam>(std::vector<const torch::nn::Module*>{discriminator_.get()},
                                     AdamOptions{0, 0.99});
    spread_ = layout_spread();
  }

  Losses step(const StepInfo& info) override {
    const Tensor b = torch::randint(train_.pictures.size(0), {info.batch}, torch::kInt64),
                 mirrored = torch::rand({info.batch}) < 0.5;
    Tensor x = to_unit(train_.pictures.index_select(0, b));
    x = torch::where(mirrored.view({-1, 1, 1, 1}), x.flip(3), x).contiguous(at::MemoryFormat::ChannelsLast);
    Condition c;
    c.hint = train_.codes.index_select(0, b).gather(1, mirrored.to(torch::kInt64).unsqueeze(1)).squeeze(1);
    nets::TextEncoderImpl::Output text;
    {
      torch::NoGradGuard no_grad;
      text = text_->te(captions(b, info.random));
    }
    c.sentence = text.sentence;
    Condition wrong = c, shown = c; // `shown`: what the painted picture is to show
    const Tensor others = train_.codes.select(1, 0).index_select(
        0, torch::randint(train_.codes.size(0), {info.batch}, torch::kInt64));
    shown.hint = torch::where(torch::rand({info.batch}) < kOtherHint, others, c.hint);
    (info.step % 2 ? wrong.sentence : wrong.hint) = info.step % 2 ? c.sentence.roll(1, 0) : c.hint.roll(1, 0);

    net_->train();
    discriminator_->train();
    Tensor painted, judged;
    {
      Bf16Scope scope(context_->bf16);
      painted = net_(torch::randn({info.batch, nets::GeneratorImpl::kNoiseWidth}), text.words, text.sentence,
                     text.mask, shown.hint);
      std::vector<Tensor> real, fake;
      {
        torch::NoGradGuard no_grad;
        real = discriminator_->mix((*features_)(augment(x, info.random)));
        fake = discriminator_->mix((*features_)(augment(painted.detach(), info.random)));
      }
      judged = discriminator_loss(discriminator_, real, fake, &c, &wrong, &shown);
    }
    critic_->zero_grad();
    judged.backward();
    critic_->step(context_->rate(2e-4));

    set_requires_grad(*discriminator_, false);
    std::vector<Tensor> f;
    Tensor fooled;
    {
      Bf16Scope scope(context_->bf16);
      f = (*features_)(augment(painted, info.random));
      fooled = adversarial_loss(discriminator_, discriminator_->mix(f), &shown);
    }
    const Tensor seen = text_->embed(f[3].to(torch::kFloat32).mean({2, 3}));
    const Tensor words =
        torch::cross_entropy_loss(12 * torch::mm(seen, text.sentence.t()), torch::arange(info.batch));
    const Tensor layout = layout_loss(f[2], shown.hint);
    const Tensor prior = torch::cross_entropy_loss(net_->layouts(text.sentence), c.hint);
    adam_->zero_grad();
    (fooled + words + layout + prior).backward();
    adam_->step(context_->rate(2e-4));
    set_requires_grad(*discriminator_, true);
    update_average(*average_, *net_, std::min(0.999, 1 - std::pow(double(info.step + 1), -0.7)));
    return {{"judged", judged.item<double>()},
            {"fooled", fooled.item<double>()},
            {"text", words.item<double>()},
            {"hint", layout.item<double>()},
            {"prior", prior.item<double>()}};
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
    const Part& part = test_;
    if (!part.pictures.defined() || part.pictures.size(0) < 2)
      return {};
    const int64_t n = std::min<int64_t>(448, part.pictures.size(0));
    std::vector<Tensor> places, seen;
    for (int64_t i = 0; i < n; i += 32) {
      const auto f = (*features_)(paint(part, i, std::min(n, i + 32)));
      places.push_back(hint_(f[2]));
      seen.push_back(text_->embed(f[3].mean({2, 3})));
    }
    const Tensor codes = part.codes.slice(0, 0, n).select(1, 0);
    const double agree = (torch::cat(places) == codes).to(torch::kFloat32).mean().item<double>();
    const Tensor likeness =
        torch::mm(torch::cat(seen), text_->te(part.tokens.slice(0, 0, n).select(1, 0)).sentence.t());
    const double found = (likeness.argmax(1) == torch::arange(n)).to(torch::kFloat32).mean().item<double>();
    char text[120];
    snprintf(text, sizeof text, "hint agreement %.3f, own caption first of %lld %.3f (test pictures)", agree,
             (long long)n, found);
    return text;
  }

  void sheet(const std::string& file) override {
    const Part& part = test_.pictures.defined() ? test_ : train_;
    std::vector<std::vector<Tensor>> rows;
    const int64_t n = std::min<int64_t>(40, part.pictures.size(0));
    for (int64_t i = 0; i < n; i += 10) {
      const Tensor y = from_unit(paint(part, i, std::min(n, i + 10)));
      rows.emplace_back();
      for (int64_t k = 0; k < y.size(0); k++)
        rows.back().push_back(part.pictures[i + k]);
      rows.emplace_back();
      for (int64_t k = 0; k < y.size(0); k++)
        rows.back().push_back(y[k]);
    }
    write_sheet(rows, file);
  }

private:
  struct Part {
    Tensor pictures, tokens, own, codes; ///< u8 [N,3,128,128], [N,10,20], [N,20], [N,2]; undefined if none
  };

  Part read(Context& context, const Vocabulary& vocabulary, bool train) {
    Part part;
    auto indices = captioned(context, train);
    const std::string print =
        fingerprint(context.data, indices, {role_file(context, "backbone"), role_file(context, "hint")});
    const Tensor pictures = load_squares(context.data, indices, 128, context.message);
    if (indices.empty())
      return part;
    part.pictures = pictures;
    part.tokens = vocabulary.tokens(context.data, indices);
    part.codes = cached(context, train ? "codes-train" : "codes-test", print, [&] {
                   return TensorMap{{"codes", layout_codes(*features_, hint_, pictures, context.bf16)}};
                 }).at("codes");
    if (train)
      part.own =
          cached(
              context, "own-captions",
              fingerprint(context.data, indices,
                          {role_file(context, "backbone"), role_file(context, "captioner")}),
              [&] {
                return TensorMap{{"tokens", own_captions(context, *features_, vocabulary.size(), indices)}};
              })
              .at("tokens");
    return part;
  }

  /// One caption of each picture of `b`: [B,20].
  Tensor captions(const Tensor& b, StepRandom& random) const {
    const Tensor human = train_.tokens.select(1, random.below(kCaptions)).index_select(0, b);
    return torch::where(torch::rand({b.size(0), 1}) < kOwnCaptions, train_.own.index_select(0, b), human);
  }

  /// Mean squared distance of real pictures to their own code: the unit of the hint loss.
  double layout_spread() {
    torch::NoGradGuard no_grad;
    const Tensor some = train_.pictures.slice(0, 0, 512);
    double sum = 0;
    for (int64_t i = 0; i < some.size(0); i += 32) {
      const Tensor place = hint_->project((*features_)(to_unit(some.slice(0, i, i + 32)), 3)[2]);
      const Tensor own =
          hint_->centroids.index_select(0, train_.codes.slice(0, i, i + place.size(0)).select(1, 0));
      sum += (place - own).pow(2).sum().item<double>();
    }
    return std::max(1e-6, sum / double(some.size(0)));
  }

  Tensor layout_loss(const Tensor& features, const Tensor& hint) {
    const Tensor logits = -torch::cdist(hint_->project(features), hint_->centroids).pow(2) * (12 / spread_);
    return torch::cross_entropy_loss(logits, hint);
  }

  /// Pictures of a part's first captions, as a receiver paints them: no added noise planes.
  Tensor paint(const Part& part, int64_t from, int64_t to) {
    torch::NoGradGuard no_grad;
    torch::manual_seed(uint64_t(3 + from));
    const auto text = text_->te(part.tokens.slice(0, from, to).select(1, 0));
    return average_(torch::randn({to - from, nets::GeneratorImpl::kNoiseWidth}), text.words, text.sentence,
                    text.mask, part.codes.slice(0, from, to).select(1, 0));
  }

  std::unique_ptr<FrozenFeatures> features_;
  nets::LayoutHint hint_;
  TextSide text_{nullptr};
  Discriminator discriminator_;
  std::unique_ptr<Adam> critic_;
  Part train_, test_;
  double spread_ = 1;
};

} // namespace

std::unique_ptr<Recipe> recipes::generator() {
  return std::make_unique<GeneratorRecipe>();
}

} // namespace gsem::train
