// SPDX-License-Identifier: LGPL-2.1-or-later
// reference_parity NETWORK FILE [full]: the published network with random weights (narrow, or of the
// published widths), a random input and what comes out, as safetensors: "w.NAME", "in.NAME", "out.NAME".
// reference_parity.py computes the same in PyTorch from definitions of its own.
#include "models/entropy/latent_coder.hpp"
#include "models/import/tools/published_weights.hpp"
#include "models/nets/reference/attngan.hpp"
#include "models/nets/reference/captioner.hpp"
#include "models/nets/reference/damsm.hpp"
#include "models/nets/reference/signal.hpp"
#include "models/nets/reference/structure.hpp"
#include "models/profile/safetensors.hpp"

#include <cstdio>
#include <cstring>

using namespace gsem;
using namespace gsem::nets::reference;
using torch::Tensor;

namespace {

std::vector<profile::TensorToWrite> out;
entropy::Latents symbols; ///< of the signal network

void write(const std::string& name, const Tensor& value) {
  const Tensor t = value.detach().to(at::kFloat).contiguous();
  const auto* bytes = static_cast<const uint8_t*>(t.data_ptr());
  out.push_back({name, profile::DType::F32, t.sizes().vec(), Bytes(bytes, bytes + t.nbytes())});
}

/// Away from what fresh layers have: norms that do something, slopes and gains that differ.
void randomise(torch::nn::Module& net) {
  for (const auto& p : net.named_parameters()) {
    Tensor t = p.value();
    if (p.key().find("entropy_bottleneck") != std::string::npos)
      t.add_(torch::randn_like(t) * 0.3);
    else if (p.key().ends_with("gamma"))
      t.copy_(torch::rand_like(t) * 0.2);
    else if (p.key() == "h_s.4.bias")
      t.copy_(torch::rand_like(t) * 4); // scales of a size that symbols have
    else if (p.key() == "h_a.4.weight")
      t.mul_(30); // and hyper-latents that are not all zero
    else if (t.dim() == 1)
      t.add_(torch::randn_like(t) * 0.1);
  }
  for (const auto& b : net.named_buffers())
    b.value().copy_(b.key().ends_with("running_var") ? torch::rand_like(b.value()) + 0.5
                                                     : torch::randn_like(b.value()) * 0.1);
  for (const auto& p : net.named_parameters())
    write("w." + p.key(), p.value());
  for (const auto& b : net.named_buffers())
    write("w." + b.key(), b.value());
  net.eval();
}

Tensor input(const std::string& name, const Tensor& value) {
  write("in." + name, value);
  return value;
}

void captioner(bool full) {
  CaptionerSizes sizes;
  if (!full)
    sizes = {4, {2, 2, 3, 2}, 12, 20, 30};
  Captioner net(sizes);
  randomise(*net);
  const Tensor features = net->encoder(input("picture", torch::randn({1, 3, 224, 224})));
  write("out.features", features);
  const std::vector<int64_t> words = net->decoder->sample(features);
  write("out.words", torch::tensor(words));
  write("out.logits", net->decoder(features, torch::tensor(words).unsqueeze(0)));
}

void attngan(bool full) {
  TextEncoderSizes text_sizes;
  PainterSizes sizes;
  if (!full) {
    text_sizes = {40, 10, 12};
    sizes = {4, 12, 6, 8, 2};
  }
  TextEncoder text(text_sizes);
  Painter painter(sizes);
  torch::nn::Module both;
  both.register_module("text", text);
  both.register_module("painter", painter);
  randomise(both);
  const Tensor tokens = input("tokens", torch::randint(1, 40, {1, 9}));
  const auto encoded = text->forward(tokens.to(at::kLong));
  write("out.words", encoded.words);
  write("out.sentence", encoded.sentence);
  Tensor mask = torch::zeros({1, 9});
  mask.slice(1, 6).fill_(1);
  const auto pictures = painter(input("noise", torch::randn({1, sizes.noise})),
                                input("epsilon", torch::randn({1, sizes.condition})), encoded.sentence,
                                encoded.words, input("mask", mask).to(at::kBool));
  for (size_t i = 0; i < pictures.size(); ++i)
    write("out.picture" + std::to_string(i), pictures[i]);
}

void damsm(bool full) {
  Ranker net(full ? RankerSizes() : RankerSizes{4, 10});
  randomise(*net);
  const auto features = net(input("picture", torch::rand({1, 3, 256, 256}) * 2 - 1));
  write("out.regions", features.regions);
  write("out.picture", features.picture);
}

void rcf(bool full) {
  Rcf net(full ? EdgeSizes() : EdgeSizes{6, 5});
  randomise(*net);
  // Sides that are no multiples of 8 try the crops.
  for (int64_t side : {256, 99}) {
    const auto maps = net(input(std::to_string(side), torch::rand({1, 3, side, side + 2}) * 255 - 110));
    for (size_t i = 0; i < maps.size(); ++i)
      write("out." + std::to_string(side) + "." + std::to_string(i), maps[i]);
  }
}

void structure(bool full) {
  Structure net(full ? StructureSizes() : StructureSizes{8});
  randomise(*net);
  const auto base = net->base_branch(input("base", torch::rand({1, 3, 256, 256}) * 2 - 1));
  write("out.picture", net->decode(base, input("edges", torch::rand({1, 1, 128, 128}))));
  write("out.enlarged", net->decode(base, input("small", torch::rand({1, 1, 96, 96}))));
}

std::vector<int16_t> integers(const Tensor& t) {
  const Tensor values = t.round().to(at::kShort).contiguous();
  return {values.data_ptr<int16_t>(), values.data_ptr<int16_t>() + values.numel()};
}

void signal(bool full) {
  Signal net(full ? SignalSizes() : SignalSizes{8, 12});
  randomise(*net);
  const Tensor y = net->analyse(input("picture", torch::rand({1, 3, 256, 256}) * 2 - 1));
  const Tensor z = net->hyper_analyse(y), medians = net->medians();
  const Tensor z_hat = (z - medians).round() + medians, scales = net->hyper_synthesise(z_hat);
  const Tensor y_hat = input("symbols", (torch::randn_like(y) * scales.clamp_min(0.11)).round());
  symbols.z = integers(z_hat - medians);
  symbols.y = integers(y_hat);
  write("out.y", y);
  write("out.z", z);
  write("out.z_likelihood", net->z_likelihood(z_hat));
  write("out.scales", scales);
  write("out.y_likelihood", SignalImpl::y_likelihood(y_hat, scales));
  const auto sides = net->sides(input("base", torch::rand({1, 3, 256, 256}) * 2 - 1),
                                input("edges", torch::rand({1, 1, 128, 128})));
  write("out.synthesis", net->synthesise(y_hat, sides));
}

/// Codes the symbols with the integer tables made from the weights in `path`, reads them again, and adds the
/// number of bytes and the scale indices.
bool code(const std::string& path, std::string& error) {
  std::shared_ptr<const profile::SafetensorsFile> file;
  entropy::PublishedWeights weights;
  Bytes table, coded;
  std::shared_ptr<const entropy::LatentCoder> coder;
  if (profile::SafetensorsFile::open(path, file, error) != Status::Ok ||
      !checkpoint::read_published_weights(*file, "w.", weights, error))
    return false;
  error = "the symbols do not come through the coder";
  if (entropy::build_published_table({weights, weights}, table) != Status::Ok ||
      entropy::LatentCoder::load(table, coder) != Status::Ok)
    return false;
  const entropy::LatentShape shape = coder->shape(256, 256);
  symbols.quality = 40;
  entropy::Latents again;
  again.quality = 40;
  if (coder->encode(shape, symbols, coded) != Status::Ok ||
      coder->decode(shape, coded, again) != Status::Ok || again.y != symbols.y || again.z != symbols.z)
    return false;
  write("out.bytes", torch::tensor({double(coded.size())}));
  write("out.indices", torch::tensor(std::vector<int64_t>(again.scale.begin(), again.scale.end()))
                           .view({1, shape.channels, shape.height, shape.width}));
  return true;
}

} // namespace

int main(int argc, char** argv) {
  const std::map<std::string, void (*)(bool)> networks = {{"captioner", captioner}, {"attngan", attngan},
                                                          {"damsm", damsm},         {"rcf", rcf},
                                                          {"structure", structure}, {"signal", signal}};
  if (argc < 3 || !networks.count(argv[1]))
    return 2;
  const c10::InferenceMode inference;
  torch::manual_seed(7);
  networks.at(argv[1])(argc > 3 && std::strcmp(argv[3], "full") == 0);
  std::string error;
  const auto save = [&] { return profile::write_safetensors(argv[2], out, {}, error) == Status::Ok; };
  if (save() && (symbols.y.empty() || (code(argv[2], error) && save())))
    return 0;
  std::fprintf(stderr, "%s\n", error.c_str());
  return 1;
}
