// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/caption_builder.hpp"

#include "models/entropy/caption_coder.hpp"
#include "models/entropy/caption_steps.hpp"
#include "models/entropy/ngram_training.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace gsem::entropy {

namespace {

using Counts = std::unordered_map<std::string, uint32_t>;

std::string lower_case(std::string text) {
  for (char& c : text)
    c = c >= 'A' && c <= 'Z' ? char(c + 'a' - 'A') : c;
  return text;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& w : words)
    text += (text.empty() ? "" : " ") + w;
  return text;
}

/// Most frequent first; ties by spelling, so that the table does not depend on a hash function.
std::vector<std::string> ordered(const Counts& counts, uint32_t at_least,
                                 const std::set<std::string>& always) {
  std::vector<std::pair<uint32_t, std::string>> found;
  for (const auto& [s, n] : counts)
    if (n >= at_least && !always.contains(s))
      found.emplace_back(n, s);
  for (const std::string& s : always)
    found.emplace_back(counts.contains(s) ? counts.at(s) : 0, s);
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  std::vector<std::string> result;
  for (auto& f : found)
    result.push_back(std::move(f.second));
  return result;
}

void train_words(const CaptionTraining& training, const std::vector<std::string>& captions,
                 CaptionTables& tables) {
  std::vector<std::vector<std::string>> texts;
  Counts counts;
  for (const std::string& c : captions) {
    texts.push_back(caption_words(c));
    for (const std::string& w : texts.back())
      counts[w]++;
  }
  const std::set<std::string> always(training.extra_words.begin(), training.extra_words.end());
  tables.words = ordered(counts, uint32_t(training.min_word_count), always);
  std::unordered_map<std::string_view, uint16_t> ids;
  for (size_t i = 0; i < tables.words.size(); i++)
    ids.emplace(tables.words[i], uint16_t(i + kFirstWord));

  std::vector<std::vector<uint16_t>> sequences;
  for (const auto& text : texts) {
    std::vector<uint16_t> s;
    for (const std::string& w : text)
      s.push_back(ids.contains(w) ? ids.at(w) : kUnknownSymbol);
    s.push_back(kEndSymbol);
    sequences.push_back(std::move(s));
  }
  tables.word = train_ngrams(sequences, tables.words.size() + kFirstWord, training.order, training.prune);

  // A word that has to be spelled looks like any word, and most like the rare ones: every kind once, those
  // three times.
  sequences.clear();
  for (const std::string& w : ordered(counts, 1, always)) {
    std::vector<uint16_t> s;
    for (char c : w)
      s.push_back(letter_symbol(c));
    s.push_back(0);
    for (int copies = ids.contains(w) ? 1 : 3; copies > 0; copies--)
      sequences.push_back(s);
  }
  tables.letter = train_ngrams(sequences, kLetters, 4, 1);
}

void train_separators(const std::vector<std::string>& captions, CaptionTables& tables) {
  Counts counts;
  for (const std::string& c : captions) {
    const CaptionText parts = take_apart(c);
    for (size_t i = 1; i < parts.separators.size(); i++)
      counts[std::string(parts.separators[i])]++;
  }
  std::erase_if(counts, [](const auto& c) { return c.first.size() > 64 || !valid_utf8(c.first); });
  tables.separators = ordered(counts, 3, {"", " ", ", ", "."});
  std::unordered_map<std::string_view, uint16_t> words, ids;
  for (size_t i = 0; i < tables.words.size(); i++)
    words.emplace(tables.words[i], uint16_t(i + kFirstWord));
  for (size_t i = 0; i < tables.separators.size(); i++)
    ids.emplace(tables.separators[i], uint16_t(i + 1));

  std::vector<uint32_t> base(tables.separators.size() + 1, 0);
  std::vector<LevelCounts> levels(3);
  for (const std::string& c : captions) {
    const CaptionText parts = take_apart(c);
    const auto id = [&](size_t i) {
      const auto it = words.find(parts.words[i].lower);
      return it == words.end() ? kUnknownSymbol : it->second;
    };
    int unusual = 0;
    for (size_t i = 1; i < parts.separators.size(); i++) {
      const auto found = ids.find(parts.separators[i]);
      const uint16_t symbol = found == ids.end() ? kSeparatorEscape : found->second;
      const uint16_t next = i < parts.words.size() ? id(i) : kEndSymbol;
      const auto keys = separator_keys(id(i - 1), next, unusual);
      base[symbol]++;
      for (size_t l = 0; l < 3; l++)
        levels[l][keys[l]][symbol]++;
      unusual += parts.separators[i] != " ";
    }
  }
  tables.separator = train_levels(base, levels, {1, 2, 3});
}

Status train(const CaptionTraining& training, const std::vector<std::string>& captions,
             CaptionTables& tables) {
  train_words(training, captions, tables);
  train_separators(captions, tables);
  // Plain is what semanticenc sends; the price of the others is chosen, not learned, because no training text
  // has typed prompts.
  tables.mode_freq = {49152, 14336, 2016, 32};
  tables.case_freq = {{{60948, 3277, 655, 656}, {19661, 43254, 1311, 1310}}};
  for (auto& row : tables.end_factor)
    for (int b = 0; b < kEndBuckets; b++)
      row[b] = b < kEndBucketOffset + 2 * 12 ? 1u << 16 : 1u << 10;
  for (BackoffModel* model : {&tables.word, &tables.letter, &tables.separator})
    if (const Status status = model->finish(); status != Status::Ok)
      return status;
  return tables.finish();
}

/// The factor that makes the expected number of ends in a bucket what was seen.
uint32_t fit_factor(const std::vector<EndEvent>& events) {
  double ends = 0.02; // a bucket without ends stays possible
  for (const EndEvent& e : events)
    ends += e.ended;
  double low = -16, high = 15;
  for (int step = 0; step < 40; step++) {
    const double middle = (low + high) / 2, factor = std::exp2(middle);
    double expected = 0;
    for (const EndEvent& e : events)
      expected += e.end_weight * factor / (e.end_weight * factor + e.word_weight);
    (expected < ends ? low : high) = middle;
  }
  return uint32_t(std::clamp(std::exp2(low + 16), 1.0, 2147483648.0));
}

/// Alternates between giving every held-out caption its shortest payload and fitting the factors to where
/// captions then end.
void learn_ends(const std::vector<std::string>& captions, CaptionTables& tables) {
  for (int row = 0; row < 2; row++) {
    std::vector<std::vector<Step>> scripts;
    for (const std::string& c : captions) {
      const std::string text = row ? lower_case(c) : joined(caption_words(c));
      if (!text.empty() && text.size() <= kMaxCaptionText)
        scripts.push_back(caption_steps(tables, text));
    }
    for (int round = 0; round < 6; round++) {
      std::array<std::vector<EndEvent>, kEndBuckets> buckets;
      for (const auto& script : scripts) {
        if ((script.front().a != 0) != (row != 0))
          continue; // a caption without punctuation tells nothing about this mode
        Bytes payload;
        write_shortest(tables, script, payload);
        std::vector<EndEvent> events;
        collect_end_events(tables, script, payload.size(), events);
        for (const EndEvent& e : events)
          buckets[size_t(e.bucket)].push_back(e);
      }
      for (int b = 0; b < kEndBuckets; b++)
        if (!buckets[size_t(b)].empty())
          tables.end_factor[size_t(row)][size_t(b)] = fit_factor(buckets[size_t(b)]);
    }
  }
}

} // namespace

Status build_caption_table(const CaptionTraining& training, Bytes& out) {
  if (training.captions.empty() || training.order < 2 || training.order > 5)
    return Status::Corrupt;
  // Factors are learned with a model that has not seen the captions, as at run time.
  std::vector<std::string> seen, held_out;
  for (size_t i = 0; i < training.captions.size(); i++)
    (i / 10 % 10 == 9 ? held_out : seen).push_back(training.captions[i]);
  CaptionTables rehearsal, tables;
  if (const Status status = train(training, seen, rehearsal); status != Status::Ok)
    return status;
  learn_ends(held_out, rehearsal);
  if (const Status status = train(training, training.captions, tables); status != Status::Ok)
    return status;
  tables.end_factor = rehearsal.end_factor;
  tables.write(out);
  return Status::Ok;
}

} // namespace gsem::entropy
