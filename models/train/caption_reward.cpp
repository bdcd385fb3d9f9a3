// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/caption_reward.hpp"

#include <algorithm>
#include <cmath>

namespace gsem::train {
namespace {

using Gram = Tokens;

void count_grams(const Tokens& words, size_t n, std::map<Gram, int>& counts) {
  for (size_t i = 0; i + n <= words.size(); i++)
    counts[Gram(words.begin() + long(i), words.begin() + long(i + n))]++;
}

std::map<Gram, int> all_grams(const Tokens& words) {
  std::map<Gram, int> counts;
  for (size_t n = 1; n <= 4; n++)
    count_grams(words, n, counts);
  return counts;
}

/// Share of what three or more references have, less `fine` for each that none has.
template <typename T>
double agreement(const std::set<T>& said, const std::map<T, int>& references, double fine) {
  double needed = 0, hit = 0, wrong = 0;
  for (const auto& [what, count] : references)
    if (count >= 3) {
      needed++;
      hit += double(said.count(what));
    }
  for (const T& what : said)
    wrong += references.count(what) ? 0 : 1;
  return (needed > 0 ? hit / needed : 0) - fine * wrong;
}

} // namespace

CaptionReward::CaptionReward(const std::vector<std::vector<Tokens>>& references, WordOf word)
    : word_(std::move(word)) {
  for (const auto& rs : references) {
    std::set<Gram> seen;
    for (const Tokens& r : rs)
      for (const auto& [gram, count] : all_grams(r))
        seen.insert(gram);
    for (const Gram& g : seen)
      frequency_[g]++;
  }
  pictures_.resize(references.size());
  for (size_t i = 0; i < references.size(); i++) {
    Picture& p = pictures_[i];
    for (const Tokens& r : references[i]) {
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
      const TextWords words = text(r);
      for (const auto& colour : colours_of(words))
        p.colours[colour]++;
      for (const auto& pair : attributes_of(words))
        p.pairs[pair]++;
    }
  }
}

TextWords CaptionReward::text(const Tokens& tokens) const {
  TextWords words;
  for (int64_t t : tokens)
    words.push_back(word_(t));
  return words;
}

double CaptionReward::weight(const Gram& gram) const {
  const auto at = frequency_.find(gram);
  return std::log(double(pictures_.size()) / std::max(1, at == frequency_.end() ? 0 : at->second));
}

double CaptionReward::cider(const Picture& p, const Tokens& said) const {
  double norm[5] = {}, likeness[5] = {}, sum = 0;
  for (const auto& [gram, count] : all_grams(said)) {
    const double w = weight(gram), mine = count * w;
    norm[gram.size()] += mine * mine;
    const auto most = p.most.find(gram);
    if (most != p.most.end())
      likeness[gram.size()] += std::min(mine, most->second * w) * p.vector.at(gram);
  }
  for (int n = 1; n <= 4; n++)
    if (norm[n] > 0)
      sum += likeness[n] / std::sqrt(norm[n]);
  const double too_far = std::max(0.0, std::abs(double(said.size()) - p.length) - 2);
  return sum * 10.0 / 4 * std::exp(-too_far * too_far / 32);
}

CaptionReward::Value CaptionReward::operator()(size_t picture, const Tokens& said) const {
  const Picture& p = pictures_[picture];
  const TextWords words = text(said);
  const std::set<std::string> colours = colours_of(words);
  Value v{cider(p, said), agreement(colours, p.colours, 0.3), agreement(attributes_of(words), p.pairs, 0.22)};
  for (const auto& colour : colours) // said over and over it earns nothing
    v.colour -= 0.2 * double(std::max<long>(0, std::count(words.begin(), words.end(), colour) - 2));
  return v;
}

} // namespace gsem::train
