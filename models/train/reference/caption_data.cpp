// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/reference/caption_data.hpp"

#include "models/entropy/caption_coder.hpp"

#include <filesystem>
#include <fstream>
#include <set>

namespace gsem::train {
namespace fs = std::filesystem;

CaptionWords::CaptionWords(const Context& context) {
  const std::string file = context.settings.profile + "/vocab.txt";
  if (std::ifstream in(file); in) {
    for (std::string word; std::getline(in, word);)
      words_.push_back(word);
    if (words_.size() < 2 || words_[0] != "<end>")
      throw std::runtime_error(file +
                               " does not begin with <end>, as word lists of the published networks do");
  } else {
    std::set<std::string> found;
    for (size_t i : captioned(context, true))
      for (const auto& caption : context.data.entries[i].captions)
        for (auto& word : entropy::caption_words(caption))
          found.insert(word);
    words_ = {"<end>"};
    words_.insert(words_.end(), found.begin(), found.end());
    if (words_.size() < 2)
      throw std::runtime_error("no captioned training pictures");
    context.message("no vocab.txt in --profile: " + std::to_string(found.size()) +
                    " words of the training captions");
  }
  for (size_t i = 0; i < words_.size(); i++)
    numbers_[words_[i]] = int64_t(i);
}

Words CaptionWords::tokens(const std::string& caption) const {
  Words out;
  for (const auto& word : entropy::caption_words(caption))
    if (const auto at = numbers_.find(word); at != numbers_.end())
      out.push_back(at->second);
  return out;
}

void CaptionWords::write(const Context& context) const {
  std::ofstream words(context.settings.out + "/vocab.txt"), captions(context.settings.out + "/captions.txt");
  for (const auto& word : words_)
    words << word << '\n';
  for (size_t i : captioned(context, true))
    for (const auto& caption : context.data.entries[i].captions)
      captions << caption << '\n';
}

CaptionedPictures captioned_pictures(const Context& context, const CaptionWords& words, bool train) {
  CaptionedPictures out;
  out.entries = captioned(context, train);
  std::erase_if(out.entries, [&](size_t i) {
    const auto& all = context.data.entries[i].captions;
    return std::none_of(all.begin(), all.end(), [&](auto& c) { return !words.tokens(c).empty(); });
  });
  out.pictures = load_squares(context.data, out.entries, kPublishedSide, context.message);
  if (train && out.entries.size() < 2)
    throw std::runtime_error("no captioned training pictures");
  std::vector<int64_t> labels;
  for (size_t i : out.entries) {
    auto& list = out.captions.emplace_back();
    for (const auto& caption : context.data.entries[i].captions)
      if (Words w = words.tokens(caption); !w.empty())
        list.push_back(std::move(w));
    const int label = context.data.entries[i].label;
    labels.push_back(label >= 0 ? label : -1 - int64_t(labels.size()));
  }
  out.labels = torch::tensor(labels, torch::kInt64);
  return out;
}

CaptionBatch pad_captions(const std::vector<Words>& captions, size_t most, bool end) {
  std::vector<int64_t> lengths;
  for (const Words& w : captions)
    lengths.push_back(int64_t((most ? std::min(most, w.size()) : w.size()) + (end ? 1 : 0)));
  CaptionBatch out;
  out.lengths = torch::tensor(lengths, torch::kInt64);
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  out.tokens = torch::zeros({int64_t(captions.size()), longest}, torch::kInt64);
  auto a = out.tokens.accessor<int64_t, 2>();
  for (size_t i = 0; i < captions.size(); i++)
    for (int64_t k = 0; k < lengths[i] - (end ? 1 : 0); k++)
      a[int64_t(i)][k] = captions[i][size_t(k)];
  out.none = torch::arange(longest).unsqueeze(0) >= out.lengths.unsqueeze(1);
  return out;
}

CaptionBatch draw_captions(const CaptionedPictures& from, const std::vector<int64_t>& rows, size_t most,
                           bool end, StepRandom& random) {
  std::vector<Words> drawn;
  for (int64_t i : rows) {
    const auto& list = from.captions[size_t(i)];
    drawn.push_back(list[size_t(random.below(int64_t(list.size())))]);
  }
  return pad_captions(drawn, most, end);
}

Tensor random_parts(const Tensor& pictures, const std::vector<int64_t>& rows, int64_t part,
                    StepRandom& random) {
  std::vector<Tensor> parts;
  const int64_t room = pictures.size(2) - part + 1;
  for (int64_t i : rows) {
    const int64_t y = random.below(room), x = random.below(room);
    const Tensor cut = pictures[i].slice(1, y, y + part).slice(2, x, x + part);
    parts.push_back(random.chance(0.5) ? cut.flip(2) : cut);
  }
  return to_unit(torch::stack(parts));
}

Tensor imagenet_input(const Tensor& x) {
  static const Tensor mean = torch::tensor({0.485f, 0.456f, 0.406f}).view({1, 3, 1, 1}),
                      deviation = torch::tensor({0.229f, 0.224f, 0.225f}).view({1, 3, 1, 1});
  return (((x + 1) / 2 - mean) / deviation).contiguous(at::MemoryFormat::ChannelsLast);
}

} // namespace gsem::train
