// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/entropy/caption_tables.hpp"
#include "models/entropy/range_coder.hpp"

/// A caption as a list of coding steps, which is then written into as few bytes as hold it. Private to
/// models/entropy and its tools.
namespace gsem::entropy {

struct Step {
  enum class Kind : uint8_t { Symbol, GoOn, End };
  Kind kind = Kind::Symbol;
  /// Symbol: cum, freq, total. GoOn and End: weights of the end symbol and of all words.
  uint32_t a = 0, b = 0, c = 0;
};

/// `text`: not empty, valid UTF-8.
std::vector<Step> caption_steps(const CaptionTables& tables, std::string_view text);
/// The same in TextMode::Bytes.
std::vector<Step> byte_steps(const CaptionTables& tables, std::string_view text);

/// Writes the steps for a payload of `size` bytes: appends exactly that many, or says false (and appends
/// something).
bool write_steps(const CaptionTables& tables, const std::vector<Step>& steps, size_t size, Bytes& out);

/// Appends the shortest payload.
void write_shortest(const CaptionTables& tables, const std::vector<Step>& steps, Bytes& out);

/// One decision whether the caption ends, as `write_steps` met it: what the builder learns the end factors
/// from.
struct EndEvent {
  int bucket;
  uint32_t end_weight, word_weight;
  bool ended;
};
/// The decisions met when writing for a payload of `size` bytes.
void collect_end_events(const CaptionTables& tables, const std::vector<Step>& steps, size_t size,
                        std::vector<EndEvent>& events);

/// Frequency of "the caption ends here" in 1/2^16 from the steps' weights.
uint32_t end_frequency(uint32_t factor, uint32_t end_weight, uint32_t word_weight);

/// Separators spelled out: frequencies where a character may begin (index 0 ends the separator), in 1/2^16.
/// Word bytes, continuation bytes and bytes that UTF-8 never uses have frequency 0. Continuation bytes are 6
/// raw bits.
const std::array<uint16_t, 256>& spelled_frequencies();
/// Continuation bytes after a lead byte: 0..3.
inline int continuation_bytes(uint8_t lead) {
  return lead < 0xc0 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
}

} // namespace gsem::entropy
