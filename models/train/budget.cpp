// SPDX-License-Identifier: LGPL-2.1-or-later
// Counts what the shipped networks cost, by running them, and fails when they are over the design's budgets.
#include "models/nets/backbone.hpp"
#include "models/nets/captioner.hpp"
#include "models/nets/generator.hpp"
#include "models/nets/mac_counter.hpp"
#include "models/nets/signal_codec.hpp"
#include "models/nets/structure.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <functional>

namespace {
using namespace gsem::nets;

// The design's 0.12 for the edges has two places.
constexpr double kEdges = 0.125, kFrame = 1.5, kPainting = 1.6, kDescribing = 0.45, kProfileMegabytes = 25;

struct Row {
  const char* name;
  double gmac = 0;
  int64_t parameters = 0;
};

int64_t parameters_of(const torch::nn::Module& module) {
  int64_t n = 0;
  for (const auto& p : module.parameters())
    n += p.numel();
  return n;
}

double gmac_of(const std::function<void()>& run) {
  MacCounter counter;
  run();
  return double(counter.macs()) * 1e-9;
}

/// One picture of 256x256 through everything; weights do not matter.
struct Costs {
  Row describe{"backbone at 224 and captioner, 20 words"}, hint{"layout hint (backbone at 128)"},
      text{"text encoder"}, generator{"generator"}, upscale{"upscale"}, edges{"edges"},
      base{"structure, base branch (once a base)"}, decode{"structure, map branch and decoder"},
      analyse{"signal analysis"}, hyper{"signal hyper-decoder and context (integer)"},
      synthesise{"signal synthesis with sides"};

  std::vector<const Row*> rows() const {
    return {&describe, &hint,   &text,    &generator, &upscale,   &edges,
            &base,     &decode, &analyse, &hyper,     &synthesise};
  }
  /// The hyper-decoder runs on both sides.
  double frame() const { return edges.gmac + decode.gmac + analyse.gmac + 2 * hyper.gmac + synthesise.gmac; }
};

Costs measure() {
  torch::NoGradGuard no_grad;
  SkipInitialisation uninitialised;
  Costs c;
  const Tensor x256 = torch::zeros({1, 3, 256, 256}), x128 = torch::zeros({1, 3, 128, 128}),
               x224 = torch::zeros({1, 3, 224, 224});
  const Tensor map = torch::zeros({1, 1, 128, 128}), one = torch::zeros({1}, torch::kInt64);
  {
    Backbone backbone;
    Captioner captioner;
    LayoutHint layout;
    captioner->eval();
    c.describe.gmac = gmac_of([&] {
      auto state = captioner->start(captioner->grid(backbone(x224)[3]));
      for (int64_t i = 0; i < TextEncoderImpl::kMaxWords; i++)
        captioner->step(one, state);
    });
    c.describe.parameters = parameters_of(*backbone) + parameters_of(*captioner);
    c.hint.gmac = gmac_of([&] { layout->project(backbone(x128, 3)[2]); });
    c.hint.parameters = layout->basis.numel() + layout->mu.numel() + layout->centroids.numel();
  }
  {
    TextEncoder text;
    Generator generator;
    Upscale upscale;
    text->eval();
    generator->eval();
    TextEncoderImpl::Output said;
    c.text.gmac = gmac_of([&] { said = text(torch::ones({1, TextEncoderImpl::kMaxWords}, torch::kInt64)); });
    c.text.parameters = parameters_of(*text);
    c.generator.gmac = gmac_of([&] {
      generator(torch::zeros({1, GeneratorImpl::kNoiseWidth}), said.words, said.sentence, said.mask, one);
    });
    c.generator.parameters = parameters_of(*generator);
    c.upscale.gmac = gmac_of([&] { upscale(x128); });
    c.upscale.parameters = parameters_of(*upscale);
  }
  {
    EdgeNet edges;
    StructureSynthesis structure;
    c.edges.gmac = gmac_of([&] { edges(x256); });
    c.edges.parameters = parameters_of(*edges);
    StructureSynthesisImpl::BaseFeatures base;
    structure->prepare_for_inference();
    c.base.gmac = gmac_of([&] { base = structure->project(structure->base_branch(x128)); });
    c.decode.gmac = gmac_of([&] { structure->decode_projected(base, torch::pixel_unshuffle(map, 2)); });
    c.decode.parameters = parameters_of(*structure);
  }
  {
    SignalCodec codec;
    const Tensor q = torch::zeros({1});
    SignalCodecImpl::Latents latents;
    c.analyse.gmac = gmac_of([&] { latents = codec->analyse(x256, q); });
    c.hyper.gmac = gmac_of([&] { codec->refine(codec->hyper(latents.z), latents.y); });
    const Tensor side = SignalCodecImpl::side(x256, map, torch::ones({1, 2}));
    c.synthesise.gmac = gmac_of([&] { codec->synthesise(latents.y, q, side); });
    c.synthesise.parameters = parameters_of(*codec);
  }
  return c;
}

double folder_megabytes(const std::string& folder) {
  double bytes = 0;
  for (const auto& e : std::filesystem::directory_iterator(folder))
    if (e.is_regular_file())
      bytes += double(e.file_size());
  return bytes * 1e-6;
}

bool check(const char* what, double value, double budget, const char* unit) {
  const bool fits = value <= budget;
  std::printf("| %s | %.3f %s | %.3g %s | %s |\n", what, value, unit, budget, unit, fits ? "yes" : "NO");
  return fits;
}

} // namespace

int main(int argc, char** argv) {
  std::string profile;
  CLI::App app{"Counts the multiply-accumulates and parameters of the shipped networks at 256x256 by running "
               "them; exits with 1 when over budget."};
  app.add_option("--profile", profile, "Also the bytes of this profile folder")
      ->check(CLI::ExistingDirectory);
  CLI11_PARSE(app, argc, argv);

  const Costs c = measure();
  std::printf("| network | GMAC | parameters |\n|---|---|---|\n");
  int64_t all = 0;
  for (const Row* r : c.rows()) {
    std::printf("| %s | %.4f | %s |\n", r->name, r->gmac,
                r->parameters ? std::to_string(r->parameters).c_str() : "");
    all += r->parameters;
  }
  std::printf("| together | | %lld |\n\n| budget at 256x256 | cost | limit | fits |\n|---|---|---|---|\n",
              (long long)all);
  bool fits = check("edges", c.edges.gmac, kEdges, "GMAC");
  fits &= check("a frame, encode and decode, all layers", c.frame(), kFrame, "GMAC");
  fits &= check("painting a caption (text, generator, upscale)",
                c.text.gmac + c.generator.gmac + c.upscale.gmac, kPainting, "GMAC");
  fits &= check("describing a picture (captioner)", c.describe.gmac, kDescribing, "GMAC");
  if (!profile.empty())
    fits &= check("profile on disk", folder_megabytes(profile), kProfileMegabytes, "MB");
  return fits ? 0 : 1;
}
