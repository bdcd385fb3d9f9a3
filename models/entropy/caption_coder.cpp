// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/caption_coder.hpp"

#include "models/entropy/caption_steps.hpp"

#include <algorithm>

namespace gsem::entropy {

static constexpr uint8_t kExtension = 0x80, kSeedMask = 0x3f;

std::vector<std::string> caption_words(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  for (char c : text) {
    const bool part = is_word_byte(c);
    if (part && !inside)
      words.emplace_back();
    if (part)
      words.back().push_back(c >= 'A' && c <= 'Z' ? char(c + 'a' - 'A') : c);
    inside = part;
  }
  return words;
}

namespace {

/// Reads the steps that caption_steps() writes.
class TextDecoder {
public:
  TextDecoder(const CaptionTables& tables, ByteView data)
      : tables_(tables), coder_(data), quarter_bits_(32 * int64_t(data.size())) {
    freq_.resize(std::max({tables.word.alphabet(), tables.letter.alphabet(), tables.separator.alphabet()}));
  }

  Status decode(std::string& text) {
    mode_ = TextMode(fixed(tables_.mode_freq));
    const bool good = mode_ == TextMode::Bytes ? bytes() : words();
    if (!good || coder_.overrun() || text_.size() > kMaxCaptionText || !valid_utf8(text_))
      return Status::Corrupt;
    text = std::move(text_);
    return Status::Ok;
  }

private:
  template <size_t N>
  size_t fixed(const std::array<uint16_t, N>& freq) {
    const uint32_t at = coder_.peek16();
    size_t symbol = 0;
    uint32_t cum = 0;
    while (cum + freq[symbol] <= at)
      cum += freq[symbol++];
    coder_.take(cum, freq[symbol], kProbOne);
    return symbol;
  }
  /// Symbol whose frequencies begin at `first` of freq_ and sum to `total`.
  uint16_t among(uint16_t first, uint32_t total) {
    const uint32_t at = coder_.peek(total);
    uint16_t symbol = first;
    uint32_t cum = 0;
    while (cum + freq_[symbol] <= at)
      cum += freq_[symbol++];
    coder_.take(cum, freq_[symbol], total);
    return symbol;
  }
  uint32_t raw(int bits) {
    const uint32_t total = 1u << bits, at = coder_.peek(total);
    coder_.take(at, 1, total);
    return at;
  }
  /// Garbage must not decode for long: every caller's loop asks this.
  bool sane() const { return text_.size() <= kMaxCaptionText && !coder_.overrun(); }

  bool bytes() {
    const uint32_t size = raw(16);
    if (size > kMaxCaptionText)
      return false;
    for (uint32_t i = 0; i < size && sane(); i++)
      text_.push_back(char(raw(8)));
    return true;
  }

  bool words() {
    if (mode_ == TextMode::General && !spelled_separator())
      return false;
    History history;
    for (size_t count = 0;; count++) {
      const uint32_t total = tables_.word.predict(history.keys(), freq_);
      const uint32_t end_weight = freq_[kEndSymbol];
      if (ends_here(end_weight, total - end_weight))
        return mode_ == TextMode::Plain || count == 0 || separator(kEndSymbol);
      const uint16_t symbol = among(kUnknownSymbol, total - end_weight);
      if (!one_word(symbol, count == 0) || !sane())
        return false;
      history.push(symbol);
      previous_ = symbol;
    }
  }

  bool ends_here(uint32_t end_weight, uint32_t word_weight) {
    const int64_t left = quarter_bits_ - coder_.used_quarter_bits();
    const uint32_t factor = tables_.end_factor[mode_ != TextMode::Plain][end_bucket(left)];
    const uint32_t end = end_frequency(factor, end_weight, word_weight);
    if (coder_.take_first16(end))
      return true;
    coder_.peek16();
    coder_.take(end, kProbOne - end, kProbOne);
    return false;
  }

  bool one_word(uint16_t symbol, bool first) {
    std::string word;
    if (symbol == kUnknownSymbol) {
      if (!spelled_word(word))
        return false;
    } else {
      word = tables_.words[symbol - kFirstWord];
    }
    const size_t before = text_.size();
    if (mode_ == TextMode::Plain) {
      if (!first)
        text_.push_back(' ');
    } else if (!first && (!separator(symbol) || text_.size() == before)) {
      return false; // two words need something between them
    }
    if (mode_ == TextMode::General)
      apply_case(word, first || ends_sentence(std::string_view(text_).substr(before)));
    text_ += word;
    return true;
  }

  bool spelled_word(std::string& word) {
    History letters;
    while (word.size() <= kMaxCaptionText && !coder_.overrun()) {
      const uint16_t symbol = among(0, tables_.letter.predict(letters.keys(), freq_));
      if (symbol == 0)
        return !word.empty();
      word.push_back(symbol_letter(symbol));
      letters.push(symbol);
    }
    return false;
  }

  bool separator(uint16_t next) {
    const auto keys = separator_keys(previous_, next, unusual_);
    const uint16_t symbol = among(0, tables_.separator.predict(keys, freq_));
    const size_t before = text_.size();
    if (symbol != kSeparatorEscape)
      text_ += tables_.separators[symbol - 1];
    else if (!spelled_separator())
      return false;
    unusual_ += std::string_view(text_).substr(before) != " ";
    return true;
  }

  bool spelled_separator() {
    while (sane()) {
      const uint8_t lead = uint8_t(fixed(spelled_frequencies()));
      if (lead == 0)
        return true;
      text_.push_back(char(lead));
      for (int k = continuation_bytes(lead); k > 0; k--)
        text_.push_back(char(0x80 | raw(6)));
    }
    return false;
  }

  void apply_case(std::string& word, bool sentence_start) {
    const auto upper = [](char& c) { c = c >= 'a' && c <= 'z' ? char(c + 'A' - 'a') : c; };
    switch (WordCase(fixed(tables_.case_freq[sentence_start]))) {
    case WordCase::Lower:
      break;
    case WordCase::Capital:
      upper(word[0]);
      break;
    case WordCase::Upper:
      for (char& c : word)
        upper(c);
      break;
    case WordCase::Mixed:
      for (char& c : word)
        if (raw(1))
          upper(c);
      break;
    }
  }

  const CaptionTables& tables_;
  RangeDecoder coder_;
  const int64_t quarter_bits_;
  std::vector<uint32_t> freq_;
  std::string text_;
  TextMode mode_ = TextMode::Plain;
  uint16_t previous_ = kStartSymbol;
  int unusual_ = 0;
};

} // namespace

struct CaptionCoder::Impl {
  CaptionTables tables;
  uint64_t hash = 0;
};

CaptionCoder::CaptionCoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CaptionCoder::~CaptionCoder() = default;

Status CaptionCoder::load(ByteView table, std::shared_ptr<const CaptionCoder>& out) {
  auto impl = std::make_unique<Impl>();
  if (const Status status = CaptionTables::read(table, impl->tables, impl->hash); status != Status::Ok)
    return status;
  out = std::shared_ptr<const CaptionCoder>(new CaptionCoder(std::move(impl)));
  return Status::Ok;
}

Status CaptionCoder::encode(const Caption& caption, Bytes& out) const {
  if (caption.text.size() > kMaxCaptionText)
    return Status::TooLarge;
  if (!valid_utf8(caption.text) || caption.hint > kNoHint || caption.seed > kSeedMask)
    return Status::Corrupt;
  out.push_back(uint8_t(caption.hint | (caption.seed ? kExtension : 0)));
  if (caption.seed)
    out.push_back(caption.seed);
  if (caption.text.empty())
    return Status::Ok;
  const size_t start = out.size();
  write_shortest(impl_->tables, caption_steps(impl_->tables, caption.text), out);
  if (out.size() - start > caption.text.size() + 4) {
    out.resize(start);
    write_shortest(impl_->tables, byte_steps(impl_->tables, caption.text), out);
  }
  return Status::Ok;
}

Status CaptionCoder::decode(ByteView payload, Caption& caption) const {
  Caption result;
  size_t at = 1;
  if (payload.empty())
    return Status::Corrupt;
  result.hint = payload[0] & uint8_t(~kExtension);
  if (payload[0] & kExtension) {
    if (payload.size() < 2)
      return Status::Corrupt;
    if (payload[at] & ~kSeedMask)
      return Status::Unsupported; // a frame type of a later version
    result.seed = payload[at++];
  }
  if (payload.size() > at) {
    TextDecoder decoder(impl_->tables, payload.subspan(at));
    if (const Status status = decoder.decode(result.text); status != Status::Ok)
      return status;
  }
  caption = std::move(result);
  return Status::Ok;
}

uint64_t CaptionCoder::parse_hash() const {
  return impl_->hash;
}

const std::vector<std::string>& CaptionCoder::vocabulary() const {
  return impl_->tables.words;
}

} // namespace gsem::entropy
