// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/trainer.hpp"

#include "models/nets/weights.hpp"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>

namespace gsem::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point t) {
  return std::chrono::duration<double>(Clock::now() - t).count();
}

std::atomic<bool> stop_wanted{false};

/// SIGINT and SIGTERM end the run after the current step.
class StopOnSignal {
public:
  StopOnSignal() {
    stop_wanted = false;
    struct sigaction action {};
    action.sa_handler = [](int) { stop_wanted = true; };
    action.sa_flags = SA_RESETHAND; // a second one kills
    sigaction(SIGINT, &action, &old_int_);
    sigaction(SIGTERM, &action, &old_term_);
  }
  ~StopOnSignal() {
    sigaction(SIGINT, &old_int_, nullptr);
    sigaction(SIGTERM, &old_term_, nullptr);
  }

private:
  struct sigaction old_int_, old_term_;
};

struct Length {
  int64_t steps;
  double seconds;

  double progress(const Position& at) const {
    double p = 0;
    if (steps > 0)
      p = std::max(p, double(at.step) / double(steps));
    if (seconds > 0)
      p = std::max(p, at.seconds / seconds);
    return std::min(p, 1.0);
  }
  double remaining(const Position& at) const {
    const double p = progress(at);
    return p > 0 ? at.seconds * (1 / p - 1) : -1;
  }
};

void check_losses(const Losses& losses) {
  for (const auto& [name, value] : losses)
    if (!std::isfinite(value))
      throw NotFinite("the loss \"" + name + "\" is not finite");
}

/// After a NaN. A checkpoint taken right before the bad step holds the weights that caused it: it is put
/// aside.
std::string last_good(const Checkpoints& checkpoints, int64_t step) {
  std::string text = "there is no earlier checkpoint";
  for (int64_t s : checkpoints.steps())
    if (s < step)
      text = "last good checkpoint: " + checkpoints.path(s) + " (step " + std::to_string(s) + ")";
    else
      std::filesystem::rename(checkpoints.path(s), checkpoints.path(s) + ".bad");
  return text;
}

class Run {
public:
  explicit Run(const Settings& settings)
      : settings_(settings), recipe_(make_recipe(settings.net)), checkpoints_(settings.out, settings.net) {
    if (!recipe_)
      throw std::runtime_error("no such network: " + settings.net);
    context_.settings = settings;
    context_.message = [this](const std::string& text) {
      if (progress_)
        progress_->say(text);
      else
        printf("%s\n", text.c_str()), fflush(stdout);
    };
    context_.bf16 =
        recipe_->bfloat16() && (settings.bf16 == "on" || (settings.bf16 == "auto" && bf16_pays()));
    batch_ = settings.batch > 0 ? settings.batch : recipe_->default_batch();
    length_.seconds = settings.minutes * 60;
    length_.steps = settings.steps > 0 || settings.minutes > 0 ? settings.steps : recipe_->default_steps();
    run_ = {
        {"net", settings.net}, {"seed", std::to_string(settings.seed)}, {"batch", std::to_string(batch_)}};
    if (settings.net.starts_with("reference-"))
      run_["width"] = std::to_string(settings.width);
    if (settings.net == "reference-signal")
      run_["lambda"] = std::to_string(settings.lambda);
  }

  Ending go() {
    prepare();
    StopOnSignal signals;
    progress_ =
        std::make_unique<Progress>(settings_.out + "/" + settings_.net + ".csv", at_, settings_.log_steps);
    auto saved = Clock::now(), drawn = Clock::now();
    int64_t saved_step = at_.step;
    while (length_.progress(at_) < 1 && !stop_wanted) {
      try {
        one_step();
      } catch (const NotFinite& e) {
        context_.message("stopped at step " + std::to_string(at_.step + 1) + ": " + e.what() + "; " +
                         last_good(checkpoints_, at_.step));
        return Ending::NotFinite;
      }
      const bool by_steps = settings_.checkpoint_steps > 0 && at_.step % settings_.checkpoint_steps == 0;
      if (by_steps || seconds_since(saved) >= settings_.checkpoint_seconds) {
        checkpoints_.save(recipe_->state(), at_, run_);
        saved = Clock::now();
        saved_step = at_.step;
      }
      if (seconds_since(drawn) >= settings_.sheet_seconds) {
        draw();
        drawn = Clock::now();
      }
    }
    if (saved_step != at_.step || checkpoints_.steps().empty())
      checkpoints_.save(recipe_->state(), at_, run_);
    if (stop_wanted) {
      context_.message("interrupted at step " + std::to_string(at_.step) + "; the same command goes on");
      return Ending::Interrupted;
    }
    finish();
    return Ending::Finished;
  }

private:
  void prepare() {
    std::filesystem::create_directories(settings_.out);
    at::set_num_threads(std::max(1, settings_.threads));
    std::vector<std::string> notes;
    context_.data = read_data(settings_.data, notes);
    for (const auto& n : notes)
      context_.message(n);
    torch::manual_seed(mix_bits(settings_.seed));
    recipe_->prepare(context_);
    std::string file;
    if (checkpoints_.resume(recipe_->state(), at_, run_, file, context_.message)) {
      context_.message("resumed " + file + " at step " + std::to_string(at_.step));
    } else {
      for (const auto& f : settings_.init)
        recipe_->start_from(f);
    }
    context_.message(settings_.net + ": batch " + std::to_string(batch_) + ", " +
                     (context_.bf16 ? "bfloat16" : "float32") + ", " + std::to_string(at::get_num_threads()) +
                     " threads, seed " + std::to_string(settings_.seed) + ", LibTorch " TORCH_VERSION);
  }

  void one_step() {
    const auto begun = Clock::now();
    torch::manual_seed(mix_bits(settings_.seed ^ mix_bits(uint64_t(at_.step))));
    StepRandom random(settings_.seed, at_.step);
    const Losses losses = recipe_->step({at_.step, length_.progress(at_), batch_, random});
    check_losses(losses);
    at_.step++;
    at_.pictures += batch_;
    at_.seconds += seconds_since(begun);
    progress_->step(at_, losses, length_.remaining(at_));
  }

  void draw() {
    torch::NoGradGuard no_grad;
    recipe_->sheet(settings_.out + "/" + settings_.net + ".png");
  }

  void finish() {
    torch::NoGradGuard no_grad;
    draw();
    const std::string figures = recipe_->measure();
    context_.message("finished " + std::to_string(at_.step) + " steps, " + std::to_string(at_.pictures) +
                     " pictures, " + duration_text(at_.seconds) + (figures.empty() ? "" : ": " + figures));
    if (settings_.export_file.empty())
      return;
    Metadata m = run_;
    m["steps"] = std::to_string(at_.step);
    m["pictures"] = std::to_string(at_.pictures);
    m["seconds"] = std::to_string(int64_t(at_.seconds));
    if (!figures.empty())
      m["measured"] = figures;
    const auto networks = recipe_->exports();
    for (const auto& [role, network] : networks) {
      const std::string file =
          role.empty() ? settings_.export_file : settings_.export_file + "/" + role + ".safetensors";
      if (!role.empty())
        std::filesystem::create_directories(settings_.export_file);
      std::string error;
      if (profile::write_safetensors(file, nets::export_weights(*network), m, error) != Status::Ok)
        throw std::runtime_error(error);
      context_.message("exported " + file);
    }
  }

  Settings settings_;
  std::unique_ptr<Recipe> recipe_;
  Checkpoints checkpoints_;
  Context context_;
  std::unique_ptr<Progress> progress_;
  Metadata run_;
  Position at_;
  Length length_{};
  int batch_ = 0;
};

} // namespace

std::vector<size_t> Context::select(Kind kind, bool train) const {
  auto all = data.select(kind, train);
  const size_t limit = size_t(settings.limit);
  if (limit == 0 || all.size() <= limit)
    return all;
  std::vector<size_t> some;
  for (size_t i = 0; i < limit; i++)
    some.push_back(all[i * all.size() / limit]);
  return some;
}

const std::vector<std::string>& recipe_names() {
  static const std::vector<std::string> names{"hint",
                                              "text",
                                              "captioner",
                                              "generator",
                                              "upscale",
                                              "edges",
                                              "structure",
                                              "signal",
                                              "judge",
                                              "reference-captioner",
                                              "reference-damsm",
                                              "reference-attngan",
                                              "reference-edges",
                                              "reference-structure",
                                              "reference-signal"};
  return names;
}

std::unique_ptr<Recipe> make_recipe(const std::string& net) {
  using Make = std::unique_ptr<Recipe> (*)();
  static const std::map<std::string, Make> makers{
      {"hint", recipes::hint},
      {"text", recipes::text},
      {"captioner", recipes::captioner},
      {"generator", recipes::generator},
      {"upscale", recipes::upscale},
      {"edges", recipes::edges},
      {"structure", recipes::structure},
      {"signal", recipes::signal},
      {"judge", recipes::judge},
      {"reference-captioner", recipes::reference_captioner},
      {"reference-damsm", recipes::reference_damsm},
      {"reference-attngan", recipes::reference_attngan},
      {"reference-edges", recipes::reference_edges},
      {"reference-structure", recipes::reference_structure},
      {"reference-signal", recipes::reference_signal},
  };
  const auto at = makers.find(net);
  return at == makers.end() ? nullptr : at->second();
}

Ending train(const Settings& settings) {
  try {
    return Run(settings).go();
  } catch (const c10::Error& e) {
    throw std::runtime_error(e.what_without_backtrace());
  }
}

} // namespace gsem::train
