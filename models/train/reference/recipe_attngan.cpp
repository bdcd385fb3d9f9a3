// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/reference/attngan.hpp"
#include "models/nets/reference/damsm.hpp"
#include "models/train/reference/caption_data.hpp"
#include "models/train/reference/critics.hpp"
#include "models/train/reference/matching.hpp"
#include "models/train/reference/published_recipe.hpp"

/// AttnGAN's generator against three discriminators (64, 128, 256 pixels), each judging pictures alone and
/// with their sentence; 5 times the matching losses of the largest picture (text and ranker of --profile);
/// the conditioning's divergence. Adam 2e-4 (0.5, 0.999), batch 20, 600 epochs, running average 0.999.
namespace gsem::train {
namespace nr = nets::reference;
namespace {

constexpr int64_t kPart = 216, kStages = 3; ///< 64 of 76
constexpr size_t kMostWords = 25;
constexpr double kMatching = 5, kAverage = 0.999;

nr::Shapes shapes_of(const TensorMap& tensors) {
  nr::Shapes out;
  for (const auto& [name, tensor] : tensors)
    out[name] = tensor.sizes().vec();
  return out;
}

/// A frozen network of --profile, as wide as its file.
template <class Net, class Sizes>
Net frozen(const Context& context, const std::string& role, Sizes& sizes) {
  const std::string file = role_file(context, role);
  std::string error;
  if (!sizes.read(shapes_of(load_tensors(file)), error))
    throw std::runtime_error(file + ": " + error);
  Net net(sizes);
  load_frozen(*net, context, role);
  return net;
}

class ReferenceAttnGan : public PublishedRecipe<nr::Painter> {
public:
  int default_batch() const override { return 20; }
  int64_t default_steps() const override { return 265000; }
  torch::nn::Module& network() override { return *average_; }

  void prepare(Context& context) override {
    context_ = &context;
    words_ = std::make_unique<CaptionWords>(context);
    words_->write(context);
    nr::TextEncoderSizes text_sizes;
    nr::RankerSizes ranker_sizes;
    text_ = frozen<nr::TextEncoder>(context, "text", text_sizes);
    ranker_ = frozen<nr::Ranker>(context, "ranker", ranker_sizes);
    if (text_sizes.words != words_->size() || text_sizes.width != ranker_sizes.width)
      throw std::runtime_error("word list, text and ranker networks of --profile do not fit each other");
    train_ = captioned_pictures(context, *words_, true);
    test_ = captioned_pictures(context, *words_, false);
    const auto sizes = nr::PainterSizes::scaled(share(), text_sizes.width);
    net_ = nr::Painter(sizes);
    average_ = nr::Painter(sizes);
    orthogonal_start(*net_);
    copy_module(*average_, *net_);
    set_requires_grad(*average_, false);
    average_->eval();
    const AdamOptions options{0.5, 0.999};
    adam_ = std::make_unique<Adam>(std::vector<const torch::nn::Module*>{net_.get()}, options);
    for (int64_t i = 0; i < kStages; i++) {
      critics_.emplace_back(64 << i, nr::scaled_width(64, share()), text_sizes.width);
      orthogonal_start(*critics_.back());
      critic_adams_.emplace_back(std::vector<const torch::nn::Module*>{critics_.back().get()}, options);
    }
  }

  Losses step(const StepInfo& info) override {
    const auto rows = epoch_batch(train_.size(), info.batch, context_->settings.seed, info.step);
    const CaptionBatch said = draw_captions(train_, rows, kMostWords, false, info.random);
    const Tensor part = random_parts(train_.pictures, rows, kPart, info.random);
    const Tensor x = torch::upsample_bilinear2d(part, {256, 256}, false);
    const Tensor real[kStages] = {torch::avg_pool2d(x, 4), torch::avg_pool2d(x, 2), x};
    nr::TextEncoderImpl::Output read;
    {
      torch::NoGradGuard no_grad;
      read = text_->forward(said.tokens, said.lengths);
    }
    const int64_t n = info.batch;
    net_->train();
    const auto painted =
        net_->forward(torch::randn({n, net_->sizes.noise}), torch::randn({n, net_->sizes.condition}),
                      read.sentence, read.words, said.none);
    Losses losses;
    for (size_t i = 0; i < critics_.size(); i++) {
      critics_[i]->train();
      set_requires_grad(*critics_[i], true);
      const Tensor loss = critic_loss(critics_[i], real[i], painted[i], read.sentence);
      critic_adams_[i].zero_grad();
      loss.backward();
      critic_adams_[i].step(context_->rate(2e-4));
      losses.emplace_back("critic" + std::to_string(64 << i), loss.item<double>());
    }
    Tensor total = torch::zeros({});
    for (size_t i = 0; i < critics_.size(); i++) {
      set_requires_grad(*critics_[i], false);
      const Tensor loss = painter_loss(critics_[i], painted[i], read.sentence);
      losses.emplace_back("painter" + std::to_string(64 << i), loss.item<double>());
      total = total + loss;
    }
    const auto seen = ranker_->forward(painted.back());
    const Matching match = matching_loss(seen.regions, seen.picture, read.words, read.sentence, said.lengths,
                                         train_.labels.index_select(0, torch::tensor(rows)));
    const auto c = net_->condition(read.sentence);
    const Tensor divergence = -0.5 * (1 + c.log_variance - c.mean.square() - c.log_variance.exp()).mean();
    adam_->zero_grad();
    (total + kMatching * (match.words + match.sentence) + divergence).backward();
    adam_->step(context_->rate(2e-4));
    update_average(*average_, *net_, kAverage);
    losses.emplace_back("words", match.words.item<double>());
    losses.emplace_back("sentence", match.sentence.item<double>());
    losses.emplace_back("divergence", divergence.item<double>());
    return losses;
  }

  TensorMap state() override {
    TensorMap all = PublishedRecipe::state();
    all.merge(module_state(*average_, "average."));
    all.merge(adam_->state("adam."));
    for (size_t i = 0; i < critics_.size(); i++) {
      const std::string k = std::to_string(i);
      all.merge(module_state(*critics_[i], "critic" + k + "."));
      all.merge(critic_adams_[i].state("critic-adam" + k + "."));
    }
    return all;
  }

  void start_from(const std::string& file) override {
    load_network(*average_, file);
    copy_module(*net_, *average_);
  }

  std::string measure() override {
    const int64_t n = std::min<int64_t>(test_.size(), 200);
    if (n < 2)
      return {};
    torch::manual_seed(1);
    double own = 0, other = 0;
    std::vector<Tensor> pictures, sentences;
    for (int64_t i = 0; i < n; i++) {
      const auto read = text_->forward(pad_captions({first(test_, i)}, kMostWords, false).tokens);
      pictures.push_back(ranker_->forward(paint(read)).picture);
      sentences.push_back(read.sentence);
    }
    const Tensor alike = nr::match_score(torch::cat(pictures), torch::cat(sentences));
    own = alike.diag().mean().item<double>();
    other = (alike.sum().item<double>() - own * double(n)) / double(n * (n - 1));
    return "DAMSM similarity " + figure("%.3f", own) + ", to other captions " + figure("%.3f", other) +
           ", on " + std::to_string(n) + " test captions";
  }

  void sheet(const std::string& file) override {
    const CaptionedPictures& part = test_.size() ? test_ : train_;
    std::vector<std::vector<Tensor>> rows(2);
    for (int64_t i = 0; i < std::min<int64_t>(8, part.size()); i++) {
      const auto read = text_->forward(pad_captions({first(part, i)}, kMostWords, false).tokens);
      rows[0].push_back(part.pictures[i]);
      rows[1].push_back(from_unit(paint(read))[0]);
    }
    write_sheet(rows, file);
  }

private:
  static const Words& first(const CaptionedPictures& part, int64_t i) {
    return part.captions[size_t(i)].front();
  }
  Tensor paint(const nr::TextEncoderImpl::Output& read) {
    return average_
        ->forward(torch::randn({1, average_->sizes.noise}), torch::randn({1, average_->sizes.condition}),
                  read.sentence, read.words)
        .back();
  }

  std::unique_ptr<CaptionWords> words_;
  nr::TextEncoder text_{nullptr};
  nr::Ranker ranker_{nullptr};
  nr::Painter average_{nullptr};
  std::vector<StageCritic> critics_;
  std::unique_ptr<Adam> adam_;
  std::vector<Adam> critic_adams_;
  CaptionedPictures train_, test_;
};

} // namespace

std::unique_ptr<Recipe> recipes::reference_attngan() {
  return std::make_unique<ReferenceAttnGan>();
}

} // namespace gsem::train
