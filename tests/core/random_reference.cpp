// SPDX-License-Identifier: LGPL-2.1-or-later
// random_reference FOLDER [full]: a profile of kind "reference" with random weights, for tests and timings.
// It is marked as what it is and never shipped: nothing it paints means anything. Narrow, unless "full" asks
// for the published widths.
#include "models/import/tools/reference_profile.hpp"
#include "models/nets/reference/attngan.hpp"
#include "models/nets/reference/captioner.hpp"
#include "models/nets/reference/damsm.hpp"
#include "models/nets/reference/signal.hpp"
#include "models/nets/reference/structure.hpp"

#include <cstdio>
#include <cstring>

using namespace gsem;
using namespace gsem::nets::reference;

namespace {

const char* const kWords[] = {"<end>", "this",  "bird",  "is",    "red",  "blue",  "small", "with",
                              "a",     "black", "white", "wings", "beak", "short", "long",  "yellow",
                              "belly", "and",   "brown", "the",   "head", "grey",  "tail",  "has"};

checkpoint::WordList word_list(size_t count) {
  checkpoint::WordList list;
  for (size_t i = 0; i < count; i++)
    list.words.push_back(i < std::size(kWords) ? kWords[i] : "word" + std::to_string(i));
  uint32_t state = 1;
  for (int i = 0; i < 200; i++) {
    auto& caption = list.captions.emplace_back();
    for (int k = 0; k < 8; k++)
      caption.push_back(1 + (state = state * 1664525 + 1013904223) % (std::size(kWords) - 1));
  }
  return list;
}

checkpoint::NetworkTensors tensors(const torch::nn::Module& net) {
  checkpoint::NetworkTensors out;
  const auto add = [&](const std::string& name, const at::Tensor& value) {
    const at::Tensor t = value.detach().to(at::kFloat).contiguous();
    out[name] = {name, profile::DType::F32, t.sizes().vec(), [t](const profile::TensorStream::Sink& sink) {
                   sink({static_cast<const uint8_t*>(t.data_ptr()), t.nbytes()});
                 }};
  };
  for (const auto& p : net.named_parameters())
    add(p.key(), p.value());
  for (const auto& b : net.named_buffers())
    add(b.key(), b.value());
  return out;
}

/// Fresh layers pass little on: without a gain at the end every picture would be the same grey, and all
/// latents 0.
checkpoint::NetworkTensors louder(torch::nn::Module& net, const std::map<std::string, double>& gains) {
  const torch::NoGradGuard no_grad;
  for (const auto& p : net.named_parameters())
    if (const auto gain = gains.find(p.key()); gain != gains.end())
      p.value().mul_(gain->second);
  return tensors(net);
}

bool write(const std::string& folder, bool full, std::string& error) {
  torch::manual_seed(3);
  const checkpoint::WordList words = word_list(full ? 5450 : 30);
  CaptionerSizes captioner;
  TextEncoderSizes text;
  PainterSizes painter;
  RankerSizes ranker;
  EdgeSizes edges;
  StructureSizes structure;
  SignalSizes signal;
  if (!full) {
    captioner = {4, {1, 1, 2, 1}, 12, 20, 30};
    text = {30, 10, 12};
    painter = {2, 12, 6, 8, 2};
    ranker = {4, 12};
    edges = {4, 3};
    structure = {4};
    signal = {8, 12};
  }
  profile::Manifest manifest;
  manifest.name = "reference-random";
  manifest.version = "0";
  manifest.licence = "Random weights for tests. This is no model";
  checkpoint::ReferenceProfile profile(folder, manifest);
  bool good =
      profile.add_words(words, error) &&
      profile.add_network("captioner", tensors(*Captioner(captioner)), error) &&
      profile.add_network("text", tensors(*TextEncoder(text)), error) &&
      profile.add_network("generator", louder(*Painter(painter), {{"img_net3.img.0.weight", 10}}), error) &&
      profile.add_network("edges", tensors(*Rcf(edges)), error) &&
      profile.add_network("structure",
                          louder(*Structure(structure), {{"re.weight", 10}, {"attn1.v_conv.weight", 10}}),
                          error);
  good = good && (full || profile.add_network("ranker", tensors(*Ranker(ranker)), error));
  for (int i = 0; good && i < 4; i++)
    good = profile.add_network(
        "signal-" + std::to_string(i),
        louder(*Signal(signal), {{"g_a.6.weight", 30}, {"g_s_d4.weight", 20}, {"h_a.4.weight", 30}}), error);
  return good && profile.finish(error);
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2)
    return 2;
  std::string error;
  if (write(argv[1], argc > 2 && std::strcmp(argv[2], "full") == 0, error))
    return 0;
  std::fprintf(stderr, "random_reference: %s\n", error.c_str());
  return 1;
}
