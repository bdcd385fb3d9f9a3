// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/caption_quality.hpp"
#include "models/train/eval/feature_store.hpp"
#include "models/train/eval/layer_chain.hpp"
#include "models/train/eval/painter.hpp"
#include "models/train/eval/reference_codec.hpp"
#include "models/train/eval/statistics.hpp"
#include "models/train/eval/test_picture.hpp"

/// What the pictures of layers 1 and 1-2 show, measured on the whole test split: by an embedding, and by
/// their features' distribution.
namespace gsem::eval {

/// Does a picture find its caption among 100?
struct Retrieval {
  std::string picture, caption; ///< what was shown; what it has to find
  Interval value;               ///< R-precision
  Interval share;               ///< of what the source pictures score; zeros for those themselves
};

/// A layer's own side information against another picture's.
struct Shuffled {
  std::string what, measure;
  size_t pictures = 0;
  double own = 0, other = 0;
  Interval difference;
};

struct FrechetRow {
  std::string shown;
  double bytes = 0;             ///< mean file, 0: not coded
  std::vector<double> distance; ///< to the sources, by network
};

/// semanticenc's `effort`: the best of so many seeds.
struct EffortResult {
  int seeds = 0;
  size_t pictures = 0;
  double one_caption = 0, best_caption = 0; ///< cosine of picture and human caption
  double one_source = 0, best_source = 0;   ///< cosine of picture and source
  double one_bytes = 0, best_bytes = 0;     ///< payload
  Interval caption, source;                 ///< best less one
};

struct PaintedResult {
  size_t pictures = 0;
  std::string judge; ///< empty: there was none
  std::vector<Retrieval> retrieval;
  std::vector<Retrieval> own_space; ///< the same in the profile's own embedding
  std::vector<Shuffled> shuffled;
  std::vector<std::string> networks; ///< of the Frechet distances
  std::vector<FrechetRow> frechet;   ///< the first: real pictures of the train split
  size_t quarter = 0;                ///< pictures of a table with every fourth, AVIF among its rows
  std::vector<FrechetRow> frechet_quarter;
  EffortResult effort;
  double caption_bytes = 0, human_caption_bytes = 0; ///< payloads, with and without a hint
  double shapes_file = 0;                            ///< mean file of layers 1-2
  train::CaptionQuality captions,
      human_captions; ///< the captioner's; each first human caption, by the others
};

struct PaintedInput {
  const train::DataSet* data = nullptr;
  std::vector<size_t> test, train;
  std::shared_ptr<const profile::Profile> profile;
  ChainSettings chain;              ///< qualities are not looked at
  const Embedding* own = nullptr;   ///< the profile's
  const Embedding* judge = nullptr; ///< null: no R-precision
  FeatureStore* store = nullptr;    ///< of own, and judge where there is one
  Painter* painter = nullptr;
  int side = 256, effort = 8, effort_pictures = 64;
  const ReferenceCodec* avif = nullptr; ///< null: no such row
  /// AVIF's setting that comes nearest to so many bytes a file on average, and that average; -1: none.
  std::function<std::pair<int, double>(double bytes)> avif_at;
  Progress say;
};

/// std::runtime_error with a reason.
PaintedResult judge_painted(const PaintedInput& input);

} // namespace gsem::eval
