// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/caption_score.hpp"

#include <cmath>

namespace gsem::train {
namespace {

using Gram = std::vector<int64_t>;

void count_grams(const Words& words, size_t n, std::map<Gram, int>& counts) {
  for (size_t i = 0; i + n <= words.size(); i++)
    counts[Gram(words.begin() + long(i), words.begin() + long(i + n))]++;
}

std::map<Gram, int> all_grams(const Words& words) {
  std::map<Gram, int> counts;
  for (size_t n = 1; n <= 4; n++)
    count_grams(words, n, counts);
  return counts;
}

double distance(size_t a, size_t b) {
  return std::abs(double(a) - double(b));
}

} // namespace

Words words_of(const Tensor& tokens) {
  Words out;
  const auto a = tokens.accessor<int64_t, 1>();
  for (int64_t i = 0; i < a.size(0); i++)
    if (a[i] > 0)
      out.push_back(a[i]);
  return out;
}

double bleu4(const std::vector<Words>& said, const std::vector<std::vector<Words>>& references) {
  double hits[4] = {}, total[4] = {}, length = 0, wanted = 0;
  for (size_t i = 0; i < said.size(); i++) {
    size_t nearest = 0;
    for (const Words& r : references[i])
      if (nearest == 0 || distance(r.size(), said[i].size()) < distance(nearest, said[i].size()) ||
          (distance(r.size(), said[i].size()) == distance(nearest, said[i].size()) && r.size() < nearest))
        nearest = r.size();
    length += double(said[i].size());
    wanted += double(nearest);
    for (size_t n = 1; n <= 4; n++) {
      std::map<Gram, int> mine, most;
      count_grams(said[i], n, mine);
      for (const Words& r : references[i]) {
        std::map<Gram, int> theirs;
        count_grams(r, n, theirs);
        for (const auto& [gram, count] : theirs)
          most[gram] = std::max(most[gram], count);
      }
      for (const auto& [gram, count] : mine) {
        total[n - 1] += count;
        const auto at = most.find(gram);
        hits[n - 1] += at == most.end() ? 0 : std::min(count, at->second);
      }
    }
  }
  double logs = 0;
  for (int n = 0; n < 4; n++) {
    if (hits[n] == 0)
      return 0;
    logs += std::log(hits[n] / total[n]) / 4;
  }
  return std::exp(std::min(0.0, 1 - wanted / length) + logs);
}

std::set<int64_t> colour_tokens(const Vocabulary& vocabulary) {
  static const std::set<std::string> names{"black",  "white", "grey",   "gray",   "brown", "red", "orange",
                                           "yellow", "green", "blue",   "purple", "pink",  "tan", "beige",
                                           "cream",  "gold",  "golden", "rusty",  "teal"};
  std::set<int64_t> out;
  for (int64_t i = 0; i < vocabulary.size(); i++)
    if (names.count(vocabulary.word(i)))
      out.insert(i);
  return out;
}

ColourScore score_colours(const std::vector<Words>& said, const std::vector<std::vector<Words>>& references,
                          const std::set<int64_t>& colours) {
  double right = 0, all = 0, found = 0, wanted = 0;
  for (size_t i = 0; i < said.size(); i++) {
    std::set<int64_t> mine;
    for (int64_t w : said[i])
      if (colours.count(w))
        mine.insert(w);
    std::map<int64_t, int> named;
    for (const Words& r : references[i])
      for (int64_t w : std::set<int64_t>(r.begin(), r.end()))
        if (colours.count(w))
          named[w]++;
    all += double(mine.size());
    for (int64_t w : mine)
      right += named.count(w) ? 1 : 0;
    for (const auto& [w, count] : named)
      if (count >= 3) {
        wanted++;
        found += double(mine.count(w));
      }
  }
  return {right / std::max(all, 1.0), found / std::max(wanted, 1.0)};
}

CaptionReward::CaptionReward(const std::vector<std::vector<Words>>& references, std::set<int64_t> colours)
    : colours_(std::move(colours)) {
  for (const auto& rs : references) {
    std::set<Gram> seen;
    for (const Words& r : rs)
      for (const auto& [gram, count] : all_grams(r))
        seen.insert(gram);
    for (const Gram& g : seen)
      frequency_[g]++;
  }
  pictures_.resize(references.size());
  for (size_t i = 0; i < references.size(); i++) {
    Picture& p = pictures_[i];
    for (const Words& r : references[i]) {
      const auto grams = all_grams(r);
      double norm[5] = {};
      for (const auto& [gram, count] : grams)
        norm[gram.size()] += std::pow(count * weight(gram), 2);
      for (const auto& [gram, count] : grams) {
        p.most[gram] = std::max(p.most[gram], count);
        if (norm[gram.size()] > 0)
          p.vector[gram] +=
              count * weight(gram) / std::sqrt(norm[gram.size()]) / double(references[i].size());
      }
      p.length += double(r.size()) / double(references[i].size());
      for (int64_t w : std::set<int64_t>(r.begin(), r.end()))
        if (colours_.count(w))
          p.colours[w]++;
    }
  }
}

double CaptionReward::weight(const Gram& gram) const {
  const auto at = frequency_.find(gram);
  return std::log(double(pictures_.size()) / std::max(1, at == frequency_.end() ? 0 : at->second));
}

CaptionReward::Value CaptionReward::operator()(size_t picture, const Words& said) const {
  const Picture& p = pictures_[picture];
  const auto grams = all_grams(said);
  double norm[5] = {}, likeness[5] = {};
  for (const auto& [gram, count] : grams) {
    const double w = weight(gram), mine = count * w;
    norm[gram.size()] += mine * mine;
    const auto most = p.most.find(gram);
    if (most != p.most.end())
      likeness[gram.size()] += std::min(mine, most->second * w) * p.vector.at(gram);
  }
  Value v{};
  for (int n = 1; n <= 4; n++)
    if (norm[n] > 0)
      v.cider += likeness[n] / std::sqrt(norm[n]);
  const double too_far = std::max(0.0, std::abs(double(said.size()) - p.length) - 2);
  v.cider *= 10.0 / 4 * std::exp(-too_far * too_far / 32);

  std::map<int64_t, int> mine;
  for (int64_t w : said)
    if (colours_.count(w))
      mine[w]++;
  double needed = 0, hit = 0;
  for (const auto& [w, count] : p.colours)
    if (count >= 3) {
      needed++;
      hit += mine.count(w) ? 1 : 0;
    }
  v.colour = needed > 0 ? hit / needed : 0;
  for (const auto& [w, count] : mine)
    v.colour -= (p.colours.count(w) ? 0 : 0.6) + 0.2 * std::max(0, count - 2);
  return v;
}

} // namespace gsem::train
