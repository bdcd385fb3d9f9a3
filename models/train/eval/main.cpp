// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/evaluation.hpp"
#include "models/train/eval/map_codecs.hpp"
#include "models/train/eval/program.hpp"
#include "models/train/eval/report.hpp"

#include <CLI/CLI.hpp>
#include <gst/gst.h>

#include <cstdio>
#include <fstream>

namespace {

void compare_maps(const std::string& name, const gsem::eval::MapCodecSettings& settings,
                  const std::string& docs, const std::string& command, const gsem::eval::Progress& say) {
  std::shared_ptr<const gsem::profile::Profile> profile;
  std::string error;
  if (gsem::profile::load_profile(name, profile, error) != gsem::Status::Ok)
    throw std::runtime_error(error);
  gsem::eval::write_map_codecs(gsem::eval::compare_map_codecs(*profile, settings, say), docs, command);
  std::printf("%s/map-codecs.md\n", docs.c_str());
}

} // namespace

int main(int argc, char** argv) {
  gsem::eval::EvaluationSettings s;
  std::string& docs = s.docs;
  CLI::App app{"Measures the three layers on test pictures, through the elements, against other codecs, and "
               "writes results.md with its tables and plots. GST_PLUGIN_PATH and "
               "GST_SEMANTIC_PROFILE_PATH say which plugins and weights."};
  app.add_option("--data", s.data, "Data folders (docs/training.md has the layouts)")
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
  gsem::eval::MapCodecSettings maps;
  app.add_option(
         "--map-codecs", maps.codecs,
         "Codecs of structure maps (av1, vvc, vtm) to compare on the photos of --photos: map-codecs.md; "
         "without --data nothing else is measured")
      ->delimiter(',');
  app.add_option("--vtm-dir", maps.vtm_dir, "VTM's folder (default: $GST_SEMANTIC_VTM_DIR)")
      ->check(CLI::ExistingDirectory);
  app.add_option("--sheet", s.sheet_pictures, "Pictures on the sheet")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (s.data.empty() && maps.codecs.empty()) {
    std::fprintf(stderr, "gst-semantic-eval: neither --data nor --map-codecs: nothing to measure\n");
    return 1;
  }
  if (!maps.codecs.empty() && s.photos.empty()) {
    std::fprintf(stderr, "gst-semantic-eval: --map-codecs needs --photos\n");
    return 1;
  }
  std::erase(s.codecs, "none");
  if (docs.empty())
    docs = s.out;
  if (const char* judge = "models/profiles/judge/judge.safetensors"; s.judge.empty() && std::ifstream(judge))
    s.judge = judge;
  gst_init(nullptr, nullptr);
  const std::string command = gsem::eval::printable_command(argc, argv);
  const auto say = [](const std::string& message) { std::fprintf(stderr, "%s\n", message.c_str()); };
  try {
    if (!maps.codecs.empty()) {
      maps.photos = s.photos;
      maps.teacher = s.teacher;
      compare_maps(s.profile, maps, docs, command, say);
    }
    if (s.data.empty())
      return 0;
    const auto result = gsem::eval::evaluate(s, say);
    gsem::eval::write_report(result, s, docs, command);
    std::printf("%s/results.md\n", docs.c_str());
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gst-semantic-eval: %s\n", e.what());
    return 1;
  }
}
