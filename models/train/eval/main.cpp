// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/evaluation.hpp"
#include "models/train/eval/program.hpp"
#include "models/train/eval/report.hpp"

#include <CLI/CLI.hpp>
#include <gst/gst.h>

#include <cstdio>
#include <fstream>

int main(int argc, char** argv) {
  gsem::eval::EvaluationSettings s;
  std::string& docs = s.docs;
  CLI::App app{"Measures the three layers on test pictures, through the elements, against other codecs, and "
               "writes results.md with its tables and plots. GST_PLUGIN_PATH and "
               "GST_SEMANTIC_PROFILE_PATH say which plugins and weights."};
  app.add_option("--data", s.data, "Data folders (docs/training.md has the layouts)")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--profile", s.profile, "Profile: a name, or a folder (default: birds)");
  app.add_option(
         "--teacher", s.teacher,
         "Edge detector that judges layer 2: HED, as fetch-teachers wrote it (default: the profile's)")
      ->check(CLI::ExistingPath);
  app.add_option("--every", s.every, "Take each so many'th test picture")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--count", s.count, "At most so many pictures (0: all)")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--qualities", s.qualities, "Qualities of the signal layer")
      ->delimiter(',')
      ->capture_default_str()
      ->check(CLI::Range(0, 63));
  app.add_option("--map-quality", s.map_quality, "Quality of the maps (default: structenc's own)")
      ->check(CLI::Range(0, 63));
  app.add_option("--codecs", s.codecs, "Codecs to compare with: jpeg, webp, avif, jxl, none")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--program-pictures", s.program_pictures,
                 "Pictures for the codecs that are a process a picture (avif, jxl)")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--judge", s.judge,
                 "Embedding for R-precision, from the recipe `judge`, with vocab.txt beside it (default: "
                 "models/profiles/judge/judge.safetensors where that is, as seen from the source tree)")
      ->check(CLI::ExistingFile);
  app.add_option("--painted", s.painted,
                 "Test pictures that are described, painted and judged: captions, R-precision, Frechet "
                 "distance (0: all)")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--effort-pictures", s.effort_pictures, "Pictures to try semanticenc's effort on")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--photos", s.photos,
                 "BSDS500 (train, val, test): its test photos measure the signal layer too")
      ->check(CLI::ExistingDirectory);
  app.add_option("--boundaries", s.boundaries,
                 "BSDS500: rates the edge network, the teacher and Canny's detector against people")
      ->check(CLI::ExistingDirectory);
  app.add_option("--photo-every", s.photo_every, "Take each so many'th photo")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--perceptual", s.perceptual, "Pictures for butteraugli and SSIMULACRA, where installed")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--threads", s.threads, "CPU threads")->capture_default_str()->check(CLI::Range(1, 256));
  app.add_option("--out", s.out, "Folder for pictures.csv and what is kept of the reference codecs' results")
      ->capture_default_str();
  app.add_option("--docs", docs, "Folder for results.md, .csv, .json and img/ (default: that of --out)");
  app.add_option(
      "--pictures", s.pictures,
      "Folder for a sheet of the first pictures at all layers, and pages of them at equal bytes. They "
      "show the data set's pictures");
  app.add_option(
         "--examples", s.examples,
         "PNG pictures that may be published, with SOURCE.txt (a line that says whose they are): pages at "
         "equal bytes in img/ of --docs")
      ->check(CLI::ExistingDirectory);
  app.add_option("--sheet", s.sheet_pictures, "Pictures on the sheet")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  std::erase(s.codecs, "none");
  if (docs.empty())
    docs = s.out;
  if (const char* judge = "models/profiles/judge/judge.safetensors"; s.judge.empty() && std::ifstream(judge))
    s.judge = judge;
  gst_init(nullptr, nullptr);
  try {
    const auto result = gsem::eval::evaluate(
        s, [](const std::string& message) { std::fprintf(stderr, "%s\n", message.c_str()); });
    gsem::eval::write_report(result, s, docs, gsem::eval::printable_command(argc, argv));
    std::printf("%s/results.md\n", docs.c_str());
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gst-semantic-eval: %s\n", e.what());
    return 1;
  }
}
