// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/reference/attngan.hpp"
#include "models/nets/reference/damsm.hpp"
#include "models/train/reference/caption_data.hpp"
#include "models/train/reference/matching.hpp"
#include "models/train/reference/published_recipe.hpp"

/// AttnGAN's DAMSM: text encoder and picture encoder in one space, word and sentence matching losses, Adam
/// 2e-3 (0.5, 0.999) falling by 2 % an epoch to a tenth, batch 48, the text encoder's gradient cut to 0.25.
/// With torchvision's Inception v3 (--init) only the two projections of the picture encoder learn, as
/// published; without it all of it does.
namespace gsem::train {
namespace nr = nets::reference;
namespace {

constexpr int64_t kPart = 216; ///< 64 of 76
constexpr size_t kMostWords = 25;

struct DamsmImpl : torch::nn::Module {
  DamsmImpl(const nr::TextEncoderSizes& text_sizes, const nr::RankerSizes& ranker_sizes) {
    text = register_module("text", nr::TextEncoder(text_sizes));
    ranker = register_module("ranker", nr::Ranker(ranker_sizes));
  }
  nr::TextEncoder text{nullptr};
  nr::Ranker ranker{nullptr};
};
TORCH_MODULE(Damsm);

class ReferenceDamsm : public PublishedRecipe<Damsm> {
public:
  int default_batch() const override { return 48; }
  int64_t default_steps() const override { return 36800; }

  void prepare(Context& context) override {
    context_ = &context;
    words_ = std::make_unique<CaptionWords>(context);
    words_->write(context);
    train_ = captioned_pictures(context, *words_, true);
    test_ = captioned_pictures(context, *words_, false);
    auto text = nr::TextEncoderSizes::scaled(share(), words_->size());
    auto ranker = nr::RankerSizes::scaled(share());
    ranker.width = text.width;
    net_ = Damsm(text, ranker);
    start_weights();
    const bool frozen = has_backbone();
    if (!frozen)
      context.message("no Inception v3 in --init: the whole picture encoder learns");
    for (auto& p : net_->ranker->named_parameters())
      p.value().set_requires_grad(!frozen || p.key().starts_with("emb_"));
    const AdamOptions options{0.5, 0.999};
    text_adam_ = std::make_unique<Adam>(std::vector<const torch::nn::Module*>{net_->text.get()}, options);
    ranker_adam_ = std::make_unique<Adam>(std::vector<const torch::nn::Module*>{net_->ranker.get()}, options);
  }

  Losses step(const StepInfo& info) override {
    const auto rows = epoch_batch(train_.size(), info.batch, context_->settings.seed, info.step);
    const CaptionBatch said = draw_captions(train_, rows, kMostWords, false, info.random);
    const Tensor x = random_parts(train_.pictures, rows, kPart, info.random);
    net_->train();
    const auto seen = net_->ranker->forward(x);
    const auto read = net_->text->forward(said.tokens, said.lengths);
    const Matching loss = matching_loss(seen.regions, seen.picture, read.words, read.sentence, said.lengths,
                                        train_.labels.index_select(0, torch::tensor(rows)));
    text_adam_->zero_grad();
    ranker_adam_->zero_grad();
    (loss.words + loss.sentence).backward();
    const int64_t epoch = info.step * info.batch / train_.size();
    const double rate = context_->rate(2e-3) * std::max(0.1, std::pow(0.98, double(epoch)));
    ranker_adam_->step(rate);
    text_adam_->step(rate, 0.25);
    return {{"words", loss.words.item<double>()}, {"sentence", loss.sentence.item<double>()}};
  }

  TensorMap state() override {
    TensorMap all = PublishedRecipe::state();
    all.merge(text_adam_->state("text."));
    all.merge(ranker_adam_->state("ranker."));
    return all;
  }

  std::vector<Export> exports() override {
    return {{"text", net_->text.get()}, {"ranker", net_->ranker.get()}};
  }

  void start_from(const std::string& file) override {
    const TensorMap tensors = read_weight_file(file), backbone = backbone_weights(tensors);
    if (!backbone.empty())
      fill_module(*net_->ranker, backbone, file);
    else if (tensors.count("emb_features.weight"))
      load_network(*net_->ranker, file);
    else
      load_network(*net_->text, file);
  }

  /// R-precision as AttnGAN has it: the own caption among it and 99 others.
  std::string measure() override {
    const int64_t n = test_.size();
    if (n < 2)
      return {};
    torch::NoGradGuard no_grad;
    net_->eval();
    std::vector<Tensor> pictures, sentences;
    for (int64_t i = 0; i < n; i++) {
      pictures.push_back(net_->ranker->forward(to_unit(test_.pictures.slice(0, i, i + 1))).picture);
      const CaptionBatch said = pad_captions({test_.captions[size_t(i)].front()}, kMostWords, false);
      sentences.push_back(net_->text->forward(said.tokens).sentence);
    }
    const Tensor alike = nr::match_score(torch::cat(pictures), torch::cat(sentences));
    const auto a = alike.accessor<float, 2>();
    StepRandom random(1, 0);
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
      float best = -2;
      for (int k = 0; k < 99; k++)
        if (const int64_t other = random.below(n); other != i)
          best = std::max(best, a[i][other]);
      found += a[i][i] > best;
    }
    return "R-precision (1 of 100) " + figure("%.3f", double(found) / double(n)) + " on " +
           std::to_string(n) + " test pictures";
  }

private:
  void start_weights() {
    torch::NoGradGuard no_grad;
    for (auto& p : net_->named_parameters())
      if (p.key() == "text.encoder.weight" || p.key() == "ranker.emb_features.weight" ||
          p.key() == "ranker.emb_cnn_code.weight")
        p.value().uniform_(-0.1, 0.1);
  }

  std::unique_ptr<CaptionWords> words_;
  std::unique_ptr<Adam> text_adam_, ranker_adam_;
  CaptionedPictures train_, test_;
};

} // namespace

std::unique_ptr<Recipe> recipes::reference_damsm() {
  return std::make_unique<ReferenceDamsm>();
}

} // namespace gsem::train
