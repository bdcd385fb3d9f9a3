// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/caption_tables.hpp"

#include "models/entropy/range_coder.hpp"

#include <algorithm>
#include <numeric>

namespace gsem::entropy {

static constexpr char kMagic[5] = "GSCT";
static constexpr uint8_t kVersion = 1;
static constexpr size_t kMaxWordLength = 64, kMaxSeparators = 1024;

template <size_t N>
static bool sums_to_one(const std::array<uint16_t, N>& freq) {
  return std::accumulate(freq.begin(), freq.end(), 0u) == kProbOne &&
         std::all_of(freq.begin(), freq.end(), [](uint16_t f) { return f > 0; });
}

Status CaptionTables::finish() {
  if (words.empty() || words.size() + kFirstWord != word.alphabet() || letter.alphabet() != kLetters ||
      separators.size() + 1 != separator.alphabet() || separators.size() > kMaxSeparators ||
      separator.levels.size() > 3)
    return Status::Corrupt;
  if (!sums_to_one(mode_freq) || !sums_to_one(case_freq[0]) || !sums_to_one(case_freq[1]))
    return Status::Corrupt;
  word_ids.reserve(words.size());
  for (size_t i = 0; i < words.size(); i++) {
    const std::string& w = words[i];
    const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    if (w.empty() || w.size() > kMaxWordLength || !std::all_of(w.begin(), w.end(), plain) ||
        !word_ids.emplace(w, uint16_t(i + kFirstWord)).second)
      return Status::Corrupt;
  }
  for (size_t i = 0; i < separators.size(); i++) {
    const std::string& s = separators[i];
    if (s.size() > kMaxWordLength || !valid_utf8(s) || std::any_of(s.begin(), s.end(), is_word_byte) ||
        !separator_ids.emplace(s, uint16_t(i + 1)).second)
      return Status::Corrupt;
  }
  return Status::Ok;
}

static void write_strings(const std::vector<std::string>& strings, TableWriter& out) {
  out.varint(strings.size());
  for (const std::string& s : strings) {
    out.varint(s.size());
    for (char c : s)
      out.u8(uint8_t(c));
  }
}

static bool read_strings(TableReader& in, size_t limit, std::vector<std::string>& strings) {
  const uint64_t count = in.varint();
  if (!in.ok() || count > limit || count > in.left())
    return false;
  strings.reserve(count);
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t size = in.varint();
    if (size > kMaxWordLength)
      return false;
    const ByteView bytes = in.bytes(size);
    strings.emplace_back(bytes.begin(), bytes.end());
  }
  return in.ok();
}

void CaptionTables::write(Bytes& out) const {
  open_table(kMagic, kVersion, out);
  TableWriter writer(out);
  write_strings(words, writer);
  write_strings(separators, writer);
  word.write(writer);
  letter.write(writer);
  separator.write(writer);
  for (uint16_t f : mode_freq)
    writer.u16(f);
  for (const auto& row : case_freq)
    for (uint16_t f : row)
      writer.u16(f);
  for (const auto& row : end_factor)
    for (uint32_t f : row)
      writer.u32(f);
  close_table(out);
}

Status CaptionTables::read(ByteView table, CaptionTables& tables, uint64_t& hash) {
  ByteView body;
  if (const Status status = check_table(table, kMagic, kVersion, body, hash); status != Status::Ok)
    return status;
  TableReader in(body);
  if (!read_strings(in, BackoffModel::kMaxAlphabet - kFirstWord, tables.words) ||
      !read_strings(in, kMaxSeparators, tables.separators))
    return Status::Corrupt;
  for (BackoffModel* model : {&tables.word, &tables.letter, &tables.separator})
    if (const Status status = BackoffModel::read(in, *model); status != Status::Ok)
      return status;
  for (uint16_t& f : tables.mode_freq)
    f = in.u16();
  for (auto& row : tables.case_freq)
    for (uint16_t& f : row)
      f = in.u16();
  for (auto& row : tables.end_factor)
    for (uint32_t& f : row)
      f = in.u32();
  return in.ok() && in.left() == 0 ? tables.finish() : Status::Corrupt;
}

bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool valid_utf8(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? uint8_t(text[i]) : 0u; };
  for (size_t i = 0; i < text.size();) {
    const unsigned c = byte(i);
    if (c == 0)
      return false;
    if (c < 0x80) {
      i++;
      continue;
    }
    const int more = c >= 0xc2 && c <= 0xdf ? 1 : c >= 0xe0 && c <= 0xef ? 2 : c >= 0xf0 && c <= 0xf4 ? 3 : 0;
    if (more == 0)
      return false;
    for (int k = 1; k <= more; k++)
      if ((byte(i + k) & 0xc0) != 0x80)
        return false;
    const unsigned second = byte(i + 1);
    // Overlong forms, surrogates, beyond U+10FFFF.
    if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) || (c == 0xf0 && second < 0x90) ||
        (c == 0xf4 && second > 0x8f))
      return false;
    i += size_t(more) + 1;
  }
  return true;
}

static WordCase case_of(std::string_view word) {
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto uppers = std::count_if(word.begin(), word.end(), upper);
  if (uppers == 0)
    return WordCase::Lower;
  if (uppers == 1 && upper(word[0]))
    return WordCase::Capital;
  return std::none_of(word.begin(), word.end(), lower) ? WordCase::Upper : WordCase::Mixed;
}

CaptionText take_apart(std::string_view text) {
  CaptionText parts;
  bool lower = true, plain = true;
  size_t at = 0;
  while (true) {
    size_t end = at;
    while (end < text.size() && !is_word_byte(text[end]))
      end++;
    parts.separators.push_back(text.substr(at, end - at));
    const bool outside = at == 0 || end == text.size();
    plain = plain && text.substr(at, end - at) == (outside ? "" : " ");
    at = end;
    if (at == text.size())
      break;
    while (end < text.size() && is_word_byte(text[end]))
      end++;
    CaptionText::Word word;
    word.written = text.substr(at, end - at);
    word.lower = word.written;
    for (char& c : word.lower)
      c = c >= 'A' && c <= 'Z' ? char(c + 'a' - 'A') : c;
    word.letter_case = case_of(word.written);
    lower = lower && word.letter_case == WordCase::Lower;
    parts.words.push_back(std::move(word));
    at = end;
  }
  lower = lower && parts.separators.front().empty() && !parts.words.empty();
  parts.mode = lower && plain ? TextMode::Plain : lower ? TextMode::Lower : TextMode::General;
  return parts;
}

} // namespace gsem::entropy
