// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/bench_stages.hpp"

#include "models/nets/mac_counter.hpp"
#include "models/runtime/models.hpp"
#include "vtm_bridge/map_codec.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>

namespace gsem::eval {

namespace {

using namespace runtime;
using Clock = std::chrono::steady_clock;

constexpr int kSide = 256, kQuality = 32;

void need(const Outcome& outcome, const char* what) {
  if (!outcome)
    throw std::runtime_error(std::string(what) + ": " + outcome.error);
}

void need(Status status, const char* what) {
  if (status != Status::Ok)
    throw std::runtime_error(std::string(what) + " failed");
}

template <class Model>
std::shared_ptr<Model> need(std::shared_ptr<Model> model, const std::string& error) {
  if (!model)
    throw std::runtime_error(error);
  return model;
}

/// A soft disc before stripes.
Picture test_picture() {
  Picture p{kSide, kSide, 3, std::vector<uint8_t>(size_t(kSide) * kSide * 3)};
  for (int y = 0; y < kSide; y++)
    for (int x = 0; x < kSide; x++) {
      uint8_t* at = &p.data[size_t(y * kSide + x) * 3];
      const int dx = x - 120, dy = y - 140, inside = dx * dx + dy * dy < 70 * 70;
      at[0] = uint8_t(inside ? 220 - y / 3 : 60 + (x / 24 % 2) * 20);
      at[1] = uint8_t(inside ? 40 + x / 4 : 120 + y / 4);
      at[2] = uint8_t(inside ? 30 : 90 + (x + y) / 8);
    }
  return p;
}

PictureView view(const Picture& p) {
  return {p.data.data(), p.width, p.height, p.width * p.channels};
}

/// The chain taken apart: every stage works on what the one before it left here.
struct Chain {
  explicit Chain(const profile::Profile& p) : profile(p), source(test_picture()), out(source) {
    std::string error;
    const ModelOptions options;
    semantic = need(acquire_semantic(p, options, true, true, error), error);
    structure = need(acquire_structure(p, options, true, true, error), error);
    signal = need(acquire_signal(p, options, true, true, error), error);
    maps::EncoderSettings settings;
    need(maps::MapEncoder::create(settings, still, error), "map encoder");
    settings.live = true;
    need(maps::MapEncoder::create(settings, live, error), "live map encoder");
    need(maps::MapDecoder::create("av1", still->codec_header(), map_decoder, error), "map decoder");
    shape = signal->coder().shape(kSide, kSide);
  }

  maps::MapView map_view() const { return {map.data.data(), map.width, map.height, map.width}; }

  void encode_map(maps::MapEncoder& encoder, bool key) {
    maps::EncodedMap coded;
    need(encoder.encode(map_view(), key, coded), "map");
    if (key)
      map_bits = coded.payload;
  }

  const profile::Profile& profile;
  Picture source, out, painted, map;
  std::shared_ptr<SemanticModel> semantic;
  std::shared_ptr<StructureModel> structure;
  std::shared_ptr<SignalModel> signal;
  std::unique_ptr<maps::MapEncoder> still, live;
  std::unique_ptr<maps::MapDecoder> map_decoder;
  entropy::LatentShape shape;
  entropy::Caption caption;
  StructureModel::BasePtr base;
  entropy::Latents latents;
  Bytes caption_bits, map_bits, signal_bits;
};

std::vector<Stage> stages_of(Chain& c) {
  const CallOptions o;
  auto span = [&c] { return PictureSpan{c.out.data.data(), kSide, kSide, kSide * 3}; };
  return {
      {"describe: backbone, captioner, layout hint",
       "caption",
       true,
       0,
       {},
       [&c, o] { need(c.semantic->describe(view(c.source), c.caption, o), "describe"); }},
      {"code the caption",
       "caption",
       true,
       0,
       {},
       [&c] {
         c.caption_bits.clear();
         need(c.profile.caption_coder->encode(c.caption, c.caption_bits), "caption coder");
       }},
      {"find edges",
       "frame",
       true,
       0,
       {},
       [&c, o] { need(c.structure->edges(view(c.source), c.map, o), "edges"); }},
      {"code the map, still (AV1)", "frame (stills)", true, 0, {}, [&c] { c.encode_map(*c.still, true); }},
      {"code the map, live (AV1)", "frame (video)", true, 0, {}, [&c] { c.encode_map(*c.live, false); }},
      {"signal analysis",
       "frame",
       true,
       0,
       {},
       [&c, o] { need(c.signal->analyze(view(c.source), kQuality, c.latents, o), "analysis"); }},
      {"code the latents (integer networks)",
       "frame",
       true,
       0,
       {},
       [&c] {
         c.signal_bits.clear();
         need(c.signal->coder().encode(c.shape, c.latents, c.signal_bits), "latent coder");
       }},
      {"read the caption",
       "caption",
       false,
       0,
       {},
       [&c] { need(c.profile.caption_coder->decode(c.caption_bits, c.caption), "caption coder"); }},
      {"paint: text encoder, generator, upscale",
       "caption",
       false,
       0,
       {},
       [&c, o] { need(c.semantic->paint(c.caption, c.painted, o), "paint"); }},
      {"structure, base branch",
       "base picture",
       false,
       0,
       {},
       [&c, o] { need(c.structure->prepare_base(view(c.painted), c.base, o), "base"); }},
      {"read the map (AV1)",
       "frame",
       false,
       0,
       {},
       [&c] {
         maps::Map map;
         need(c.map_decoder->decode(c.map_bits, map), "map decoder");
       }},
      {"structure synthesis",
       "frame",
       false,
       0,
       {},
       [&c, o, span] { need(c.structure->synthesize(c.base, view(c.map), span(), o), "structure"); }},
      {"read the latents (integer networks)",
       "frame",
       false,
       0,
       {},
       [&c] { need(c.signal->coder().decode(c.shape, c.signal_bits, c.latents), "latent coder"); }},
      {"signal synthesis",
       "frame",
       false,
       0,
       {},
       [&c, o, span] {
         need(c.signal->synthesize(c.latents, view(c.painted), view(c.map), span(), o), "signal");
       }},
  };
}

/// The networks run on the executor's thread, so that is where they are counted.
double gmac_of(const std::function<void()>& run) {
  auto executor = Executor::get();
  std::unique_ptr<nets::MacCounter> counter;
  double gmac = 0;
  executor->run({}, [&] { counter = std::make_unique<nets::MacCounter>(); });
  run();
  executor->run({}, [&] {
    gmac = double(counter->macs()) * 1e-9;
    counter.reset();
  });
  return gmac;
}

} // namespace

std::vector<Stage> time_stages(const profile::Profile& profile, const std::vector<int>& threads, int rounds) {
  Chain chain(profile);
  std::vector<Stage> stages = stages_of(chain);
  auto executor = Executor::get();
  for (auto& stage : stages)
    stage.gmac = gmac_of(stage.run); // warms it up too
  std::vector<std::vector<std::vector<double>>> times(stages.size(),
                                                      std::vector<std::vector<double>>(threads.size()));
  for (int round = 0; round < rounds; round++)
    for (size_t t = 0; t < threads.size(); t++) {
      executor->set_threads(threads[t]);
      for (size_t i = 0; i < stages.size(); i++) {
        const auto start = Clock::now();
        stages[i].run();
        times[i][t].push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
      }
    }
  for (size_t i = 0; i < stages.size(); i++)
    for (auto& samples : times[i]) {
      std::nth_element(samples.begin(), samples.begin() + long(samples.size() / 2), samples.end());
      stages[i].wall.push_back(samples[samples.size() / 2]);
    }
  for (auto& stage : stages)
    stage.run = nullptr; // the chain is gone when they get out
  return stages;
}

} // namespace gsem::eval
