// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/entropy/backoff_model.hpp"

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// What a caption.tbl holds and how text falls apart into symbols. Private to models/entropy and its tools.
///
/// A caption is separator, word, separator, word, ..., separator, where words are the runs of [a-zA-Z0-9] and
/// separators what lies between (any UTF-8). Modes, so that the usual forms pay for nothing they do not use:
///   Plain    lower-case words, single spaces, nothing before or after
///   Lower    lower-case words, any separators, nothing before the first word
///   General  anything
///   Bytes    anything, 8 bits a byte: bounds the payload of text that the models find absurd
namespace gsem::entropy {

enum class TextMode : uint8_t { Plain = 0, Lower = 1, General = 2, Bytes = 3 };
inline constexpr int kTextModes = 4;

enum class WordCase : uint8_t { Lower = 0, Capital = 1, Upper = 2, Mixed = 3 };

/// Word symbols: 0 ends the caption, 1 is a word not in the vocabulary (letters follow), then the vocabulary.
inline constexpr uint16_t kEndSymbol = 0, kUnknownSymbol = 1, kFirstWord = 2;
/// Before the first word or letter.
inline constexpr uint16_t kStartSymbol = 0xffff;
/// Letter symbols: 0 ends the word, 1..26 a..z, 27..36 0..9.
inline constexpr size_t kLetters = 37;
/// Separator symbol 0: spelled out as UTF-8.
inline constexpr uint16_t kSeparatorEscape = 0;

/// The payload's length is known before the first symbol, so the end of the caption is likely where the bits
/// left are few and all but impossible before: the odds of the end symbol are multiplied by a learned factor
/// that depends on the bits left. Buckets of half a bit, the first at -4 bits.
inline constexpr int kEndBuckets = 96, kEndBucketOffset = 8;
inline int end_bucket(int64_t quarter_bits_left) {
  const int64_t bucket = (quarter_bits_left >> 1) + kEndBucketOffset;
  return int(bucket < 0 ? 0 : bucket >= kEndBuckets ? kEndBuckets - 1 : bucket);
}

struct CaptionTables {
  std::vector<std::string> words;      ///< [a-z0-9]+, most frequent first
  std::vector<std::string> separators; ///< symbol i + 1
  BackoffModel word, letter, separator;
  std::array<uint16_t, kTextModes> mode_freq{}; ///< of 2^16 together
  std::array<std::array<uint16_t, 4>, 2>
      case_freq{}; ///< [at the start of a sentence][WordCase], of 2^16 together
  /// [Plain or not][bucket], factor of the end symbol's odds in 1/2^16.
  std::array<std::array<uint32_t, kEndBuckets>, 2> end_factor{};

  // Looked up, not stored.
  std::unordered_map<std::string_view, uint16_t> word_ids, separator_ids;

  CaptionTables() = default;
  CaptionTables(const CaptionTables&) = delete; // the maps point into the vectors
  CaptionTables& operator=(const CaptionTables&) = delete;

  /// Fills the maps; Corrupt when a rule is broken.
  Status finish();
  void write(Bytes& out) const;
  static Status read(ByteView table, CaptionTables& tables, uint64_t& hash);
};

/// Contexts of the word and letter models: the last symbols, newest in the lowest 16 bits.
class History {
public:
  void push(uint16_t symbol) { last_ = last_ << 16 | symbol; }
  /// Keys of 1, 2, 3 and 4 symbols.
  std::array<uint64_t, 4> keys() const {
    return {last_ & 0xffff, last_ & 0xffffffff, last_ & 0xffffffffffff, last_};
  }

private:
  uint64_t last_ = ~uint64_t(0); // four times kStartSymbol
};

/// Contexts of the separator model: next word; previous and next; and how many separators so far were not a
/// space.
inline std::array<uint64_t, 3> separator_keys(uint16_t previous, uint16_t next, int unusual) {
  const uint64_t pair = uint64_t(previous) << 16 | next;
  return {next, pair, pair << 16 | uint64_t(unusual < 2 ? unusual : 2)};
}

/// A caption taken apart.
struct CaptionText {
  struct Word {
    std::string lower;
    std::string_view written;
    WordCase letter_case = WordCase::Lower;
  };
  std::vector<Word> words;
  std::vector<std::string_view> separators; ///< words.size() + 1
  TextMode mode = TextMode::General;
};
/// Views into `text`.
CaptionText take_apart(std::string_view text);

bool is_word_byte(char c);              ///< [a-zA-Z0-9]
bool valid_utf8(std::string_view text); ///< and without NUL (source: RFC 3629)
inline uint16_t letter_symbol(char c) {
  return uint16_t(c >= 'a' ? c - 'a' + 1 : c - '0' + 27);
}
inline char symbol_letter(uint16_t s) {
  return char(s <= 26 ? 'a' + s - 1 : '0' + s - 27);
}
inline bool ends_sentence(std::string_view separator) {
  return separator.find_first_of(".!?") != std::string_view::npos;
}

} // namespace gsem::entropy
