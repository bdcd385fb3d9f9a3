// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/backbone.hpp"
#include "models/nets/captioner.hpp"
#include "models/nets/generator.hpp"
#include "models/runtime/caption_search.hpp"
#include "models/runtime/loading.hpp"
#include "models/runtime/noise.hpp"
#include "models/runtime/pixels.hpp"
#include "models/runtime/reference_models.hpp"

#include <limits>
#include <unordered_map>
#include <unordered_set>

namespace gsem::runtime {
namespace {

constexpr int kCaptionSide = 224,
              kHintSide = 128;                ///< what the captioner and the layout codes were trained on
constexpr float kUnit = 1 / 127.5f;           ///< byte * kUnit - 1 is in [-1,1]
constexpr int64_t kPadding = 0, kUnknown = 1; ///< the vocabulary's first two entries

/// The networks' vocabulary: line i of the file is token i.
struct Vocabulary {
  std::vector<std::string> words;
  std::unordered_map<std::string, int64_t> index;

  bool load(const profile::Profile& profile, std::string& error) {
    if (!read_vocabulary(profile, "vocabulary", words, error))
      return false;
    for (size_t i = 0; i < words.size(); ++i)
      index.emplace(words[i], int64_t(i));
    if (words.size() > size_t(kUnknown) + 1)
      return true;
    error = profile.files.at("vocabulary") + ": no words";
    return false;
  }
};

class SemanticNetworks final : NetworkSet,
                               public SemanticModel,
                               public std::enable_shared_from_this<SemanticNetworks> {
public:
  using NetworkSet::NetworkSet;

  bool load(bool describe, bool paint, std::string& error);

  Outcome describe(PictureView picture, entropy::Caption& caption, const CallOptions& options) override;
  Outcome paint(const entropy::Caption& caption, Picture& picture, const CallOptions& options) override;
  Outcome distance(PictureView a, PictureView b, float& distance, const CallOptions& options) override;

private:
  bool load_describe(std::string& error);
  bool load_paint(std::string& error);
  std::shared_ptr<float> square(PictureView picture, int side);
  at::Tensor picture_tensor(float* data, int side) { return nhwc(data, 3, side, side, device_); }
  std::vector<at::Tensor> layout_features(float* data);
  at::Tensor paint_small(const entropy::Caption& caption);

  Vocabulary vocabulary_;
  at::Tensor allowed_; ///< words: 0, what cannot be sent: minus infinity
  nets::Backbone backbone_{nullptr};
  nets::Captioner captioner_{nullptr};
  nets::LayoutHint hint_{nullptr};
  nets::TextEncoder text_{nullptr};
  nets::Generator generator_{nullptr};
  nets::Upscale upscale_{nullptr};
};

bool SemanticNetworks::load(bool describe, bool paint, std::string& error) {
  const std::lock_guard lock(load_mutex_);
  if (vocabulary_.words.empty() && !vocabulary_.load(profile_, error))
    return false;
  if (profile_.work_side != 256) {
    error = "profile '" + profile_.name + "': work_side must be 256";
    return false;
  }
  return run_load(error, [&] {
    if (describe && captioner_.is_empty() && !load_describe(error))
      return false;
    return !paint || !generator_.is_empty() || !Executor::yield() || load_paint(error);
  });
}

bool SemanticNetworks::load_describe(std::string& error) {
  if (!profile_.caption_coder) {
    error = "profile '" + profile_.name + "' in " + profile_.folder + " has no caption table";
    return false;
  }
  auto backbone = make_network<nets::Backbone>();
  auto captioner = make_network<nets::Captioner>(int64_t(vocabulary_.words.size()));
  auto hint = make_network<nets::LayoutHint>();
  if (!load_network(profile_, "backbone", *backbone, device_, error) ||
      !load_network(profile_, "captioner", *captioner, device_, error) ||
      !load_network(profile_, "hint", *hint, device_, error))
    return false;
  speed_up(*backbone, device_, float32_, {"stem"});
  const auto& sayable = profile_.caption_coder->vocabulary();
  const std::unordered_set<std::string> known(sayable.begin(), sayable.end());
  allowed_ = torch::zeros({int64_t(vocabulary_.words.size())});
  for (size_t i = 1; i < vocabulary_.words.size(); ++i)
    if (int64_t(i) == kUnknown || !known.count(vocabulary_.words[i]))
      allowed_[int64_t(i)] = -std::numeric_limits<float>::infinity();
  allowed_ = allowed_.to(device_);
  const c10::InferenceMode inference;
  for (int side : {kHintSide, kCaptionSide}) {
    Executor::yield();
    backbone->forward(torch::zeros({1, 3, side, side}, device_).contiguous(at::MemoryFormat::ChannelsLast));
  }
  backbone_ = backbone;
  hint_ = hint;
  captioner_ = captioner;
  return true;
}

bool SemanticNetworks::load_paint(std::string& error) {
  auto text = make_network<nets::TextEncoder>(int64_t(vocabulary_.words.size()));
  auto generator = make_network<nets::Generator>();
  auto upscale = make_network<nets::Upscale>();
  if (!load_network(profile_, "text", *text, device_, error, "te.") ||
      !load_network(profile_, "generator", *generator, device_, error) ||
      !load_network(profile_, "upscale", *upscale, device_, error))
    return false;
  generator->fold_batch_norm();
  speed_up(*generator, device_, float32_, {"o"});
  speed_up(*upscale, device_, float32_, {});
  text_ = text;
  upscale_ = upscale;
  generator_ = generator;
  return true;
}

std::shared_ptr<float> SemanticNetworks::square(PictureView picture, int side) {
  return samples(picture, 3, Filter::Cubic, side, side, {1, side, side, 3, 0}, kUnit, -1);
}

Outcome SemanticNetworks::describe(PictureView picture, entropy::Caption& caption,
                                   const CallOptions& options) {
  struct Data {
    std::shared_ptr<float> large, small;
    std::vector<int64_t> words;
    int64_t hint = entropy::kNoHint;
  };
  const auto data = std::make_shared<Data>();
  data->large = square(picture, kCaptionSide);
  data->small = square(picture, kHintSide);
  const Outcome outcome =
      infer(*executor_, Priority::Background, options, [this, self = shared_from_this(), data] {
        TORCH_CHECK(!captioner_.is_empty(), "the captioner was not asked for");
        const auto layout =
            backbone_->forward(picture_tensor(data->small.get(), kHintSide), 3, Executor::yield);
        if (!layout[2].defined())
          return;
        data->hint = hint_->forward(layout[2]).item<int64_t>();
        const auto f =
            backbone_->forward(picture_tensor(data->large.get(), kCaptionSide), 4, Executor::yield);
        if (f[3].defined())
          data->words = search_caption(*captioner_, captioner_->grid(f[3]), allowed_, Executor::yield);
      });
  if (!outcome)
    return outcome;
  caption = {};
  caption.hint = uint8_t(data->hint);
  for (int64_t w : data->words)
    caption.text += (caption.text.empty() ? "" : " ") + vocabulary_.words[size_t(w)];
  return outcome;
}

/// A layout for a caption that came without one, drawn as its words and its seed say: the same words give the
/// same picture everywhere, other words or another seed another pose. `logits` [1,127].
int64_t drawn_layout(const at::Tensor& logits, uint32_t seed, const std::vector<int64_t>& tokens) {
  constexpr uint32_t kStream = 1 + nets::GeneratorImpl::kBlocks; // behind the planes'
  uint64_t words = 0xcbf29ce484222325u;                          // FNV-1a
  for (int64_t t : tokens)
    words = (words ^ uint64_t(t)) * 0x100000001b3u;
  const at::Tensor share = logits.flatten().to(at::kCPU, at::kDouble).softmax(0).cumsum(0);
  const double* end = share.data_ptr<double>() + share.numel();
  const double at = uniform_noise(seed, kStream, words) * end[-1];
  return std::min<int64_t>(std::upper_bound(end - share.numel(), end, at) - (end - share.numel()),
                           share.numel() - 1);
}

/// On the inference thread; undefined when told to stop.
at::Tensor SemanticNetworks::paint_small(const entropy::Caption& caption) {
  std::vector<int64_t> tokens;
  for (const std::string& word : entropy::caption_words(caption.text))
    if (const auto w = vocabulary_.index.find(word);
        w != vocabulary_.index.end() && tokens.size() < size_t(nets::TextEncoderImpl::kMaxWords))
      tokens.push_back(w->second);
  const bool empty = tokens.empty();
  tokens.resize(nets::TextEncoderImpl::kMaxWords, kPadding);
  const auto index = torch::dtype(at::kLong);
  auto text = text_->forward(torch::tensor(tokens, index).unsqueeze(0).to(device_));
  if (empty) // the encoder's value for no word at all is arbitrary; the middle of all sentences is not
    text.sentence.zero_();
  const auto noise = [&](uint32_t stream, at::IntArrayRef shape) {
    at::Tensor t = torch::empty(shape);
    normal_noise(caption.seed, stream, t.data_ptr<float>(), size_t(t.numel()));
    return t.to(device_);
  };
  std::vector<at::Tensor> planes;
  for (int i = 0; i < nets::GeneratorImpl::kBlocks; ++i) {
    const int64_t side = nets::GeneratorImpl::block_side(i);
    planes.push_back(noise(uint32_t(1 + i), {1, 1, side, side}));
  }
  const int64_t layout = caption.hint < entropy::kNoHint
                             ? caption.hint
                             : drawn_layout(generator_->layouts(text.sentence), caption.seed, tokens);
  const at::Tensor hint = torch::full({1}, layout, index).to(device_);
  return generator_->forward(noise(0, {1, nets::GeneratorImpl::kNoiseWidth}), text.words, text.sentence,
                             text.mask, hint, planes, Executor::yield);
}

Outcome SemanticNetworks::paint(const entropy::Caption& caption, Picture& picture,
                                const CallOptions& options) {
  const int side = profile_.work_side;
  const auto out = std::make_shared<at::Tensor>();
  const Outcome outcome =
      infer(*executor_, Priority::Background, options, [this, self = shared_from_this(), out, caption] {
        TORCH_CHECK(!generator_.is_empty(), "the generator was not asked for");
        const at::Tensor small = paint_small(caption);
        if (small.defined() && Executor::yield())
          *out = readable(upscale_->forward(small));
      });
  if (!outcome)
    return outcome;
  picture.width = picture.height = side;
  picture.channels = 3;
  picture.data.resize(size_t(side) * side * 3);
  shuffle_to_rgb(out->data_ptr<float>(), {1, side, side, 3, 0}, {picture.data.data(), side, side, side * 3});
  return outcome;
}

/// What is where, coarsely: colours and the four feature levels, each averaged over a 4x4 grid. Empty when
/// told to stop.
std::vector<at::Tensor> SemanticNetworks::layout_features(float* data) {
  const at::Tensor x = picture_tensor(data, kHintSide);
  const auto levels = backbone_->forward(x, 4, Executor::yield);
  std::vector<at::Tensor> parts;
  if (levels[3].defined())
    for (const at::Tensor& t : {x + 1, levels[0], levels[1], levels[2], levels[3]})
      parts.push_back(at::adaptive_avg_pool2d(t.to(at::kFloat), {4, 4}));
  return parts;
}

Outcome SemanticNetworks::distance(PictureView a, PictureView b, float& distance,
                                   const CallOptions& options) {
  struct Data {
    std::shared_ptr<float> a, b;
    float distance = 0;
  };
  const auto data = std::make_shared<Data>();
  data->a = square(a, kHintSide);
  data->b = square(b, kHintSide);
  const Outcome outcome =
      infer(*executor_, Priority::Background, options, [this, self = shared_from_this(), data] {
        TORCH_CHECK(!backbone_.is_empty(), "the backbone was not asked for");
        const auto fa = layout_features(data->a.get()), fb = layout_features(data->b.get());
        if (fa.empty() || fb.empty())
          return;
        for (size_t i = 0; i < fa.size(); ++i) { // relative, so that all levels weigh alike
          const at::Tensor size = fa[i].abs().sum() + fb[i].abs().sum() + 1e-6;
          data->distance += ((fa[i] - fb[i]).abs().sum() / size).item<float>() / float(fa.size());
        }
      });
  if (outcome)
    distance = data->distance;
  return outcome;
}

} // namespace

std::shared_ptr<SemanticModel> acquire_semantic(const profile::Profile& profile, const ModelOptions& options,
                                                bool describe, bool paint, std::string& error) {
  if (profile.kind == kReferenceKind)
    return acquire_reference_semantic(profile, options, describe, paint, error);
  return acquire<SemanticNetworks>(profile, options, error,
                                   [&](SemanticNetworks& m) { return m.load(describe, paint, error); });
}

} // namespace gsem::runtime
