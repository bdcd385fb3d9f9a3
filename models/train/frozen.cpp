// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/frozen.hpp"

#include "models/entropy/caption_coder.hpp"
#include "models/nets/weights.hpp"

#include <filesystem>
#include <fstream>

namespace gsem::train {
namespace fs = std::filesystem;

namespace {

std::shared_ptr<const profile::SafetensorsFile> open_weights(const std::string& file) {
  std::shared_ptr<const profile::SafetensorsFile> in;
  std::string error;
  if (profile::SafetensorsFile::open(file, in, error) != Status::Ok)
    throw std::runtime_error(error.empty() ? "cannot read " + file : error);
  return in;
}

uint64_t hash_bytes(uint64_t hash, const char* data, size_t size) // FNV-1a
{
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ uint8_t(data[i])) * 0x100000001b3u;
  return hash;
}

} // namespace

void make_channels_last(torch::nn::Module& module) {
  for (auto& p : module.parameters())
    if (p.dim() == 4)
      p.set_data(p.detach().contiguous(at::MemoryFormat::ChannelsLast));
}

void load_network(torch::nn::Module& module, const std::string& file, const std::string& prefix) {
  std::string error;
  if (!nets::load_weights(module, *open_weights(file), error, prefix))
    throw std::runtime_error(file + ": " + error);
}

std::string role_file(const Context& context, const std::string& role) {
  std::vector<std::string> places{context.settings.profile};
  if (role.rfind("backbone", 0) == 0 && !context.settings.teachers.empty())
    places.push_back(context.settings.teachers);
  std::string tried;
  for (const auto& p : places) {
    const std::string file = p + "/" + role + ".safetensors";
    if (fs::exists(file))
      return file;
    tried += " " + file;
  }
  throw std::runtime_error(context.settings.net + " needs the " + role + " network; looked for" + tried);
}

void load_frozen(torch::nn::Module& module, const Context& context, const std::string& role) {
  load_network(module, role_file(context, role));
  make_channels_last(module);
  set_requires_grad(module, false);
  module.eval();
}

bool has_tensor(const std::string& file, const std::string& name) {
  return open_weights(file)->tensors().count(name) > 0;
}

FrozenFeatures::FrozenFeatures(const Context& context) {
  load_frozen(*backbone_, context, "backbone");
}

std::vector<Tensor> FrozenFeatures::operator()(const Tensor& x, int levels) {
  const auto f = backbone_(x.contiguous(at::MemoryFormat::ChannelsLast), levels);
  return {f.begin(), f.begin() + levels};
}

TextSideImpl::TextSideImpl(int64_t vocabulary) {
  te = register_module("te", nets::TextEncoder(vocabulary));
  ip = register_module("ip", nets::Linear(320, 128));
  mu = register_buffer("mu", torch::zeros({320}));
  sd = register_buffer("sd", torch::ones({320}));
}

Tensor TextSideImpl::embed(const Tensor& pooled) {
  const Tensor v = ip((pooled.to(torch::kFloat32) - mu) / sd);
  return v / v.norm(2, {-1}, true).clamp_min(1e-12);
}

Tensor class_targets(const Tensor& labels) {
  const Tensor same = (labels.unsqueeze(1) == labels.unsqueeze(0)).to(torch::kFloat32) * 0.3 +
                      torch::eye(labels.size(0)) * 0.7;
  return same / same.sum(1, true);
}

double r_precision(const Tensor& pictures, const Tensor& captions) {
  const int64_t n = pictures.size(0);
  const Tensor likeness = torch::mm(pictures, captions.t());
  const auto a = likeness.accessor<float, 2>();
  StepRandom random(1, 0);
  int64_t found = 0;
  for (int64_t i = 0; i < n; i++) {
    float best = -2;
    for (int k = 0; k < 99; k++)
      best = std::max(best, a[i][random.below(n)]);
    found += a[i][i] >= best;
  }
  return double(found) / double(n);
}

Vocabulary::Vocabulary(const std::string& file) {
  std::ifstream in(file);
  if (!in)
    throw std::runtime_error("no vocabulary: " + file);
  std::string word;
  while (std::getline(in, word) && !word.empty()) {
    numbers_[word] = size();
    words_.push_back(word);
  }
  if (size() < 3 || words_[0] != "<pad>" || words_[1] != "<unk>")
    throw std::runtime_error(file + " does not begin with <pad>, <unk>");
}

Tensor Vocabulary::tokens(const DataSet& data, const std::vector<size_t>& indices) const {
  Tensor out = torch::zeros({int64_t(indices.size()), kCaptions, kWords}, torch::kInt64);
  auto a = out.accessor<int64_t, 3>();
  for (size_t i = 0; i < indices.size(); i++) {
    const auto& captions = data.entries[indices[i]].captions;
    for (int64_t j = 0; j < kCaptions && !captions.empty(); j++) {
      const auto words = entropy::caption_words(captions[size_t(j) % captions.size()]);
      for (int64_t k = 0; k < kWords && k < int64_t(words.size()); k++) {
        const auto at = numbers_.find(words[size_t(k)]);
        a[int64_t(i)][j][k] = at == numbers_.end() ? 1 : at->second;
      }
    }
  }
  return out;
}

Vocabulary load_vocabulary(const Context& context) {
  return Vocabulary(context.settings.profile + "/vocab.txt");
}

std::vector<size_t> captioned(const Context& context, bool train) {
  auto indices = context.select(Kind::Object, train);
  std::erase_if(indices, [&](size_t i) { return context.data.entries[i].captions.empty(); });
  return indices;
}

Tensor each_with_mirror(const Tensor& pictures, bool bf16, const std::function<Tensor(const Tensor&)>& f) {
  torch::NoGradGuard no_grad;
  std::vector<Tensor> rows; // at least one picture: an empty set has no shape
  constexpr int64_t kBatch = 32;
  for (int64_t i = 0; i < pictures.size(0); i += kBatch) {
    const Tensor x = to_unit(pictures.slice(0, i, i + kBatch));
    std::vector<Tensor> both;
    {
      Bf16Scope scope(bf16);
      both = {f(x), f(x.flip(3).contiguous(at::MemoryFormat::ChannelsLast))};
    }
    rows.push_back(torch::stack(both, 1));
  }
  return torch::cat(rows);
}

Tensor layout_codes(FrozenFeatures& features, nets::LayoutHint& hint, const Tensor& pictures, bool bf16) {
  return each_with_mirror(pictures, bf16, [&](const Tensor& x) { return hint(features(x, 3)[2]); });
}

Tensor greedy_captions(nets::Captioner& captioner, const Tensor& grids) {
  torch::NoGradGuard no_grad;
  auto state = captioner->start(grids);
  Tensor t = torch::zeros({grids.size(0)}, torch::kInt64), alive = torch::ones({grids.size(0)}, torch::kBool);
  std::vector<Tensor> out;
  for (int64_t i = 0; i < kWords; i++) {
    Tensor logits = captioner->step(t, state);
    logits.select(1, 1).fill_(-1e9); // <unk> is never said
    t = logits.argmax(1) * alive;
    alive = alive.logical_and(t > 0);
    out.push_back(t);
  }
  return torch::stack(out, 1);
}

Tensor own_captions(const Context& context, FrozenFeatures& features, int64_t vocabulary,
                    std::vector<size_t> indices) {
  torch::NoGradGuard no_grad;
  nets::Captioner captioner(vocabulary);
  load_frozen(*captioner, context, "captioner");
  std::vector<Tensor> said;
  constexpr size_t kBatch = 32;
  for (size_t i = 0; i < indices.size(); i += kBatch) {
    std::vector<size_t> some(indices.begin() + long(i),
                             indices.begin() + long(std::min(indices.size(), i + kBatch)));
    const Tensor pictures = load_squares(context.data, some, 224, context.message);
    Tensor grid;
    {
      Bf16Scope scope(context.bf16);
      grid = captioner->grid(features(to_unit(pictures))[3].to(torch::kFloat32));
    }
    said.push_back(greedy_captions(captioner, grid));
  }
  return torch::cat(said);
}

std::string fingerprint(const DataSet& data, const std::vector<size_t>& indices,
                        const std::vector<std::string>& files) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i : indices)
    hash = hash_bytes(hash, data.entries[i].file.c_str(), data.entries[i].file.size() + 1);
  std::vector<char> block(1 << 16);
  for (const auto& f : files) {
    std::ifstream in(f, std::ios::binary);
    while (in.read(block.data(), std::streamsize(block.size())) || in.gcount())
      hash = hash_bytes(hash, block.data(), size_t(in.gcount()));
  }
  char text[24];
  snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
  return text;
}

TensorMap cached(const Context& context, const std::string& name, const std::string& fingerprint,
                 const std::function<TensorMap()>& compute) {
  const std::string folder = context.settings.out + "/cache", file = folder + "/" + name + ".safetensors";
  if (fs::exists(file)) {
    try {
      Metadata m;
      TensorMap tensors = load_tensors(file, &m);
      if (m["fingerprint"] == fingerprint)
        return tensors;
    } catch (const std::exception& e) {
      context.message(std::string("made again: ") + e.what());
    }
  }
  fs::create_directories(folder);
  TensorMap tensors = compute();
  save_tensors(file, tensors, {{"fingerprint", fingerprint}});
  return tensors;
}

} // namespace gsem::train
