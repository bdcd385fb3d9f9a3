// SPDX-License-Identifier: LGPL-2.1-or-later
// Arguments: a caption.tbl to try besides the test's own (the shipped one, when it is there).
#include "models/entropy/caption_builder.hpp"
#include "models/entropy/caption_coder.hpp"
#include "models/entropy/caption_tables.hpp"
#include "tests/core/check.hpp"
#include "tests/core/entropy_random.hpp"

#include <fstream>
#include <iterator>
#include <set>

using namespace gsem;
using namespace gsem::entropy;
using entropy_test::Random;

namespace {

using Coder = std::shared_ptr<const CaptionCoder>;

std::string hex(ByteView bytes) {
  std::string text;
  for (uint8_t b : bytes) {
    text += "0123456789abcdef"[b >> 4];
    text += "0123456789abcdef"[b & 15];
  }
  return text;
}

// ---- against a reference in Python on unlimited integers ---------------------------------------------

BackoffModel random_model(Random& random, uint32_t alphabet, int levels) {
  BackoffModel model;
  std::vector<uint64_t> weight;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < alphabet; i++)
    sum += weight.emplace_back(1 + random.below(1000));
  for (uint64_t w : weight)
    model.base.push_back(uint32_t((w << kMassBits) / sum));
  std::vector<uint64_t> symbols, keys;
  for (uint32_t i = 0; i < alphabet; i++)
    symbols.push_back(i);
  symbols.push_back(kStartSymbol);
  for (int l = 0; l < levels; l++) {
    keys.clear();
    for (uint64_t u : symbols) {
      if (l == 0)
        keys.push_back(u);
      else
        for (uint64_t v : symbols)
          keys.push_back(u << 16 | v);
    }
    BackoffModel::Level& level = model.levels.emplace_back();
    level.first.push_back(0);
    for (uint64_t key : keys) {
      if (random.below(l == 0 ? 2 : 8))
        continue;
      for (uint32_t s = 0; s < alphabet; s++)
        if (random.below(4) == 0)
          level.entries.push_back({uint16_t(s), uint8_t(60 + random.below(190))});
      level.keys.push_back(key);
      level.first.push_back(uint32_t(level.entries.size()));
    }
  }
  CHECK(model.finish() == Status::Ok);
  return model;
}

void random_tables(Random& random, CaptionTables& tables) {
  while (tables.words.size() < 40) {
    std::string word;
    for (uint32_t left = 1 + random.below(6); left > 0; left--)
      word += "abcdefghijklmnopqrstuvwxyz0123456789"[random.below(36)];
    if (std::find(tables.words.begin(), tables.words.end(), word) == tables.words.end())
      tables.words.push_back(word);
  }
  tables.separators = {"", " ", ", ", ".", "-"};
  tables.word = random_model(random, 42, 2);
  tables.letter = random_model(random, 37, 2);
  tables.separator = random_model(random, 6, 1);
  tables.mode_freq = {49152, 14336, 2016, 32};
  tables.case_freq = {{{60948, 3277, 655, 656}, {19661, 43254, 1311, 1310}}};
  for (auto& row : tables.end_factor)
    for (uint32_t& f : row)
      f = 1u << random.below(24);
  CHECK(tables.finish() == Status::Ok);
}

void test_reference() {
  Random random{3};
  CaptionTables tables;
  random_tables(random, tables);
  Bytes bytes;
  tables.write(bytes);
  Coder coder;
  CHECK(CaptionCoder::load(bytes, coder) == Status::Ok);
  if (!coder)
    return;
  const struct {
    const char *text, *payload;
  } cases[] = {
      {"vvxs mw n04 e5h 14 zco gvr e5h my mw ap3u mw", "01a3682eb144cd5d5a9f"},
      {"vvxs zebra ni3e q7", "0166fd504a0c15211402e900"},
      {"mw, gad; 5eg8z.", "c24d29238f16f593"},
      {"A N04 bIrD \u00e9\U0001F426! Ti7j7i end", "f800229a6e635edda6c22ceaa98cc6a1e49f7a3bcde9c18b1e"},
      {"\u2026", "fe4e981c"},
      {"09", "214f"},
  };
  for (const auto& c : cases) {
    Bytes payload;
    CHECK(coder->encode({c.text, 5, 0}, payload) == Status::Ok);
    CHECK(payload[0] == 5);
    CHECK(hex(ByteView(payload).subspan(1)) == c.payload);
  }
}

// ---- round trips
// ---------------------------------------------------------------------------------------------

const char* const kColours[] = {"white", "black",       "yellow",    "red",
                                "grey",  "light brown", "blue-grey", "dark"};
const char* const kParts[] = {"belly", "breast",  "bill",   "wings",
                              "crown", "eyering", "tarsus", "tail feathers"};

template <size_t N>
const char* pick(Random& random, const char* const (&list)[N]) {
  return list[random.below(N)];
}

/// Captions of a small grammar, now and then with a misspelled word or odd punctuation.
std::string caption(Random& random) {
  std::string text = random.below(2) ? "this bird has a " : "a small bird with a ";
  for (uint32_t left = 1 + random.below(4); left > 0; left--) {
    text += std::string(pick(random, kColours)) + ' ' + pick(random, kParts);
    text += left == 1 ? "" : left == 2 ? " and " : random.below(3) ? ", " : " , ";
  }
  if (random.below(3))
    text += '.';
  if (random.below(6) == 0)
    text[random.below(uint32_t(text.size()))] = char('a' + random.below(26));
  if (random.below(20) == 0)
    text.insert(random.below(uint32_t(text.size())), "\ufffd\ufffd");
  return text;
}

Bytes build(Random& random) {
  CaptionTraining training;
  for (int i = 0; i < 600; i++)
    training.captions.push_back(caption(random));
  training.extra_words = {"zebra", "nape"};
  Bytes table;
  CHECK(build_caption_table(training, table) == Status::Ok);
  return table;
}

/// Payload bytes, 0 when it does not come back as it was.
size_t round_trip(const CaptionCoder& coder, const Caption& caption) {
  Bytes payload{1, 2, 3}; // encode appends
  Caption back;
  if (coder.encode(caption, payload) != Status::Ok ||
      coder.decode(ByteView(payload).subspan(3), back) != Status::Ok || !(back == caption)) {
    std::fprintf(stderr, "does not come back: \"%s\"\n", caption.text.c_str());
    return 0;
  }
  return payload.size() - 3;
}

void append_utf8(uint32_t code, std::string& text) {
  if (code < 0x80) {
    text += char(code);
  } else if (code < 0x800) {
    text += {char(0xc0 | code >> 6), char(0x80 | (code & 63))};
  } else if (code < 0x10000) {
    text += {char(0xe0 | code >> 12), char(0x80 | (code >> 6 & 63)), char(0x80 | (code & 63))};
  } else {
    text += {char(0xf0 | code >> 18), char(0x80 | (code >> 12 & 63)), char(0x80 | (code >> 6 & 63)),
             char(0x80 | (code & 63))};
  }
}

uint32_t random_code(Random& random) {
  for (;;) {
    static constexpr uint32_t limits[] = {0x80, 0x80, 0x800, 0x10000, 0x110000};
    const uint32_t code = 1 + random.below(limits[random.below(5)] - 1);
    if (code < 0xd800 || code > 0xdfff)
      return code;
  }
}

void test_round_trips(const CaptionCoder& coder) {
  Random random{11};
  for (int i = 0; i < 400; i++) {
    const std::string written = caption(random);
    std::string plain;
    for (const std::string& w : caption_words(written))
      plain += (plain.empty() ? "" : " ") + w;
    CHECK(round_trip(coder, {written, uint8_t(random.below(128)), uint8_t(random.below(64))}) > 1);
    CHECK(round_trip(coder, {plain}) > 1);
  }
  const std::string long_word(kMaxCaptionText, 'q');
  std::string long_text, emoji, capitals;
  while (long_text.size() + 5 <= kMaxCaptionText)
    long_text += "bird ";
  while (emoji.size() + 4 <= kMaxCaptionText)
    emoji += "\U0001F426";
  while (capitals.size() + 4 <= kMaxCaptionText)
    capitals += "Qx7\t";
  for (const std::string& text : {std::string(),
                                  std::string(" "),
                                  std::string("."),
                                  std::string("a"),
                                  std::string("A"),
                                  std::string("BIRD"),
                                  std::string("bird"),
                                  std::string("bird "),
                                  std::string(" bird"),
                                  std::string("a  bird"),
                                  std::string("A red bird. It's on a branch!"),
                                  std::string("iPhone NASA McDonald"),
                                  std::string("\n\r\t\x7f\x01"),
                                  std::string("ein V\u00f6gelchen mit wei\u00dfem Bauch"),
                                  std::string("\u9ce5\u306f\u7d20\u6674\u3089\u3057\u3044"),
                                  std::string("\U0001F426\u200d\u2b1b bird"),
                                  std::string("0 1 22 333"),
                                  long_word,
                                  long_text,
                                  emoji,
                                  capitals}) {
    const size_t size = round_trip(coder, {text, 126, 63});
    CHECK(size > 0);
    CHECK(size <= text.size() + 8); // nothing costs more than to spell it byte by byte
  }
  for (int i = 0; i < 300; i++) {
    std::string text;
    const uint32_t most = random.below(10) ? 40 : 1200;
    for (uint32_t left = random.below(most); left > 0; left--)
      append_utf8(random_code(random), text);
    CHECK(text.size() > kMaxCaptionText || round_trip(coder, {text, kNoHint, 1}) > 0);
  }
}

/// Different captions never share a payload, and the words' payload is short where the model knows them.
void test_short_and_distinct(const CaptionCoder& coder) {
  std::set<Bytes> payloads;
  size_t captions = 0;
  for (const char* a : kColours)
    for (const char* b : kParts)
      for (const char* c : kParts) {
        const std::string text = std::string("this bird has a ") + a + ' ' + b + " and " + a + ' ' + c;
        Bytes payload;
        CHECK(coder.encode({text}, payload) == Status::Ok);
        payloads.insert(payload);
        captions++;
      }
  CHECK(payloads.size() == captions);
  CHECK(round_trip(coder, {"this bird has a white belly"}) <= 5);
}

void test_header(const CaptionCoder& coder) {
  Bytes payload;
  CHECK(coder.encode({"", 17, 0}, payload) == Status::Ok);
  CHECK(payload == (Bytes{17}));
  payload.clear();
  CHECK(coder.encode({"", kNoHint, 9}, payload) == Status::Ok);
  CHECK(payload == (Bytes{0xff, 9}));
  Caption back;
  CHECK(coder.decode(Bytes{}, back) == Status::Corrupt);
  CHECK(coder.decode(Bytes{0x80}, back) == Status::Corrupt);
  CHECK(coder.decode(Bytes{0x80, 0x41, 1, 2, 3}, back) == Status::Unsupported);
}

void test_refused_text(const CaptionCoder& coder) {
  Bytes payload;
  CHECK(coder.encode({std::string(kMaxCaptionText + 1, 'a')}, payload) == Status::TooLarge);
  CHECK(coder.encode({std::string("a\0b", 3)}, payload) == Status::Corrupt);
  for (const char* text : {"\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80",
                           "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x88\x80\x80\x80", "\xe2\x82"})
    CHECK(coder.encode({text}, payload) == Status::Corrupt);
  CHECK(coder.encode({"bird", 128, 0}, payload) == Status::Corrupt);
  CHECK(coder.encode({"bird", 0, 64}, payload) == Status::Corrupt);
  CHECK(payload.empty());
}

/// Cut short or random payloads: an error, or a text that is valid and the same at each try.
void test_hostile_payloads(const CaptionCoder& coder) {
  Random random{12};
  const auto harmless = [&](ByteView payload) {
    Caption a, b;
    const Status first = coder.decode(payload, a), second = coder.decode(payload, b);
    if (first != second || !(a == b))
      return false;
    return first != Status::Ok || (a.text.size() <= kMaxCaptionText && valid_utf8(a.text));
  };
  for (int i = 0; i < 200; i++) {
    Bytes payload;
    CHECK(coder.encode({caption(random), 3, 4}, payload) == Status::Ok);
    for (size_t size = 0; size < payload.size(); size++)
      CHECK(harmless(ByteView(payload).first(size)));
  }
  for (int i = 0; i < 3000; i++) {
    Bytes payload(random.below(i % 100 ? 40 : 8192));
    for (uint8_t& b : payload)
      b = uint8_t(random.next());
    CHECK(harmless(payload));
  }
}

void test_corrupt_tables(const Bytes& table) {
  Coder coder;
  for (size_t i = 0; i < table.size(); i += 61) {
    Bytes flipped = table;
    flipped[i] ^= 0x10;
    CHECK(CaptionCoder::load(flipped, coder) != Status::Ok);
    // With its hash put right a change may go unseen, but then the tables must be within their bounds.
    flipped.resize(flipped.size() - kTableTrailer);
    close_table(flipped);
    Coder changed;
    if (CaptionCoder::load(flipped, changed) == Status::Ok && i > kTableHeader) {
      Bytes payload;
      CHECK(changed->encode({"this bird has a white belly"}, payload) == Status::Ok);
      CHECK(changed->parse_hash() != TableReader(ByteView(table).last(kTableTrailer)).u64());
    }
  }
  for (size_t size = 0; size < table.size() - kTableTrailer; size += 131) {
    Bytes cut(table.begin(), table.begin() + ptrdiff_t(size));
    CHECK(CaptionCoder::load(cut, coder) == Status::Corrupt);
    close_table(cut);
    CHECK(CaptionCoder::load(cut, coder) == Status::Corrupt);
  }
  CHECK(!coder);
}

void test_words() {
  CHECK((caption_words("A red-eyed bird, it's 2\u00e9!") ==
         std::vector<std::string>{"a", "red", "eyed", "bird", "it", "s", "2"}));
  CHECK(caption_words(" \u2026").empty());
}

void test_coder(const CaptionCoder& coder) {
  test_round_trips(coder);
  test_short_and_distinct(coder);
  test_header(coder);
  test_refused_text(coder);
  test_hostile_payloads(coder);
}

} // namespace

int main(int argc, char** argv) {
  test_words();
  test_reference();
  Random random{10};
  const Bytes table = build(random);
  Coder coder;
  CHECK(CaptionCoder::load(table, coder) == Status::Ok);
  if (coder) {
    const auto& words = coder->vocabulary();
    CHECK(std::find(words.begin(), words.end(), "zebra") != words.end());
    test_coder(*coder);
    test_corrupt_tables(table);
  }
  for (int i = 1; i < argc; i++) {
    std::ifstream file(argv[i], std::ios::binary);
    const Bytes shipped(std::istreambuf_iterator<char>(file), {});
    CHECK(CaptionCoder::load(shipped, coder) == Status::Ok);
    test_coder(*coder);
  }
  return check::result();
}
