// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/dataset.hpp"
#include "models/train/picture_store.hpp"
#include "models/train/progress.hpp"
#include "models/train/random.hpp"

#include <memory>

namespace gsem::train {

/// What the command line says. Paths are as given; 0 means "the recipe's own" unless said otherwise.
struct Settings {
  std::string net;
  std::vector<std::string> data; ///< data folders, see read_data
  std::string profile;  ///< folder with the networks that are not trained now (ROLE.safetensors, vocab.txt)
  std::string teachers; ///< folder that fetch-teachers wrote (hed.safetensors, backbone.safetensors)
  std::vector<std::string> init;               ///< weights to start from
  std::vector<std::string> perceptual_weights; ///< networks of DISTS and LPIPS, see load_perceptual
  std::string stages;           ///< folder with what the layers below show, see stage_folder.hpp
  std::string out = "training"; ///< checkpoints, caches, logs
  std::string export_file;      ///< finished weights, as they go into a profile
  int64_t steps = 0;            ///< length of the run; with minutes, whichever ends first
  double minutes = 0;
  int batch = 0;
  int threads = 1;
  uint64_t seed = 0;
  double rate = 0;           ///< peak learning rate
  std::string bf16 = "auto"; ///< auto, on, off
  int64_t limit = 0;         ///< at most so many pictures of each kind
  bool sides = false;        ///< signal: with the layers below
  bool reward = false;       ///< captioner: self-critical training on rewards
  double width = 1;          ///< reference-*: share of the published widths
  int lambda = 1;            ///< reference-signal: the rate, published 1, 3, 6, 9
  double checkpoint_seconds = 120;
  int64_t checkpoint_steps = 0; ///< besides: every so many steps
  double sheet_seconds = 600;   ///< picture log
  int64_t log_steps = 20;
  size_t cache_megabytes = 3000; ///< decoded pictures kept in memory
};

/// What a recipe works with. Lives as long as the recipe.
struct Context {
  Settings settings;
  DataSet data;
  Messages message;
  bool bf16 = false;

  /// Train or test entries of a kind, at most settings.limit, evenly spread.
  std::vector<size_t> select(Kind kind, bool train) const;
  double rate(double own) const { return settings.rate > 0 ? settings.rate : own; }
};

struct StepInfo {
  int64_t step;    ///< from 0
  double progress; ///< 0..1 of the run
  int batch;
  StepRandom& random;
};

/// How one network is trained. prepare() once, then step() as often as wanted. Errors are exceptions;
/// NotFinite stops the run.
class Recipe {
public:
  virtual ~Recipe() = default;
  virtual int default_batch() const = 0;
  virtual int64_t default_steps() const = 0;
  /// Builds the networks and reads or computes what they learn from.
  virtual void prepare(Context& context) = 0;
  /// One optimiser step. Everything random comes from `info.random` or from torch's generator, which the
  /// caller has seeded for the step.
  virtual Losses step(const StepInfo& info) = 0;
  /// The live tensors that a resumed run needs: networks, averages, optimisers.
  virtual TensorMap state() = 0;
  /// The finished network: the running average where there is one. Its tensors are named as they are
  /// exported.
  virtual torch::nn::Module& network() = 0;
  /// May convolutions and products be bfloat16?
  virtual bool bfloat16() const { return true; }
  struct Export {
    std::string role;
    torch::nn::Module* network;
  };
  /// Several finished networks go into a folder as ROLE.safetensors.
  virtual std::vector<Export> exports() { return {{"", &network()}}; }
  /// Starts from exported weights: of the network, or of its discriminator (names h.*). Throws
  /// std::runtime_error.
  virtual void start_from(const std::string& file) = 0;
  /// Figures on the test pictures as text; empty when there is nothing to measure on.
  virtual std::string measure() { return {}; }
  /// A picture log.
  virtual void sheet(const std::string& file) {}
};

/// hint, text, captioner, generator, upscale, edges, structure, signal, judge, and
/// reference-captioner, -damsm, -attngan, -edges, -structure, -signal (the published networks); null for
/// another name.
std::unique_ptr<Recipe> make_recipe(const std::string& net);
const std::vector<std::string>& recipe_names();

namespace recipes {
std::unique_ptr<Recipe> hint();
std::unique_ptr<Recipe> text();
std::unique_ptr<Recipe> captioner();
std::unique_ptr<Recipe> generator();
std::unique_ptr<Recipe> upscale();
std::unique_ptr<Recipe> edges();
std::unique_ptr<Recipe> structure();
std::unique_ptr<Recipe> signal();
std::unique_ptr<Recipe> judge();
std::unique_ptr<Recipe> reference_captioner();
std::unique_ptr<Recipe> reference_damsm();
std::unique_ptr<Recipe> reference_attngan();
std::unique_ptr<Recipe> reference_edges();
std::unique_ptr<Recipe> reference_structure();
std::unique_ptr<Recipe> reference_signal();
} // namespace recipes

} // namespace gsem::train
