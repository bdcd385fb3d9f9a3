// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/caption_quality.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>

namespace gsem::train {

namespace {

const std::set<std::string> kColours{"black",  "white", "grey",   "gray",   "brown", "red", "orange",
                                     "yellow", "green", "blue",   "purple", "pink",  "tan", "beige",
                                     "cream",  "gold",  "golden", "rusty",  "teal"};

const std::map<std::string, std::string> kParts{
    {"crown", "crown"},  {"head", "crown"},  {"cap", "crown"},     {"breast", "breast"},
    {"chest", "breast"}, {"belly", "belly"}, {"stomach", "belly"}, {"abdomen", "belly"},
    {"wing", "wing"},    {"wings", "wing"},  {"wingbar", "wing"},  {"wingbars", "wing"},
    {"bill", "bill"},    {"beak", "bill"},   {"back", "back"}};

/// Words that stand between a colour and its part without parting them.
const std::set<std::string> kFillers{
    "light",   "dark",      "bright",  "pale",     "deep", "long", "short", "small", "large",  "big",
    "pointed", "pointy",    "curved",  "thick",    "thin", "tiny", "sharp", "downy", "fluffy", "spotted",
    "striped", "feathered", "colored", "coloured", "very", "and",  "or",    "with"};

const std::set<std::string> kArticles{"that", "which", "a", "the", "its"};

using Gram = std::vector<std::string>;
using Grams = std::map<Gram, int>;

Grams grams_of(const TextWords& words, size_t n) {
  Grams out;
  for (size_t i = 0; i + n <= words.size(); i++)
    out[Gram(words.begin() + long(i), words.begin() + long(i + n))]++;
  return out;
}

size_t nearest_length(size_t length, const std::vector<TextWords>& references) {
  size_t best = references.front().size();
  auto far = [&](size_t l) { return l > length ? l - length : length - l; };
  for (const auto& r : references)
    if (far(r.size()) < far(best) || (far(r.size()) == far(best) && r.size() < best))
      best = r.size();
  return best;
}

double bleu4(const std::vector<TextWords>& said, const std::vector<std::vector<TextWords>>& references) {
  double hits[4] = {}, total[4] = {}, length = 0, wanted = 0;
  for (size_t i = 0; i < said.size(); i++) {
    length += double(said[i].size());
    wanted += double(nearest_length(said[i].size(), references[i]));
    for (size_t n = 1; n <= 4; n++) {
      Grams most;
      for (const auto& r : references[i])
        for (const auto& [gram, count] : grams_of(r, n))
          most[gram] = std::max(most[gram], count);
      for (const auto& [gram, count] : grams_of(said[i], n)) {
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

/// CIDEr-D of one set: tf-idf of n-grams up to four words, counts clipped, a Gaussian of the lengths'
/// difference.
class Cider {
public:
  explicit Cider(const std::vector<std::vector<TextWords>>& references)
      : pictures_(double(references.size())) {
    for (const auto& of_picture : references) {
      std::set<Gram> seen;
      for (const auto& r : of_picture)
        for (size_t n = 1; n <= 4; n++)
          for (const auto& [gram, count] : grams_of(r, n))
            seen.insert(gram);
      for (const auto& gram : seen)
        frequency_[gram]++;
    }
  }

  double operator()(const TextWords& said, const std::vector<TextWords>& references) const {
    double sum = 0;
    const Vectors mine = vectors(said);
    for (const auto& r : references) {
      const Vectors theirs = vectors(r);
      const double difference = double(said.size()) - double(r.size());
      for (size_t n = 0; n < 4; n++)
        sum += similarity(mine[n], theirs[n]) * std::exp(-difference * difference / 72) / 4;
    }
    return 10 * sum / double(references.size());
  }

private:
  struct Vector {
    std::map<Gram, double> weight;
    double norm = 0;
  };
  using Vectors = std::vector<Vector>;

  Vectors vectors(const TextWords& words) const {
    Vectors out(4);
    for (size_t n = 1; n <= 4; n++) {
      for (const auto& [gram, count] : grams_of(words, n)) {
        const auto at = frequency_.find(gram);
        const double df = at == frequency_.end() ? 1 : at->second;
        const double w = count * (std::log(pictures_) - std::log(df));
        out[n - 1].weight[gram] = w;
        out[n - 1].norm += w * w;
      }
      out[n - 1].norm = std::sqrt(out[n - 1].norm);
    }
    return out;
  }

  static double similarity(const Vector& a, const Vector& b) {
    if (a.norm == 0 || b.norm == 0)
      return 0;
    double dot = 0;
    for (const auto& [gram, w] : a.weight)
      if (const auto at = b.weight.find(gram); at != b.weight.end())
        dot += std::min(w, at->second) * at->second;
    return dot / (a.norm * b.norm);
  }

  double pictures_;
  std::map<Gram, int> frequency_;
};

/// Precision and recall of what `of` finds in captions.
template <typename Of>
Agreement agree(const std::vector<TextWords>& said, const std::vector<std::vector<TextWords>>& references,
                Of of) {
  double said_all = 0, right = 0, wanted = 0, found = 0;
  for (size_t i = 0; i < said.size(); i++) {
    const auto mine = of(said[i]);
    std::map<typename decltype(of(said[i]))::value_type, int> votes;
    for (const auto& r : references[i])
      for (const auto& x : of(r))
        votes[x]++;
    said_all += double(mine.size());
    for (const auto& x : mine)
      right += votes.count(x) > 0;
    for (const auto& [x, count] : votes)
      if (count >= 3) {
        wanted++;
        found += mine.count(x) > 0;
      }
  }
  return {right / std::max(said_all, 1.0), found / std::max(wanted, 1.0)};
}

} // namespace

TextWords split_words(std::string_view text) {
  TextWords out;
  std::string word;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      word += char(std::tolower(static_cast<unsigned char>(c)));
    } else if (!word.empty()) {
      out.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty())
    out.push_back(std::move(word));
  return out;
}

std::set<std::string> colours_of(const TextWords& words) {
  std::set<std::string> out;
  for (const auto& w : words)
    if (kColours.count(w))
      out.insert(w);
  return out;
}

std::set<std::pair<std::string, std::string>> attributes_of(const TextWords& words) {
  std::set<std::pair<std::string, std::string>> out;
  std::vector<std::string> front, kept; // colours waiting for a part; those of the part just named
  std::string last;                     // the part that "is" or "are" may speak of
  bool behind = false;
  auto name = [&](const std::vector<std::string>& colours, const std::string& part) {
    for (const auto& c : colours)
      out.emplace(c, part);
  };
  auto close = [&] {
    if (behind && !last.empty())
      name(front, last);
  };
  for (const auto& w : words) {
    if (kColours.count(w)) {
      kept.clear();
      front.push_back(w);
    } else if (const auto part = kParts.find(w); part != kParts.end()) {
      // "white breast and belly": both are white.
      const auto colours = front.empty() ? kept : front;
      name(colours, part->second);
      kept = colours;
      front.clear();
      last = part->second;
      behind = false;
    } else if (w == "is" || w == "are") {
      close();
      front.clear();
      kept.clear();
      behind = !last.empty();
    } else if (!kFillers.count(w)) {
      close();
      front.clear();
      kept.clear();
      behind = behind && kArticles.count(w);
    }
  }
  close();
  return out;
}

CaptionQuality rate_captions(const std::vector<TextWords>& said,
                             const std::vector<std::vector<TextWords>>& references) {
  CaptionQuality q;
  q.pictures = said.size();
  if (said.empty())
    return q;
  const double n = double(said.size());
  q.distinct = double(std::set<TextWords>(said.begin(), said.end()).size()) / n;
  q.bleu4 = bleu4(said, references);
  const Cider cider(references);
  for (size_t i = 0; i < said.size(); i++) {
    q.words += double(said[i].size()) / n;
    q.cider_d += cider(said[i], references[i]) / n;
  }
  q.colours = agree(said, references, colours_of);
  q.attributes = agree(said, references, attributes_of);
  return q;
}

} // namespace gsem::train
