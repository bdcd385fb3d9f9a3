// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/reference/attngan.hpp"
#include "models/nets/reference/captioner.hpp"
#include "models/runtime/loading.hpp"
#include "models/runtime/noise.hpp"
#include "models/runtime/reference_models.hpp"

#include <unordered_map>

namespace gsem::runtime {
namespace {

constexpr int kSide = kReferenceSide, kCaptionSide = 224;
constexpr float kMean[3] = {0.485f, 0.456f, 0.406f}, kDeviation[3] = {0.229f, 0.224f, 0.225f}; ///< ImageNet's
constexpr size_t kMaxWords = 25; ///< AttnGAN's setting for birds
constexpr int64_t kEnd = 0;      ///< "<end>", AttnGAN's padding

class ReferenceSemantic final : NetworkSet,
                                public SemanticModel,
                                public std::enable_shared_from_this<ReferenceSemantic> {
public:
  using NetworkSet::NetworkSet;

  bool load(bool describe, bool paint, std::string& error);

  Outcome describe(PictureView picture, entropy::Caption& caption, const CallOptions& options) override;
  Outcome paint(const entropy::Caption& caption, Picture& picture, const CallOptions& options) override;
  Outcome distance(PictureView a, PictureView b, float& distance, const CallOptions& options) override;

private:
  bool load_describe(std::string& error);
  bool load_paint(std::string& error);
  std::shared_ptr<float> square(PictureView picture);
  at::Tensor features(float* data);
  std::vector<int64_t> tokens(const std::string& text) const;
  at::Tensor noise(uint8_t seed, uint32_t stream, int64_t count) const;

  std::vector<std::string> said_;                    ///< the captioner's words
  std::unordered_map<std::string, int64_t> painted_; ///< AttnGAN's words
  nets::reference::Captioner captioner_{nullptr};
  nets::reference::TextEncoder text_{nullptr};
  nets::reference::Painter painter_{nullptr};
};

bool ReferenceSemantic::load(bool describe, bool paint, std::string& error) {
  const std::lock_guard lock(load_mutex_);
  if (!check_reference_profile(profile_, error))
    return false;
  return run_load(error, [&] {
    if (describe && captioner_.is_empty() && !load_describe(error))
      return false;
    return !paint || !painter_.is_empty() || !Executor::yield() || load_paint(error);
  });
}

bool ReferenceSemantic::load_describe(std::string& error) {
  if (!profile_.caption_coder) {
    error = "profile '" + profile_.name + "' in " + profile_.folder + " has no caption table";
    return false;
  }
  nets::reference::CaptionerSizes sizes;
  nets::reference::Captioner net{nullptr};
  std::vector<std::string> words;
  const bool own = profile_.files.count("captioner-vocabulary") != 0;
  if (!read_vocabulary(profile_, own ? "captioner-vocabulary" : "vocabulary", words, error) ||
      !load_sized(profile_, "captioner", device_, sizes, net, error))
    return false;
  if (int64_t(words.size()) != sizes.words) {
    error = "profile '" + profile_.name + "': the captioner knows " + std::to_string(sizes.words) +
            " words, the vocabulary has " + std::to_string(words.size());
    return false;
  }
  said_ = std::move(words);
  captioner_ = net;
  return true;
}

bool ReferenceSemantic::load_paint(std::string& error) {
  nets::reference::TextEncoderSizes text_sizes;
  nets::reference::PainterSizes sizes;
  nets::reference::TextEncoder text{nullptr};
  nets::reference::Painter painter{nullptr};
  std::vector<std::string> words;
  if (!read_vocabulary(profile_, "vocabulary", words, error) ||
      !load_sized(profile_, "text", device_, text_sizes, text, error) ||
      !load_sized(profile_, "generator", device_, sizes, painter, error))
    return false;
  if (int64_t(words.size()) != text_sizes.words || text_sizes.width != sizes.text) {
    error = "profile '" + profile_.name + "': vocabulary, text encoder and generator do not fit each other";
    return false;
  }
  painted_.clear();
  for (size_t i = 0; i < words.size(); ++i)
    painted_.emplace(words[i], int64_t(i));
  text_ = text;
  painter_ = painter;
  return true;
}

/// Stretched to the published square first, then to what the captioner looks at.
std::shared_ptr<float> ReferenceSemantic::square(PictureView picture) {
  std::vector<uint8_t> large;
  const PictureView square = fitted(picture, 3, Filter::Cubic, kSide, kSide, large);
  std::shared_ptr<float> data = samples(square, 3, Filter::Cubic, kCaptionSide, kCaptionSide,
                                        {1, kCaptionSide, kCaptionSide, 3, 0}, 1 / 255.0f, 0);
  float* v = data.get();
  for (int i = 0; i < kCaptionSide * kCaptionSide; ++i)
    for (int c = 0; c < 3; ++c, ++v)
      *v = (*v - kMean[c]) / kDeviation[c];
  return data;
}

/// On the inference thread; undefined when told to stop.
at::Tensor ReferenceSemantic::features(float* data) {
  TORCH_CHECK(!captioner_.is_empty(), "the captioner was not asked for");
  return captioner_->encoder->forward(nhwc(data, 3, kCaptionSide, kCaptionSide, device_), Executor::yield);
}

Outcome ReferenceSemantic::describe(PictureView picture, entropy::Caption& caption,
                                    const CallOptions& options) {
  struct Data {
    std::shared_ptr<float> in;
    std::vector<int64_t> words;
  };
  const auto data = std::make_shared<Data>();
  data->in = square(picture);
  const Outcome outcome =
      infer(*executor_, Priority::Background, options, [this, self = shared_from_this(), data] {
        const at::Tensor seen = features(data->in.get());
        if (seen.defined() && Executor::yield())
          data->words = captioner_->decoder->sample(seen);
      });
  if (!outcome)
    return outcome;
  std::vector<std::string> words;
  for (int64_t w : data->words)
    words.push_back(said_[size_t(w)]);
  caption = {};
  for (const std::string& word : nets::reference::published_cut(words))
    caption.text += (caption.text.empty() ? "" : " ") + word;
  return outcome;
}

std::vector<int64_t> ReferenceSemantic::tokens(const std::string& text) const {
  std::vector<int64_t> out;
  for (const std::string& word : entropy::caption_words(text))
    if (const auto found = painted_.find(word); found != painted_.end() && out.size() < kMaxWords)
      out.push_back(found->second);
  if (out.empty()) // the published code cannot paint nothing
    out.push_back(kEnd);
  return out;
}

at::Tensor ReferenceSemantic::noise(uint8_t seed, uint32_t stream, int64_t count) const {
  at::Tensor t = torch::empty({1, count});
  normal_noise(seed, stream, t.data_ptr<float>(), size_t(count));
  return t.to(device_);
}

Outcome ReferenceSemantic::paint(const entropy::Caption& caption, Picture& picture,
                                 const CallOptions& options) {
  const auto out = std::make_shared<at::Tensor>();
  const Outcome outcome =
      infer(*executor_, Priority::Background, options, [this, self = shared_from_this(), out, caption] {
        TORCH_CHECK(!painter_.is_empty(), "the generator was not asked for");
        const auto words = text_->forward(
            torch::tensor(tokens(caption.text), torch::dtype(at::kLong)).unsqueeze(0).to(device_));
        const auto pictures = painter_->forward(noise(caption.seed, 0, painter_->sizes.noise),
                                                noise(caption.seed, 1, painter_->sizes.condition),
                                                words.sentence, words.words, {}, Executor::yield);
        if (pictures.size() == 3)
          *out = readable(pictures.back());
      });
  if (!outcome)
    return outcome;
  picture.width = picture.height = kSide;
  picture.channels = 3;
  picture.data.resize(size_t(kSide) * kSide * 3);
  shuffle_to_rgb(out->data_ptr<float>(), {1, kSide, kSide, 3, 0},
                 {picture.data.data(), kSide, kSide, kSide * 3});
  return outcome;
}

/// One minus the cosine of the captioner's picture features.
Outcome ReferenceSemantic::distance(PictureView a, PictureView b, float& distance,
                                    const CallOptions& options) {
  struct Data {
    std::shared_ptr<float> a, b;
    float distance = 0;
  };
  const auto data = std::make_shared<Data>();
  data->a = square(a);
  data->b = square(b);
  const Outcome outcome =
      infer(*executor_, Priority::Background, options, [this, self = shared_from_this(), data] {
        const at::Tensor fa = features(data->a.get()), fb = features(data->b.get());
        if (fa.defined() && fb.defined())
          data->distance = 1 - at::cosine_similarity(fa, fb).item<float>();
      });
  if (outcome)
    distance = data->distance;
  return outcome;
}

} // namespace

std::shared_ptr<SemanticModel> acquire_reference_semantic(const profile::Profile& profile,
                                                          const ModelOptions& options, bool describe,
                                                          bool paint, std::string& error) {
  return acquire<ReferenceSemantic>(profile, options, error,
                                    [&](ReferenceSemantic& m) { return m.load(describe, paint, error); });
}

} // namespace gsem::runtime
