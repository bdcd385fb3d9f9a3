// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/eval/boundaries.hpp"
#include "models/train/eval/edge_match.hpp"
#include "models/train/eval/painted.hpp"
#include "models/train/eval/perceptual.hpp"
#include "models/train/eval/reference_results.hpp"
#include "models/train/eval/statistics.hpp"

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
  std::string examples; ///< folder of pictures that may be published, for the pages at equal bytes in docs
  std::string docs;     ///< where results.md goes
  int count = 0;        ///< pictures at most, 0: all
  int every = 1;        ///< of the test pictures, each so many'th
  std::vector<int> qualities{0, 16, 32, 48, 63};
  int map_quality = -1;
  std::vector<std::string> codecs{"jpeg", "webp", "avif", "jxl"};
  std::string judge;               ///< judge.safetensors; empty: no R-precision
  int painted = 0;                 ///< test pictures for the measures of layers 1 and 1-2, 0: all
  int effort_pictures = 64;        ///< of them, to try semanticenc's effort
  std::vector<std::string> photos; ///< folders of photos (BSDS500) for the signal layer; empty: none
  std::string boundaries;          ///< BSDS500, for the edge detectors; empty: none
  int photo_every = 2;             ///< of the photos, each so many'th
  int program_pictures = 40;       ///< pictures for codecs that take a process each
  int perceptual = 8;              ///< pictures for quality measures that are programs
  int threads = 1;
};

/// One picture through our chain.
struct PictureResult {
  std::string name, caption, human; ///< what was sent; the first human caption
  int hint = 0;
  size_t caption_bytes = 0, structure_bytes = 0;          ///< payloads
  size_t words_file = 0, shapes_file = 0;                 ///< files with everything
  Measured words, shapes;                                 ///< how near the painted pictures are
  std::vector<Measured> all, no_map, alone;               ///< a quality each; no_map: caption and signal
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
  int test_pictures = 0;               ///< there are
  PaintedResult painted;               ///< layers 1 and 1-2 on the whole test split
  double hint_f = 0, other_hint_f = 0; ///< edge F to the sent map: painted with the own hint, and another's
  EdgeScore edges, other_edges;        ///< layer 2, against its own map and another's
  std::vector<Shuffled> shuffled;      ///< hints and maps
  std::vector<PictureResult> photos;   ///< alone and reference only
  std::vector<BoundaryRow> boundaries; ///< edge detectors on BSDS500
  int test_photos = 0;                 ///< there are
  std::vector<PerceptualRow> perceptual;
  std::vector<std::string> example_pages; ///< files in docs/img
  std::string example_source;             ///< where the examples are from: SOURCE.txt of their folder
  int largest_difference = -1; ///< of 255: semanticdecodebin against the shared chain; -1: not compared
  double seconds = 0;
};

/// Runs everything. std::runtime_error with a reason.
Evaluation evaluate(const EvaluationSettings& settings, const Progress& progress);

/// What a codec reaches at `bytes` of file: linear in log rate between its files of this picture.
Measured at_bytes(const std::vector<Measured>& curve, double bytes);

} // namespace gsem::eval
