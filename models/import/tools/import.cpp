// SPDX-License-Identifier: LGPL-2.1-or-later
// gst-semantic-import: PyTorch checkpoints of the published networks and their word lists -> a profile of
// kind "reference". No Python; pickles are read as data, nothing in them is run.
#include "models/entropy/caption_coder.hpp"
#include "models/import/checkpoint.hpp"
#include "models/import/tools/reference_profile.hpp"
#include "models/profile/file.hpp"
#include "models/profile/profile.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace {

using namespace gsem;
using namespace gsem::checkpoint;

struct Options {
  std::string captioner, captioner_encoder, captioner_decoder, text, generator, ranker, edges, structure;
  std::vector<std::string> signals;
  std::string vocabulary, captions, captioner_vocabulary, out, name = "reference", licence, version = "1";
};

class Importer {
public:
  explicit Importer(const Options& options) : options_(options), profile_(options.out, manifest(options)) {}
  bool run();
  const std::string& error() const { return error_; }

private:
  static profile::Manifest manifest(const Options& options) {
    profile::Manifest m;
    m.name = options.name;
    m.version = options.version;
    m.licence = options.licence;
    return m;
  }
  bool read(const std::string& path, const std::string& prefix, NetworkTensors& tensors);
  bool add(const std::string& role, NetworkTensors&& tensors);
  bool add(const std::string& role, const std::string& path);
  bool read_list(const std::string& path, WordList& words);
  bool read_captions(WordList& words);

  const Options& options_;
  ReferenceProfile profile_;
  std::map<std::string, std::string> others_; ///< what the checkpoint has instead of tensors
  std::string error_;
};

bool Importer::read(const std::string& path, const std::string& prefix, NetworkTensors& tensors) {
  if (path.ends_with(".safetensors")) {
    std::shared_ptr<const profile::SafetensorsFile> file;
    if (profile::SafetensorsFile::open(path, file, error_) != Status::Ok)
      return false;
    collect_tensors(file, tensors);
    return true;
  }
  std::shared_ptr<const Checkpoint> checkpoint;
  if (Checkpoint::open(path, checkpoint, error_) != Status::Ok)
    return false;
  collect_tensors(checkpoint, prefix, tensors, others_);
  return true;
}

/// A missing tensor may be there as something that is not read: then that is the reason.
bool Importer::add(const std::string& role, NetworkTensors&& tensors) {
  const size_t count = tensors.size();
  const bool good = profile_.add_network(role, std::move(tensors), error_);
  if (!good)
    for (const auto& [name, why] : others_)
      if (error_.find(name) != std::string::npos)
        error_ += "; " + name + " " + why;
  others_.clear();
  if (good)
    std::printf("%-12s %4zu tensors\n", role.c_str(), count);
  return good;
}

bool Importer::add(const std::string& role, const std::string& path) {
  NetworkTensors tensors;
  return path.empty() || (read(path, "", tensors) && add(role, std::move(tensors)));
}

/// A line each; empty ones are left out.
bool read_lines(const std::string& path, std::vector<std::string>& lines, std::string& error) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (!line.empty())
      lines.push_back(line);
  if (lines.empty())
    error = path + " has no lines of text";
  return !lines.empty();
}

/// A pickled list, or vocab.txt and captions.txt of gst-semantic-train.
bool Importer::read_list(const std::string& path, WordList& words) {
  if (path.ends_with(".txt")) {
    constexpr size_t kMostWords = 65000;
    words = {};
    if (!read_lines(path, words.words, error_))
      return false;
    if (words.words.size() > kMostWords) {
      error_ = path + " has more than " + std::to_string(kMostWords) + " words";
      return false;
    }
    return options_.captions.empty() || read_captions(words);
  }
  std::shared_ptr<const profile::MappedFile> mapping;
  if (profile::MappedFile::open(path, mapping, error_) != Status::Ok)
    return false;
  std::string why;
  if (read_words(mapping->bytes(), words, why) == Status::Ok)
    return true;
  error_ = path + " " + why;
  return false;
}

bool Importer::read_captions(WordList& words) {
  std::vector<std::string> captions;
  if (!read_lines(options_.captions, captions, error_))
    return false;
  std::map<std::string, uint32_t> numbers;
  for (size_t i = 0; i < words.words.size(); i++)
    numbers[words.words[i]] = uint32_t(i);
  for (const auto& caption : captions) {
    auto& indices = words.captions.emplace_back();
    for (const auto& word : entropy::caption_words(caption))
      if (const auto at = numbers.find(word); at != numbers.end())
        indices.push_back(at->second);
  }
  return true;
}

bool Importer::run() {
  WordList words;
  if (!options_.vocabulary.empty() &&
      !(read_list(options_.vocabulary, words) && profile_.add_words(words, error_)))
    return false;
  if (!options_.captioner_vocabulary.empty() &&
      !(read_list(options_.captioner_vocabulary, words) && profile_.add_captioner_words(words, error_)))
    return false;
  if (!add("captioner", options_.captioner))
    return false;
  NetworkTensors captioner;
  if (!options_.captioner_encoder.empty() &&
      !(read(options_.captioner_encoder, "encoder.", captioner) &&
        read(options_.captioner_decoder, "decoder.", captioner) && add("captioner", std::move(captioner))))
    return false;
  if (!add("text", options_.text) || !add("generator", options_.generator) ||
      !add("ranker", options_.ranker) || !add("edges", options_.edges) ||
      !add("structure", options_.structure))
    return false;
  for (size_t i = 0; i < options_.signals.size(); i++)
    if (!add("signal-" + std::to_string(i), options_.signals[i]))
      return false;
  return profile_.finish(error_);
}

bool check_result(const std::string& folder, std::string& error) {
  std::shared_ptr<const profile::Profile> profile;
  return profile::load_profile(std::filesystem::absolute(folder).string(), profile, error) == Status::Ok;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Makes a profile of kind \"reference\" from the published networks' PyTorch checkpoints (.pth, "
      ".pth.tar, .ckpt), or what gst-semantic-train exports (.safetensors), and word lists. Pickles are read "
      "as data: nothing in a file is run. Networks that "
      "are not given are left out; an element that needs them says so.");
  Options o;
  const auto file = [&](const char* name, std::string& value, const char* what) {
    return app.add_option(name, value, what)->check(CLI::ExistingFile);
  };
  auto* encoder =
      file("--captioner-encoder", o.captioner_encoder, "Captioner: ResNet-152, linear, batch norm");
  auto* decoder = file("--captioner-decoder", o.captioner_decoder, "Captioner: LSTM");
  encoder->needs(decoder);
  decoder->needs(encoder);
  file("--captioner", o.captioner, "Captioner: both, as gst-semantic-train exports it")
      ->excludes(encoder)
      ->excludes(decoder);
  file("--text", o.text, "AttnGAN's text encoder");
  file("--generator", o.generator, "AttnGAN's generator");
  file("--ranker", o.ranker, "AttnGAN's picture encoder (DAMSM), for R-precision");
  file("--edges", o.edges, "RCF");
  file("--structure", o.structure, "SCMC's layer 2, L2_MS_Edge_Semantic");
  app.add_option(
         "--signal", o.signals,
         "SCMC's layer 3, L3_Codec_Hyperprior, once a rate, lowest lambda first (1, 3, 6, 9); quality 0..63 "
         "is shared out evenly")
      ->check(CLI::ExistingFile);
  file("--vocabulary", o.vocabulary, "AttnGAN's captions.pickle, or vocab.txt");
  file("--captions", o.captions, "With vocab.txt: training captions, one a line, for the caption table");
  file("--captioner-vocabulary", o.captioner_vocabulary,
       "The captioner's word list, when it has one of its own");
  app.add_option("--name", o.name, "Name of the profile");
  app.add_option("--profile-version", o.version, "Version of the profile");
  app.add_option("--licence", o.licence, "Licence of the weights, a sentence for people")->required();
  app.add_option("--out", o.out, "Profile folder to write")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    Importer importer(o);
    std::string error;
    if (!importer.run())
      error = importer.error();
    else if (check_result(o.out, error))
      return 0;
    std::fprintf(stderr, "gst-semantic-import: %s\n", error.c_str());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gst-semantic-import: %s\n", e.what());
  }
  return 1;
}
