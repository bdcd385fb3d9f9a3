// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/averaged_recipe.hpp"
#include "models/train/caption_reward.hpp"
#include "models/train/frozen.hpp"
#include "models/train/losses.hpp"

/// Words for a picture, on the frozen backbone's 7x7 grid of 224x224 pictures. Cross-entropy against human
/// captions; with --reward self-critical sequence training (Rennie et al., CVPR 2017) on top: CIDEr-D, right
/// colours and pairs of colour and part, and whether the caption finds its picture among the batch (the
/// embedding of text.safetensors), baseline: the other samples of the picture.
namespace gsem::train {
namespace {

constexpr int64_t kSamples = 5;
constexpr double kCider = 0.1, kColour = 3, kPair = 5, kMatch = 1, kGrammar = 0.2;

/// Padded tokens [L] of words.
Tokens tokens_of(const Tensor& padded) {
  Tokens out;
  const auto a = padded.accessor<int64_t, 1>();
  for (int64_t i = 0; i < a.size(0); i++)
    if (a[i] > 0)
      out.push_back(a[i]);
  return out;
}

class CaptionerRecipe : public AveragedRecipe<nets::Captioner> {
public:
  int default_batch() const override { return 128; }
  int64_t default_steps() const override { return 1000; }

  void prepare(Context& context) override {
    vocabulary_ = std::make_unique<Vocabulary>(load_vocabulary(context));
    train_ = read(context, true);
    test_ = read(context, false);
    if (train_.pictures.empty())
      throw std::runtime_error("no captioned training pictures");
    const bool reward = context.settings.reward;
    build(context, reward ? AdamOptions{} : AdamOptions{0.9, 0.999, 1e-8, 1e-2},
          [&] { return nets::Captioner(vocabulary_->size()); });
    torch::NoGradGuard no_grad;
    for (auto* net : {&net_, &average_})
      (*net)->input_sd.fill_(train_.grid.slice(0, 0, 500).to(torch::kFloat32).std());
    if (reward) {
      reward_ = std::make_unique<CaptionReward>(
          references(train_), [this](int64_t t) -> const std::string& { return vocabulary_->word(t); });
      text_ = TextSide(vocabulary_->size());
      load_frozen(*text_, context, "text");
      pooled_ = train_.grid.select(1, 0).to(torch::kFloat32).mean(1);
    }
  }

  Losses step(const StepInfo& info) override {
    const Tensor b =
        torch::tensor(epoch_batch(train_.tokens.size(0), info.batch, context_->settings.seed, info.step));
    return reward_ ? reward_step(b, info) : imitation_step(b, info);
  }

  std::string measure() override {
    if (test_.pictures.empty())
      return {};
    std::vector<TextWords> said;
    std::vector<std::vector<TextWords>> people;
    for (int64_t i = 0; i < test_.grid.size(0); i += 128) {
      const Tensor t = say(test_.grid.slice(0, i, i + 128).select(1, 0));
      for (int64_t k = 0; k < t.size(0); k++)
        said.push_back(text_of(tokens_of(t[k])));
    }
    for (const auto& captions : references(test_)) {
      people.emplace_back();
      for (const Tokens& caption : captions)
        people.back().push_back(text_of(caption));
    }
    const CaptionQuality q = rate_captions(said, people);
    char text[200];
    snprintf(
        text, sizeof text,
        "BLEU-4 %.3f, CIDEr-D %.3f, distinct %.3f, colours P %.3f R %.3f, pairs P %.3f R %.3f on %zu test "
        "pictures",
        q.bleu4, q.cider_d, q.distinct, q.colours.precision, q.colours.recall, q.attributes.precision,
        q.attributes.recall, q.pictures);
    return text;
  }

  void sheet(const std::string& file) override {
    // A picture log of words: the first captions as text beside the log.
    const Part& part = test_.pictures.empty() ? train_ : test_;
    const int64_t n = std::min<int64_t>(16, part.grid.size(0));
    const Tensor t = say(part.grid.slice(0, 0, n).select(1, 0));
    for (int64_t i = 0; i < n; i++) {
      std::string line = context_->data.entries[part.pictures[size_t(i)]].name + ":";
      for (int64_t w : tokens_of(t[i]))
        line += " " + vocabulary_->word(w);
      context_->message(line);
    }
  }

private:
  struct Part {
    std::vector<size_t> pictures;
    Tensor grid, tokens; ///< half [N,2,49,320], [N,10,20]
  };

  Part read(Context& context, bool train) {
    Part part;
    auto indices = captioned(context, train);
    if (indices.empty())
      return part;
    const std::string print = fingerprint(context.data, indices, {role_file(context, "backbone")});
    TensorMap t = cached(context, train ? "grid-train" : "grid-test", print, [&] {
      // In parts: the pictures of all would take a gigabyte.
      FrozenFeatures features(context);
      std::vector<Tensor> grids;
      std::vector<int64_t> good;
      for (size_t from = 0; from < indices.size(); from += 256) {
        std::vector<size_t> some(indices.begin() + long(from),
                                 indices.begin() + long(std::min(indices.size(), from + 256)));
        const Tensor pictures = load_squares(context.data, some, 224, context.message);
        if (some.empty())
          continue;
        grids.push_back(each_with_mirror(pictures, context.bf16, [&](const Tensor& x) {
          return features(x)[3].flatten(2).transpose(1, 2).to(torch::kFloat16).contiguous();
        }));
        good.insert(good.end(), some.begin(), some.end());
      }
      return TensorMap{{"grid", torch::cat(grids)}, {"index", torch::tensor(good, torch::kInt64)}};
    });
    const Tensor index = t.at("index");
    part.pictures.assign(index.data_ptr<int64_t>(), index.data_ptr<int64_t>() + index.numel());
    part.grid = t.at("grid");
    part.tokens = vocabulary_->tokens(context.data, part.pictures);
    return part;
  }

  static std::vector<std::vector<Tokens>> references(const Part& part) {
    std::vector<std::vector<Tokens>> out(part.pictures.size());
    for (size_t i = 0; i < out.size(); i++)
      for (int64_t j = 0; j < kCaptions; j++)
        out[i].push_back(tokens_of(part.tokens[int64_t(i)][j]));
    return out;
  }

  /// Grids [B,49,320] of a batch as the network wants them.
  Tensor grid(const Tensor& b, int64_t mirrored) const {
    return train_.grid.select(1, mirrored).index_select(0, b).to(torch::kFloat32) / net_->input_sd;
  }

  Tensor imitation(const Tensor& b, const StepInfo& info, int64_t mirrored, double smoothing) {
    const Tensor t = train_.tokens.select(1, info.random.below(kCaptions)).index_select(0, b);
    const Tensor none = torch::zeros({t.size(0), 1}, torch::kInt64);
    const Tensor logits = net_(grid(b, mirrored), torch::cat({none, t}, 1));
    // The first 0 after the words is the end mark.
    return caption_loss(logits, torch::cat({t, none}, 1), torch::cat({none == 0, t > 0}, 1), smoothing);
  }

  Losses imitation_step(const Tensor& b, const StepInfo& info) {
    net_->train();
    const Tensor loss = imitation(b, info, info.random.below(2), 0.05);
    adam_->zero_grad();
    loss.backward();
    adam_->step(context_->rate(2e-3) * cosine_rate(1, info.progress, info.step, 0, 0, 0.005), 5);
    update_average(*average_, *net_, average_beta(info.step, 10, 0.99));
    return {{"words", loss.item<double>()}};
  }

  struct Sample {
    Tensor tokens, logs, alive; ///< [B*kSamples,L] each
  };

  Sample sample(const Tensor& grids) {
    net_->eval(); // dropout while sampling makes the samples bad, not varied
    auto state = net_->start(grids);
    const int64_t n = grids.size(0);
    Tensor t = torch::zeros({n}, torch::kInt64), alive = torch::ones({n}, torch::kBool);
    std::vector<Tensor> tokens, logs, masks;
    for (int64_t i = 0; i < kWords; i++) {
      Tensor logits = net_->step(t, state).clone();
      logits.select(1, 1).fill_(-1e9); // <unk> is never said
      const Tensor lp = logits.log_softmax(1);
      t = torch::multinomial(lp.detach().exp(), 1).squeeze(1);
      masks.push_back(alive);
      logs.push_back(lp.gather(1, t.unsqueeze(1)).squeeze(1));
      t = t * alive;
      tokens.push_back(t);
      alive = alive.logical_and(t > 0);
    }
    return {torch::stack(tokens, 1), torch::stack(logs, 1), torch::stack(masks, 1).to(torch::kFloat32)};
  }

  Losses reward_step(const Tensor& b, const StepInfo& info) {
    const int64_t n = b.size(0);
    Tensor g = grid(b, info.random.below(2));
    g = g * (torch::rand({n, 1, g.size(2)}) > 0.15) / 0.85; // whole channels fall out
    const Sample s = sample(g.repeat_interleave(kSamples, 0));
    Tensor cider = torch::empty({n * kSamples}), colour = torch::empty({n * kSamples}),
           pair = torch::empty({n * kSamples});
    Tensor match, advantage;
    {
      torch::NoGradGuard no_grad;
      for (int64_t i = 0; i < n * kSamples; i++) {
        const auto v = (*reward_)(size_t(b[i / kSamples].item<int64_t>()), tokens_of(s.tokens[i]));
        cider[i] = v.cider;
        colour[i] = v.colour;
        pair[i] = v.pair;
      }
      const Tensor picture = text_->embed(pooled_.index_select(0, b));
      const Tensor likeness = 12 * torch::mm(text_->te(s.tokens).sentence, picture.t());
      const Tensor own = torch::arange(n).repeat_interleave(kSamples).unsqueeze(1);
      match = likeness.log_softmax(1).gather(1, own).squeeze(1).clamp_min(-6);
      const Tensor total =
          (kCider * cider + kColour * colour + kPair * pair + kMatch * match).view({n, kSamples});
      advantage = ((total - total.mean(1, true)) * double(kSamples) / (kSamples - 1)).flatten();
      advantage = advantage / advantage.std().clamp_min(1e-3);
    }
    const Tensor policy = -(advantage.unsqueeze(1) * s.logs * s.alive).sum() / s.alive.sum();
    net_->train();
    const Tensor grammar = imitation(b, info, 0, 0);
    adam_->zero_grad();
    (policy + kGrammar * grammar).backward();
    adam_->step(cosine_rate(context_->rate(4e-4), info.progress, info.step, 50, 0.5, 0.05), 5);
    update_average(*average_, *net_, average_beta(info.step, 10, 0.99));
    return {{"cider", cider.mean().item<double>()},
            {"colour", colour.mean().item<double>()},
            {"pair", pair.mean().item<double>()},
            {"match", match.mean().item<double>()},
            {"words", grammar.item<double>()}};
  }

  TextWords text_of(const Tokens& tokens) const {
    TextWords words;
    for (int64_t t : tokens)
      words.push_back(vocabulary_->word(t));
    return words;
  }

  /// Greedy; half grids [B,49,320] -> tokens [B,20].
  Tensor say(const Tensor& half) {
    return greedy_captions(average_, half.to(torch::kFloat32) / average_->input_sd);
  }

  std::unique_ptr<Vocabulary> vocabulary_;
  std::unique_ptr<CaptionReward> reward_;
  TextSide text_{nullptr};
  Part train_, test_;
  Tensor pooled_;
};

} // namespace

std::unique_ptr<Recipe> recipes::captioner() {
  return std::make_unique<CaptionerRecipe>();
}

} // namespace gsem::train
