// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/reference/captioner.hpp"
#include "models/train/caption_quality.hpp"
#include "models/train/losses.hpp"
#include "models/train/reference/caption_data.hpp"
#include "models/train/reference/published_recipe.hpp"

/// SCMC's captioner: cross-entropy of a random caption of each picture, Adam 1e-3, batch 128, 200 epochs,
/// 224x224 parts of 256x256, half of them mirrored. With torchvision's ResNet-152 (--init) the LSTM, the
/// linear layer and the batch norm behind it learn, as published; without it all do.
namespace gsem::train {
namespace {

constexpr int64_t kPart = 224;

class ReferenceCaptioner : public PublishedRecipe<nets::reference::Captioner> {
public:
  int default_batch() const override { return 128; }
  int64_t default_steps() const override { return 13800; }

  void prepare(Context& context) override {
    context_ = &context;
    words_ = std::make_unique<CaptionWords>(context);
    words_->write(context);
    train_ = captioned_pictures(context, *words_, true);
    test_ = captioned_pictures(context, *words_, false);
    net_ = nets::reference::Captioner(nets::reference::CaptionerSizes::scaled(share(), words_->size()));
    frozen_ = has_backbone();
    if (!frozen_)
      context.message("no ResNet-152 in --init: the whole picture encoder learns");
    for (auto& p : net_->encoder->named_parameters())
      if (p.key().starts_with("resnet."))
        p.value().set_requires_grad(!frozen_);
    adam_ = std::make_unique<Adam>(std::vector<const torch::nn::Module*>{net_.get()}, AdamOptions{});
  }

  Losses step(const StepInfo& info) override {
    const auto rows = epoch_batch(train_.size(), info.batch, context_->settings.seed, info.step);
    const CaptionBatch said = draw_captions(train_, rows, 0, true, info.random);
    const Tensor x = imagenet_input(random_parts(train_.pictures, rows, kPart, info.random));
    net_->train();
    const Tensor loss = error(x, said);
    adam_->zero_grad();
    loss.backward();
    adam_->step(context_->rate(1e-3));
    return {{"words", loss.item<double>()}};
  }

  TensorMap state() override {
    TensorMap all = PublishedRecipe::state();
    all.merge(adam_->state("adam."));
    return all;
  }

  std::string measure() override {
    if (test_.size() == 0)
      return {};
    torch::NoGradGuard no_grad;
    net_->eval();
    std::vector<TextWords> said;
    std::vector<std::vector<TextWords>> people;
    double wrong = 0;
    for (int64_t i = 0; i < test_.size(); i++) {
      const Tensor x = centre(test_, i);
      said.push_back(text(say(x)));
      auto& references = people.emplace_back();
      for (const Words& w : test_.captions[size_t(i)])
        references.push_back(text(w));
      wrong += error(x, pad_captions({test_.captions[size_t(i)].front()}, 0, true)).item<double>();
    }
    const CaptionQuality quality = rate_captions(said, people);
    return "cross-entropy " + figure("%.3f", wrong / double(test_.size())) + ", BLEU-4 " +
           figure("%.3f", quality.bleu4) + ", CIDEr-D " + figure("%.3f", quality.cider_d) + ", distinct " +
           figure("%.3f", quality.distinct) + " on " + std::to_string(said.size()) + " test pictures";
  }

  void sheet(const std::string&) override {
    const CaptionedPictures& part = test_.size() ? test_ : train_;
    net_->eval();
    for (int64_t i = 0; i < std::min<int64_t>(8, part.size()); i++) {
      std::string line = context_->data.entries[part.entries[size_t(i)]].name + ":";
      for (int64_t w : say(centre(part, i)))
        line += " " + words_->word(w);
      context_->message(line);
    }
  }

private:
  /// Of the words and the end mark; the first is said to the picture alone.
  Tensor error(const Tensor& x, const CaptionBatch& said) {
    const Tensor logits = net_->decoder->forward(net_->encoder->forward(x), said.tokens);
    return caption_loss(logits.slice(1, 0, -1), said.tokens, said.none.logical_not(), 0);
  }
  static Tensor centre(const CaptionedPictures& part, int64_t i) {
    const int64_t from = (kPublishedSide - kPart) / 2;
    return imagenet_input(
        to_unit(part.pictures.slice(0, i, i + 1).slice(2, from, from + kPart).slice(3, from, from + kPart)));
  }
  TextWords text(const Words& tokens) const {
    TextWords out;
    for (int64_t w : tokens)
      out.push_back(words_->word(w));
    return out;
  }
  Words say(const Tensor& x) {
    Words w = net_->decoder->sample(net_->encoder->forward(x));
    w.erase(std::find(w.begin(), w.end(), 0), w.end());
    return w;
  }

  std::unique_ptr<CaptionWords> words_;
  std::unique_ptr<Adam> adam_;
  CaptionedPictures train_, test_;
  bool frozen_ = false;
};

} // namespace

std::unique_ptr<Recipe> recipes::reference_captioner() {
  return std::make_unique<ReferenceCaptioner>();
}

} // namespace gsem::train
