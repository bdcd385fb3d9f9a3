// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/eval/caption_quality.hpp"
#include "models/train/eval/edge_match.hpp"
#include "models/train/eval/perceptual.hpp"
#include "models/train/eval/reference_results.hpp"
#include "models/train/eval/statistics.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// Everything that is measured, before it becomes tables.
namespace gsem::eval {

inline constexpr int kSide = 256; ///< pictures are measured at this size
inline constexpr double kEdgeThreshold = 0.5, kEdgeTolerance = 2;
inline constexpr int kEdgeSide = 128;

struct EvaluationSettings {
  std::vector<std::string> data; ///< folders for train::read_data
  std::string profile;           ///< name or folder
  std::string teacher;           ///< HED as safetensors, or its folder; empty: own edge network
  std::string out = "evaluation";
  std::string pictures; ///< folder for picture sheets; empty: none
  int sheet_pictures = 8;
  int count = 0; ///< pictures at most, 0: all
  int every = 1; ///< of the test pictures, each so many'th
  std::vector<int> qualities{0, 16, 32, 48, 63};
  int map_quality = -1;
  std::vector<std::string> codecs{"jpeg", "webp", "avif", "jxl"};
  int program_pictures = 40; ///< pictures for codecs that take a process each
  int caption_pictures = 0;  ///< test pictures that are described to rate the captions, 0: all
  int perceptual = 8;        ///< pictures for quality measures that are programs
  int threads = 1;
};

/// One picture through our chain.
struct PictureResult {
  std::string name, caption, human; ///< what was sent; the first human caption
  int hint = 0;
  size_t caption_bytes = 0, structure_bytes = 0;          ///< payloads
  size_t words_file = 0, shapes_file = 0;                 ///< files with everything
  Measured words, shapes;                                 ///< how near the painted pictures are
  std::vector<Measured> all, alone;                       ///< a quality each
  std::vector<size_t> signal_bytes;                       ///< payload of the signal layer, a quality each
  EdgeScore edges;                                        ///< of the layer 2 picture, against the map as sent
  EdgeScore other_edges;                                  ///< against another picture's map
  std::map<std::string, std::vector<Measured>> reference; ///< by codec, ascending bytes
};

struct PerceptualRow {
  std::string tool;
  int quality = 0;
  double ours = 0, jpeg = 0; ///< means
  double ours_bytes = 0, jpeg_bytes = 0;
  int pictures = 0;
};

struct Evaluation {
  std::vector<PictureResult> pictures;
  std::string profile, profile_version, edge_detector, runtime;
  std::vector<std::pair<std::string, std::string>> codecs; ///< name, title with payload rule
  std::vector<std::string> missing_codecs;
  int test_pictures = 0; ///< there are
  // Layer 1
  Interval words_own, words_human; ///< cosine to the caption: own picture less a shuffled caption's picture
  double similarity = 0, shuffled_similarity = 0, human_similarity = 0, human_shuffled_similarity = 0;
  std::map<std::string, double> r_precision;
  CaptionQuality captions, human_captions; ///< the captioner's; each picture's first human one, by the others
  Interval hints; ///< edge F to the sent map: painted with the own hint less painted with another's
  double hint_f = 0, other_hint_f = 0;
  double human_caption_bytes = 0;
  // Layer 2
  Interval structure; ///< F with the own map less F with another's
  EdgeScore edges, other_edges;
  std::map<std::string, double> frechet; ///< against the sources, by what is shown
  double real_frechet = 0;               ///< as many pictures of the train split against the sources
  std::vector<PerceptualRow> perceptual;
  int largest_difference = -1; ///< of 255: semanticdecodebin against the shared chain; -1: not compared
  double seconds = 0;
};

using Progress = std::function<void(const std::string&)>;

/// Runs everything. std::runtime_error with a reason.
Evaluation evaluate(const EvaluationSettings& settings, const Progress& progress);

/// What a codec reaches at `bytes` of file: linear in log rate between its files of this picture.
Measured at_bytes(const std::vector<Measured>& curve, double bytes);

} // namespace gsem::eval
