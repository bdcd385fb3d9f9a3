// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/caption_steps.hpp"

#include <algorithm>

namespace gsem::entropy {

const std::array<uint16_t, 256>& spelled_frequencies() {
  static const std::array<uint16_t, 256> table = [] {
    std::array<uint16_t, 256> f{};
    unsigned sum = 0;
    for (unsigned b = 1; b < 256; b++) {
      if (b < 0x80)
        f[b] = is_word_byte(char(b)) ? 0 : b < 0x20 || b == 0x7f ? 64 : 640;
      else if (b >= 0xc2 && b <= 0xf4)
        f[b] = b < 0xe0 ? 256 : b < 0xf0 ? 768 : b == 0xf0 ? 2048 : 64;
      sum += f[b];
    }
    f[0] = uint16_t(kProbOne - sum);
    return f;
  }();
  return table;
}

namespace {

class StepBuilder {
public:
  explicit StepBuilder(const CaptionTables& tables) : tables_(tables) {
    freq_.resize(std::max({tables.word.alphabet(), tables.letter.alphabet(), tables.separator.alphabet()}));
  }

  std::vector<Step> build(std::string_view text) {
    const CaptionText parts = take_apart(text);
    mode_ = parts.mode;
    fixed(tables_.mode_freq, size_t(mode_));
    if (mode_ == TextMode::General)
      spell_separator(parts.separators[0]);
    for (size_t i = 0; i < parts.words.size(); i++)
      word(parts.words[i], i == 0, parts.separators[i]);
    end(parts);
    return std::move(steps_);
  }

  std::vector<Step> build_bytes(std::string_view text) {
    fixed(tables_.mode_freq, size_t(TextMode::Bytes));
    raw(uint32_t(text.size()), 16);
    for (char c : text)
      raw(uint8_t(c), 8);
    return std::move(steps_);
  }

private:
  template <size_t N>
  void fixed(const std::array<uint16_t, N>& freq, size_t symbol) {
    uint32_t cum = 0;
    for (size_t i = 0; i < symbol; i++)
      cum += freq[i];
    steps_.push_back({Step::Kind::Symbol, cum, freq[symbol], kProbOne});
  }
  void raw(uint32_t value, int bits) { steps_.push_back({Step::Kind::Symbol, value, 1, 1u << bits}); }
  void predicted(const BackoffModel& model, std::span<const uint64_t> keys, uint16_t symbol) {
    const uint32_t total = model.predict(keys, freq_);
    uint32_t cum = 0;
    for (uint16_t s = 0; s < symbol; s++)
      cum += freq_[s];
    steps_.push_back({Step::Kind::Symbol, cum, freq_[symbol], total});
  }

  void word(const CaptionText::Word& word, bool first, std::string_view separator) {
    const auto found = tables_.word_ids.find(word.lower);
    const uint16_t symbol = found == tables_.word_ids.end() ? kUnknownSymbol : found->second;
    const uint32_t total = tables_.word.predict(history_.keys(), freq_);
    const uint32_t end_weight = freq_[kEndSymbol];
    steps_.push_back({Step::Kind::GoOn, end_weight, total - end_weight});
    uint32_t cum = 0;
    for (uint16_t s = kUnknownSymbol; s < symbol; s++)
      cum += freq_[s];
    steps_.push_back({Step::Kind::Symbol, cum, freq_[symbol], total - end_weight});
    if (symbol == kUnknownSymbol)
      spell_word(word.lower);
    if (mode_ != TextMode::Plain && !first)
      code_separator(separator, symbol);
    if (mode_ == TextMode::General)
      code_case(word, first || ends_sentence(separator));
    history_.push(symbol);
    previous_ = symbol;
  }

  void end(const CaptionText& parts) {
    const uint32_t total = tables_.word.predict(history_.keys(), freq_);
    steps_.push_back({Step::Kind::End, freq_[kEndSymbol], total - freq_[kEndSymbol]});
    if (mode_ != TextMode::Plain && !parts.words.empty())
      code_separator(parts.separators.back(), kEndSymbol);
  }

  void spell_word(std::string_view word) {
    History letters;
    for (size_t i = 0; i <= word.size(); i++) {
      const uint16_t symbol = i < word.size() ? letter_symbol(word[i]) : 0;
      predicted(tables_.letter, letters.keys(), symbol);
      letters.push(symbol);
    }
  }

  void code_separator(std::string_view separator, uint16_t next) {
    const auto found = tables_.separator_ids.find(separator);
    const uint16_t symbol = found == tables_.separator_ids.end() ? kSeparatorEscape : found->second;
    predicted(tables_.separator, separator_keys(previous_, next, unusual_), symbol);
    if (symbol == kSeparatorEscape)
      spell_separator(separator);
    unusual_ += separator != " ";
  }

  void spell_separator(std::string_view separator) {
    for (size_t i = 0; i < separator.size();) {
      const uint8_t lead = uint8_t(separator[i++]);
      fixed(spelled_frequencies(), lead);
      for (int k = continuation_bytes(lead); k > 0; k--)
        raw(uint8_t(separator[i++]) & 63u, 6);
    }
    fixed(spelled_frequencies(), 0);
  }

  void code_case(const CaptionText::Word& word, bool sentence_start) {
    fixed(tables_.case_freq[sentence_start], size_t(word.letter_case));
    if (word.letter_case == WordCase::Mixed)
      for (char c : word.written)
        raw(c >= 'A' && c <= 'Z', 1);
  }

  const CaptionTables& tables_;
  std::vector<uint32_t> freq_;
  std::vector<Step> steps_;
  History history_;
  TextMode mode_ = TextMode::Plain;
  uint16_t previous_ = kStartSymbol;
  int unusual_ = 0;
};

} // namespace

std::vector<Step> caption_steps(const CaptionTables& tables, std::string_view text) {
  return StepBuilder(tables).build(text);
}

std::vector<Step> byte_steps(const CaptionTables& tables, std::string_view text) {
  return StepBuilder(tables).build_bytes(text);
}

uint32_t end_frequency(uint32_t factor, uint32_t end_weight, uint32_t word_weight) {
  // 25 + 32 - 16 bits, then 16 more: below 2^58.
  const uint64_t end = std::max<uint64_t>(1, uint64_t(end_weight) * factor >> 16);
  const uint64_t freq = (end << kProbBits) / (end + word_weight);
  return uint32_t(std::clamp<uint64_t>(freq, 1, kProbOne - 1));
}

static int64_t run_steps(const CaptionTables& tables, const std::vector<Step>& steps, int64_t quarter_bits,
                         size_t give_up, Bytes& out, std::vector<EndEvent>* events = nullptr) {
  RangeEncoder coder(out);
  // The mode is the first step; modes share the end factors but for Plain.
  const auto& factors = tables.end_factor[steps.front().a != 0];
  const size_t start = out.size();
  for (const Step& step : steps) {
    if (step.kind == Step::Kind::Symbol) {
      coder.encode(step.a, step.b, step.c);
    } else {
      const int bucket = end_bucket(quarter_bits - coder.used_quarter_bits());
      const uint32_t end = end_frequency(factors[bucket], step.a, step.b);
      if (events)
        events->push_back({bucket, step.a, step.b, step.kind == Step::Kind::End});
      if (step.kind == Step::Kind::End)
        coder.encode16(0, end);
      else
        coder.encode16(end, kProbOne - end);
    }
    if (out.size() - start > give_up)
      break;
  }
  const int64_t used = coder.used_quarter_bits();
  coder.finish();
  return used;
}

bool write_steps(const CaptionTables& tables, const std::vector<Step>& steps, size_t size, Bytes& out) {
  const size_t start = out.size();
  run_steps(tables, steps, 32 * int64_t(size), size, out);
  if (out.size() - start > size)
    return false;
  out.resize(start + size);
  return true;
}

void collect_end_events(const CaptionTables& tables, const std::vector<Step>& steps, size_t size,
                        std::vector<EndEvent>& events) {
  Bytes scratch;
  run_steps(tables, steps, 32 * int64_t(size), SIZE_MAX, scratch, &events);
}

void write_shortest(const CaptionTables& tables, const std::vector<Step>& steps, Bytes& out) {
  Bytes scratch;
  const int64_t used = run_steps(tables, steps, int64_t(1) << 40, SIZE_MAX, scratch);
  // Far from the end of its payload the end symbol costs up to 16 bits; near it almost none. Start just below
  // what is possible.
  const int64_t least = (used / 4 - 26) / 8;
  const size_t start = out.size();
  for (size_t size = least > 1 ? size_t(least) : 1; !write_steps(tables, steps, size, out); size++)
    out.resize(start);
}

} // namespace gsem::entropy
