// SPDX-License-Identifier: LGPL-2.1-or-later
// gst-semantic-caption-bits: bits a caption with this coder and with others, every caption by itself. All
// sizes but the last two rows are those of real payloads that are decoded again and compared.
#include "models/entropy/caption_coder.hpp"
#include "models/entropy/tools/caption_files.hpp"

#include <CLI/CLI.hpp>
#include <zdict.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <queue>

using namespace gsem;
using namespace gsem::entropy;

namespace {

struct Row {
  std::string name;
  std::function<double(const std::string&)> bits; ///< of one caption
};

double zlib_bits(const std::string& text) {
  uLongf size = compressBound(uLong(text.size()));
  Bytes packed(size);
  compress2(packed.data(), &size, reinterpret_cast<const Bytef*>(text.data()), uLong(text.size()), 9);
  return 8.0 * double(size);
}

class ZstdDictionary {
public:
  ZstdDictionary(const std::vector<std::string>& samples, size_t size) : context_(ZSTD_createCCtx()) {
    std::string joined;
    std::vector<size_t> sizes;
    for (const std::string& s : samples) {
      joined += s;
      sizes.push_back(s.size());
    }
    Bytes dictionary(size);
    const size_t got = ZDICT_trainFromBuffer(dictionary.data(), dictionary.size(), joined.data(),
                                             sizes.data(), unsigned(sizes.size()));
    if (ZDICT_isError(got))
      throw std::runtime_error(std::string("zstd dictionary: ") + ZDICT_getErrorName(got));
    dictionary_ = ZSTD_createCDict(dictionary.data(), got, 19);
    // The container says which dictionary and how long: leave out of the frame what it can.
    ZSTD_CCtx_setParameter(context_, ZSTD_c_contentSizeFlag, 0);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_dictIDFlag, 0);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 0);
    ZSTD_CCtx_refCDict(context_, dictionary_);
  }
  ~ZstdDictionary() {
    ZSTD_freeCDict(dictionary_);
    ZSTD_freeCCtx(context_);
  }
  ZstdDictionary(const ZstdDictionary&) = delete;
  ZstdDictionary& operator=(const ZstdDictionary&) = delete;
  double bits(const std::string& text) const {
    Bytes packed(ZSTD_compressBound(text.size()));
    const size_t size = ZSTD_compress2(context_, packed.data(), packed.size(), text.data(), text.size());
    return 8.0 * double(size - 4); // less the magic number
  }

private:
  ZSTD_CCtx* context_;
  ZSTD_CDict* dictionary_ = nullptr;
};

/// Code lengths of a static Huffman code over words and an end mark; unknown words: the rarest code and 8
/// bits a letter.
class WordHuffman {
public:
  explicit WordHuffman(const std::vector<std::string>& captions) {
    std::map<std::string, size_t> counts;
    for (const std::string& c : captions) {
      for (const std::string& w : caption_words(c))
        counts[w]++;
      counts[""]++;
    }
    struct Node {
      size_t weight;
      std::vector<std::string> words;
      bool operator>(const Node& o) const { return weight > o.weight; }
    };
    std::priority_queue<Node, std::vector<Node>, std::greater<>> queue;
    for (const auto& [word, count] : counts)
      queue.push({count, {word}});
    while (queue.size() > 1) {
      Node a = queue.top();
      queue.pop();
      Node b = queue.top();
      queue.pop();
      a.weight += b.weight;
      a.words.insert(a.words.end(), b.words.begin(), b.words.end());
      for (const std::string& w : a.words)
        longest_ = std::max(longest_, ++length_[w]);
      queue.push(std::move(a));
    }
  }
  double bits(const std::string& text) const {
    double sum = length_.at("");
    for (const std::string& w : caption_words(text)) {
      const auto found = length_.find(w);
      sum += found != length_.end() ? found->second : longest_ + 8.0 * double(w.size() + 1);
    }
    return 8 * std::ceil(sum / 8);
  }

private:
  std::map<std::string, int> length_;
  int longest_ = 0;
};

struct Options {
  std::string table, train_exclude, test_only;
  std::vector<std::string> train, test;
};

std::string joined_words(const std::string& caption) {
  std::string text;
  for (const std::string& w : caption_words(caption))
    text += (text.empty() ? "" : " ") + w;
  return text;
}

double own_bits(const CaptionCoder& coder, const std::string& text) {
  Bytes payload;
  Caption caption, back;
  caption.text = text;
  if (coder.encode(caption, payload) != Status::Ok || coder.decode(payload, back) != Status::Ok ||
      back.text != text)
    throw std::runtime_error("does not come back: " + text);
  return 8.0 * double(payload.size() - 1); // without the hint's byte
}

void print_table(const char* title, const std::vector<std::string>& texts, const std::vector<Row>& rows) {
  std::printf("%s: %zu captions\n%-44s %8s %8s %8s %8s\n", title, texts.size(), "", "mean", "median", "p95",
              "max");
  for (const Row& row : rows) {
    std::vector<double> bits;
    double sum = 0;
    for (const std::string& t : texts) {
      bits.push_back(row.bits(t));
      sum += bits.back();
    }
    std::sort(bits.begin(), bits.end());
    std::printf("%-44s %8.2f %8.0f %8.0f %8.0f\n", row.name.c_str(), sum / double(bits.size()),
                bits[bits.size() / 2], bits[bits.size() * 95 / 100], bits.back());
  }
}

void run(const Options& options) {
  std::shared_ptr<const CaptionCoder> coder;
  const auto start = std::chrono::steady_clock::now();
  if (const Status status = CaptionCoder::load(read_file(options.table), coder); status != Status::Ok)
    throw std::runtime_error(options.table + ": not a caption table");
  const std::chrono::duration<double, std::milli> load_time = std::chrono::steady_clock::now() - start;
  std::printf("%s: %zu words, loaded in %.1f ms\n", options.table.c_str(), coder->vocabulary().size(),
              load_time.count());

  std::set<std::string> exclude, only;
  if (!options.train_exclude.empty())
    exclude = read_names(options.train_exclude);
  if (!options.test_only.empty())
    only = read_names(options.test_only);
  std::vector<std::string> train, raw, plain, train_plain;
  for (const std::string& path : options.train)
    for (std::string& c : read_captions(path, nullptr, exclude.empty() ? nullptr : &exclude))
      train.push_back(std::move(c));
  for (const std::string& path : options.test)
    for (std::string& c : read_captions(path, only.empty() ? nullptr : &only, nullptr))
      raw.push_back(std::move(c));
  for (const std::string& c : train)
    train_plain.push_back(joined_words(c));
  for (const std::string& c : raw)
    plain.push_back(joined_words(c));
  if (raw.empty())
    throw std::runtime_error("no captions to measure");

  for (const bool normalised : {true, false}) {
    std::vector<Row> rows{{"this coder", [&](const std::string& t) { return own_bits(*coder, t); }}};
    std::unique_ptr<ZstdDictionary> dictionary;
    std::unique_ptr<WordHuffman> huffman;
    if (!train.empty()) {
      dictionary = std::make_unique<ZstdDictionary>(normalised ? train_plain : train, 110 << 10);
      rows.push_back({"zstd -19, dictionary of 110 KiB, bare frame",
                      [&](const std::string& t) { return dictionary->bits(t); }});
    }
    rows.push_back({"zlib -9", zlib_bits});
    rows.push_back({"text as it is", [](const std::string& t) { return 8.0 * double(t.size()); }});
    if (normalised && !train.empty()) {
      huffman = std::make_unique<WordHuffman>(train);
      rows.push_back(
          {"static word Huffman, whole bytes", [&](const std::string& t) { return huffman->bits(t); }});
    }
    if (normalised)
      rows.push_back({"12 bits a word and the end, whole bytes", [](const std::string& t) {
                        return 8 * std::ceil(12.0 * double(caption_words(t).size() + 1) / 8);
                      }});
    print_table(normalised ? "words only (lower-case [a-z0-9]+, single spaces)" : "as written (every byte)",
                normalised ? plain : raw, rows);
  }
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Bits a caption: the caption coder against zlib, zstd and word codes",
               "gst-semantic-caption-bits");
  Options options;
  app.add_option("--table", options.table, "caption.tbl")->required();
  app.add_option("--train", options.train, "captions for zstd's dictionary and the Huffman code");
  app.add_option("--exclude", options.train_exclude, "image names to leave out of --train");
  app.add_option("--only", options.test_only, "image names to measure; otherwise all of FILE");
  app.add_option("FILE", options.test, "captions to measure")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gst-semantic-caption-bits: %s\n", error.what());
    return 1;
  }
  return 0;
}
