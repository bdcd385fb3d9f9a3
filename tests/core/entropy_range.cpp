// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/range_coder.hpp"
#include "models/entropy/table_io.hpp"
#include "tests/core/check.hpp"
#include "tests/core/entropy_random.hpp"

#include <cmath>
#include <functional>

using namespace gsem;
using namespace gsem::entropy;
using entropy_test::Random;

namespace {

struct Symbol {
  uint32_t cum, freq, total; ///< total 0: `freq` raw bits of value `cum`
};

Bytes encode(const std::vector<Symbol>& symbols, int64_t* used = nullptr) {
  Bytes out;
  RangeEncoder coder(out);
  for (const Symbol& s : symbols) {
    if (s.total == 0)
      coder.encode_bits(s.cum, int(s.freq));
    else if (s.total == kProbOne)
      coder.encode16(s.cum, s.freq);
    else
      coder.encode(s.cum, s.freq, s.total);
  }
  if (used)
    *used = coder.used_quarter_bits();
  coder.finish();
  return out;
}

bool decodes(ByteView data, const std::vector<Symbol>& symbols, int64_t* used = nullptr) {
  RangeDecoder coder(data);
  for (const Symbol& s : symbols) {
    if (s.total == 0) {
      if (coder.bits(int(s.freq)) != s.cum)
        return false;
      continue;
    }
    const uint32_t at = s.total == kProbOne ? coder.peek16() : coder.peek(s.total);
    if (at < s.cum || at >= s.cum + s.freq)
      return false;
    coder.take(s.cum, s.freq, s.total);
  }
  if (used)
    *used = coder.used_quarter_bits();
  return !coder.overrun();
}

/// The bytes that an encoder on unlimited integers (Python, no carries, no renormalisation of the low end)
/// gives for the same symbols.
void test_reference() {
  Random random{1};
  std::vector<Symbol> symbols;
  for (int i = 0; i < 2000; i++) {
    static constexpr uint32_t totals[4] = {65536, 37, 1000003, 1u << 25};
    const uint32_t total = totals[random.below(4)];
    const uint32_t spans[3] = {1, 5, total / 2};
    const uint32_t freq = 1 + random.below(spans[random.below(3)]);
    const uint32_t cum = random.below(total - freq + 1);
    if (i % 11 == 5) {
      const uint32_t bits = random.below(17);
      symbols.push_back({random.below(1u << bits), bits, 0});
    }
    symbols.push_back({cum, freq, total});
  }
  int64_t used = 0, read = 0;
  const Bytes data = encode(symbols, &used);
  CHECK(data.size() == 3019);
  CHECK(hash64(data) == 0x5e2ef8fdab23367e);
  CHECK(used == 96608);
  CHECK(decodes(data, symbols, &read));
  CHECK(read == used);
}

/// Within 0.1 % and one byte of the entropy of what is coded.
void test_ideal_length() {
  for (uint32_t top : {1u, 2000u, 30000u, 60000u, 65000u, 65533u}) {
    Random random{top};
    std::vector<Symbol> symbols;
    double ideal = 0;
    for (int i = 0; i < 200000; i++) {
      const bool first = random.below(65536) < top;
      // The rest is spread over 3 symbols, so that short and long ones mix.
      const uint32_t left = kProbOne - top, part = left / 3, which = random.below(3);
      const Symbol s = first ? Symbol{0, top, kProbOne}
                             : Symbol{top + which * part, which == 2 ? left - 2 * part : part, kProbOne};
      symbols.push_back(s);
      ideal -= std::log2(double(s.freq) / kProbOne);
    }
    const Bytes data = encode(symbols);
    CHECK(double(data.size()) <= ideal / 8 * 1.001 + 1);
    CHECK(double(data.size()) >= ideal / 8 * 0.999 - 1);
    CHECK(decodes(data, symbols));
  }
}

/// Every sequence of up to `length` steps of an alphabet that keeps the low end just under a carry.
void test_carries() {
  const std::vector<Symbol> alphabet = {{0, 1, 1u << 25},   {(1u << 25) - 1, 1, 1u << 25},
                                        {65535, 1, 65536},  {0, 65535, 65536},
                                        {0x7fff, 2, 65536}, {0xffff, 16, 0}};
  std::vector<Symbol> symbols;
  size_t count = 0, wrong = 0;
  const std::function<void(int)> extend = [&](int left) {
    count++;
    wrong += !decodes(encode(symbols), symbols);
    if (left == 0)
      return;
    for (const Symbol& s : alphabet) {
      symbols.push_back(s);
      extend(left - 1);
      symbols.pop_back();
    }
  };
  extend(6);
  CHECK(count > 50000);
  CHECK(wrong == 0);
  // A run of the last symbol holds thousands of 255s back; one step up carries through all of them.
  for (uint32_t last = 0; last < 2; last++) {
    symbols.assign(3000, {65535, 1, 65536});
    symbols.insert(symbols.begin(), {0x1234, 1, 65536});
    symbols.push_back({last, 1, 2});
    CHECK(decodes(encode(symbols), symbols));
  }
}

/// No shorter string decodes; zeros at the end change nothing; what is cut off reads as zeros and never from
/// outside.
void test_termination() {
  Random random{5};
  int longer = 0;
  for (int round = 0; round < 400; round++) {
    std::vector<Symbol> symbols;
    for (uint32_t i = random.below(6); i < 8; i++) {
      const uint32_t total = 2 + random.below(1000), freq = 1 + random.below(total - 1);
      symbols.push_back({random.below(total - freq + 1), freq, total});
    }
    const Bytes data = encode(symbols);
    Bytes padded = data;
    padded.resize(padded.size() + 9);
    CHECK(decodes(padded, symbols));
    if (data.empty())
      continue;
    // All strings one byte shorter that could matter: the truncation and its successor.
    Bytes shorter(data.begin(), data.end() - 1);
    longer += decodes(shorter, symbols);
    for (size_t i = shorter.size(); i > 0 && ++shorter[i - 1] == 0; i--)
      ;
    longer += decodes(shorter, symbols);
  }
  CHECK(longer == 0);
}

void test_overrun() {
  std::vector<Symbol> symbols(4000, {77, 1, 256});
  const Bytes data = encode(symbols);
  RangeDecoder whole(data), cut(ByteView(data).first(data.size() - 40));
  for (const Symbol& s : symbols) {
    for (RangeDecoder* coder : {&whole, &cut}) {
      coder->peek(s.total);
      coder->take(s.cum, s.freq, s.total);
    }
  }
  CHECK(!whole.overrun());
  CHECK(cut.overrun());
  // An empty string decodes to whatever zeros mean, for as long as one likes.
  RangeDecoder empty({});
  for (int i = 0; i < 1000; i++)
    CHECK(empty.bits(16) == 0);
  CHECK(empty.overrun());
}

} // namespace

int main() {
  test_reference();
  test_ideal_length();
  test_carries();
  test_termination();
  test_overrun();
  return check::result();
}
