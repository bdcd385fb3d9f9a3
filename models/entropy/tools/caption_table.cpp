// SPDX-License-Identifier: LGPL-2.1-or-later
// gst-semantic-caption-table: trains the caption coder's table.
#include "models/entropy/caption_builder.hpp"
#include "models/entropy/caption_coder.hpp"
#include "models/entropy/tools/caption_files.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <fstream>

using namespace gsem;
using namespace gsem::entropy;

static void run(const std::string& out_path, const std::vector<std::string>& inputs,
                const std::string& words_path, const std::string& exclude_path, CaptionTraining training) {
  std::set<std::string> exclude;
  if (!exclude_path.empty())
    exclude = read_names(exclude_path);
  for (const std::string& input : inputs)
    for (std::string& c : read_captions(input, nullptr, exclude_path.empty() ? nullptr : &exclude))
      training.captions.push_back(std::move(c));
  if (!words_path.empty())
    for (const std::string& word : read_lines(words_path))
      if (const auto parts = caption_words(word); parts.size() == 1 && parts[0] == word)
        training.extra_words.push_back(word); // passes over <pad> and the like
  Bytes table;
  std::shared_ptr<const CaptionCoder> coder;
  if (build_caption_table(training, table) != Status::Ok || CaptionCoder::load(table, coder) != Status::Ok)
    throw std::runtime_error("no table can be made from " + std::to_string(training.captions.size()) +
                             " captions");
  std::ofstream file(out_path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(table.data()), std::streamsize(table.size()));
  if (!file.flush())
    throw std::runtime_error(out_path + ": cannot be written");
  std::printf("%s: %zu bytes, %zu words, from %zu captions, parse hash %016llx\n", out_path.c_str(),
              table.size(), coder->vocabulary().size(), training.captions.size(),
              (unsigned long long)coder->parse_hash());
}

int main(int argc, char** argv) {
  CLI::App app(
      "Trains the table of the caption coder from captions (.tsv with a `caption` column, or plain lines)",
      "gst-semantic-caption-table");
  std::string out, words, exclude;
  std::vector<std::string> inputs;
  CaptionTraining training;
  app.add_option("--out", out, "caption.tbl to write")->required();
  app.add_option("--words", words, "words that must be in the vocabulary, one a line");
  app.add_option("--exclude", exclude,
                 "image names not to learn from, first column of each line (the test images)");
  app.add_option("--order", training.order, "words in an n-gram")
      ->check(CLI::Range(2, 5))
      ->capture_default_str();
  app.add_option("--min-count", training.min_word_count, "rarer words are spelled")->capture_default_str();
  app.add_option("--prune", training.prune, "long n-grams seen at most so often are left out")
      ->capture_default_str();
  app.add_option("FILE", inputs, "captions")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    run(out, inputs, words, exclude, std::move(training));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gst-semantic-caption-table: %s\n", error.what());
    return 1;
  }
  return 0;
}
