// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/stage_inputs.hpp"

#include "models/nets/generator.hpp"
#include "models/nets/structure.hpp"
#include "vtm_bridge/map_codec.hpp"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cstring>

namespace gsem::train {
namespace {

constexpr int64_t kPart = 256, kNoHint = 127;
constexpr int kMapSpeed = 6;

Tensor as_batch(const Tensor& u8, int64_t from, int64_t to) {
  return to_unit(u8.slice(0, from, to));
}

void add_views(const Context& context, Kind kind, bool train, size_t most, double whole,
               std::vector<View>& views) {
  const auto all = context.select(kind, train);
  const size_t n = std::min(all.size(), most);
  for (size_t i = 0; i < n; i++) {
    const size_t entry = all[i * all.size() / n];
    StepRandom random(context.settings.seed, int64_t(entry), 0x51);
    View v{entry};
    if (!random.chance(whole)) {
      v.whole = false;
      v.width = random.uniform(0.7, 1);
      v.x = random.uniform();
      v.y = random.uniform();
    }
    views.push_back(v);
  }
}

} // namespace

cv::Mat cut_view(const View& view, const cv::Mat& picture, int side) {
  if (view.whole)
    return squash(picture, side);
  const double width = view.width * std::min(picture.cols, picture.rows);
  return cut_square(picture, view.x * (picture.cols - width), view.y * (picture.rows - width), width, side);
}

Tensor load_views(const Context& context, std::vector<View>& views, int side, Tensor* boundaries,
                  int boundary_side) {
  const int s = boundary_side ? boundary_side : side / 2;
  Tensor out = torch::empty({int64_t(views.size()), side, side, 3}, torch::kUInt8);
  Tensor human = torch::zeros({boundaries ? int64_t(views.size()) : 0, 1, s, s}, torch::kUInt8);
  std::vector<View> good;
  cv::Mat rgb;
  size_t decoded = SIZE_MAX;
  bool usable = false;
  for (const View& v : views) {
    const Entry& entry = context.data.entries[v.entry];
    if (v.entry != decoded) {
      usable = decode_picture(entry, rgb, context.message);
      decoded = v.entry;
    }
    if (!usable)
      continue;
    const auto row = int64_t(good.size());
    memcpy(out[row].data_ptr(), cut_view(v, rgb, side).data, size_t(side) * side * 3);
    if (boundaries && !entry.boundary_file.empty()) {
      const cv::Mat map = cv::imread(entry.boundary_file, cv::IMREAD_GRAYSCALE);
      if (!map.empty())
        memcpy(human[row].data_ptr(), cut_view(v, map, s).data, size_t(s) * size_t(s));
    }
    good.push_back(v);
  }
  views = good;
  if (boundaries)
    *boundaries = human.narrow(0, 0, int64_t(good.size()));
  return out.narrow(0, 0, int64_t(good.size())).permute({0, 3, 1, 2});
}

TensorMap in_parts(const Context& context, const std::string& name, const std::vector<View>& views,
                   const std::vector<std::string>& files,
                   const std::function<TensorMap(int64_t, int64_t, StepRandom&)>& compute) {
  std::map<std::string, std::vector<Tensor>> parts;
  const auto n = int64_t(views.size());
  for (int64_t from = 0; from < n; from += kPart) {
    const int64_t to = std::min(n, from + kPart);
    std::vector<size_t> entries;
    for (int64_t i = from; i < to; i++)
      entries.push_back(views[size_t(i)].entry);
    const std::string print =
        fingerprint(context.data, entries, files) + "-" + std::to_string(context.settings.seed);
    bool fresh = false;
    const TensorMap part = cached(context, name + "-" + std::to_string(from / kPart), print, [&] {
      torch::NoGradGuard no_grad;
      torch::manual_seed(mix_bits(context.settings.seed ^ mix_bits(uint64_t(from))));
      StepRandom random(context.settings.seed, from, 0x52);
      fresh = true;
      return compute(from, to, random);
    });
    for (const auto& [key, tensor] : part)
      parts[key].push_back(tensor);
    if (fresh)
      context.message(name + ": " + std::to_string(to) + " of " + std::to_string(n));
  }
  TensorMap out;
  for (const auto& [key, tensors] : parts)
    out[key] = torch::cat(tensors);
  return out;
}

Tensor code_maps(const Tensor& maps, const std::vector<int>& quantisers) {
  const auto height = int(maps.size(2)), width = int(maps.size(3));
  maps::EncoderSettings settings;
  settings.width = width;
  settings.height = height;
  settings.speed = kMapSpeed;
  std::unique_ptr<maps::MapEncoder> encoder;
  std::unique_ptr<maps::MapDecoder> decoder;
  std::string error;
  if (maps::MapEncoder::create(settings, encoder, error) != Status::Ok ||
      maps::MapDecoder::create(settings.codec, encoder->codec_header(), decoder, error) != Status::Ok)
    throw std::runtime_error("structure codec: " + error);
  Tensor out = torch::empty(maps.sizes(), torch::kUInt8);
  for (int64_t i = 0; i < maps.size(0); i++) {
    const Tensor map = maps[i].contiguous();
    encoder->set_quantiser(quantisers[size_t(i)]);
    maps::EncodedMap coded;
    maps::Map decoded;
    if (encoder->encode({map.data_ptr<uint8_t>(), width, height, width}, true, coded) != Status::Ok ||
        decoder->decode(coded.payload, decoded) != Status::Ok || decoded.data.size() != size_t(map.numel()))
      throw std::runtime_error("structure codec: a map did not come back");
    memcpy(out[i].data_ptr(), decoded.data.data(), decoded.data.size());
  }
  return out;
}

StructureInputs structure_inputs(const Context& context, bool train) {
  std::vector<View> views;
  add_views(context, Kind::Object, train, train ? 2600 : 100, 1, views);
  if (train) {
    add_views(context, Kind::Scene, true, 450, 0.7, views);
    add_views(context, Kind::General, true, SIZE_MAX, 0.5, views);
  }
  add_views(context, Kind::Boundary, train, train ? SIZE_MAX : 60, train ? 0.5 : 1, views);
  StructureInputs in;
  in.pictures = load_views(context, views, 256);
  if (views.empty())
    return in;

  const Vocabulary vocabulary = load_vocabulary(context);
  FrozenFeatures features(context);
  nets::LayoutHint layout;
  nets::EdgeNet edges;
  nets::Generator generator;
  TextSide text(vocabulary.size());
  load_frozen(*layout, context, "hint");
  load_frozen(*edges, context, "edges");
  load_frozen(*generator, context, "generator");
  load_frozen(*text, context, "text");
  std::vector<size_t> entries;
  for (const View& v : views)
    entries.push_back(v.entry);
  const Tensor tokens = vocabulary.tokens(context.data, entries);
  const Tensor has = tokens.select(1, 0).select(1, 0) > 0;

  const std::vector<std::string> files{role_file(context, "edges"), role_file(context, "generator"),
                                       role_file(context, "hint"), role_file(context, "text"),
                                       role_file(context, "backbone")};
  TensorMap made =
      in_parts(context, train ? "structure-train" : "structure-test", views, files,
               [&](int64_t from, int64_t to, StepRandom& random) {
                 std::vector<Tensor> maps, bases, sentences, hints;
                 for (int64_t i = from; i < to; i += 32) {
                   const int64_t end = std::min(to, i + 32), n = end - i;
                   Bf16Scope scope(context.bf16);
                   const Tensor x = as_batch(in.pictures, i, end), small = torch::avg_pool2d(x, 2);
                   const Tensor map = (edges(x) * 255).round().to(torch::kUInt8);
                   std::vector<Tensor> coded;
                   for (int k = 0; k < 2; k++) {
                     std::vector<int> q;
                     for (int64_t j = 0; j < n; j++)
                       q.push_back(train ? 54 + int(random.below(10)) : 60);
                     coded.push_back(code_maps(map, q));
                   }
                   maps.push_back(torch::cat(coded, 1));
                   // A scene's layout is not a crop's: only pictures filled by the object have a code that
                   // the generator knows.
                   Tensor code = layout(features(small, 3)[2]);
                   const Tensor mine = has.slice(0, i, end);
                   const auto said = text->te(tokens.slice(0, i, end).select(1, random.below(kCaptions)));
                   const auto column = mine.to(torch::kFloat32).unsqueeze(1);
                   const Tensor drawn =
                       torch::multinomial(generator->layouts(said.sentence * column).softmax(1), 1);
                   Tensor hint = code.clone();
                   for (int64_t j = 0; j < n; j++)
                     if (context.data.entries[views[size_t(i + j)].entry].kind != Kind::Object) {
                       code[j] = drawn[j][0];
                       hint[j] = kNoHint;
                     }
                   const Tensor painted = generator(torch::randn({n, nets::GeneratorImpl::kNoiseWidth}),
                                                    said.words, said.sentence * column, said.mask, code);
                   bases.push_back(torch::where(mine.view({-1, 1, 1, 1}), from_unit(painted),
                                                torch::full({1}, 127, torch::kUInt8)));
                   sentences.push_back(text->te(tokens.slice(0, i, end).select(1, 0)).sentence * column);
                   hints.push_back(hint);
                 }
                 return TensorMap{{"maps", torch::cat(maps)},
                                  {"bases", torch::cat(bases)},
                                  {"sentences", torch::cat(sentences)},
                                  {"hints", torch::cat(hints)}};
               });
  in.maps = made.at("maps");
  in.bases = made.at("bases");
  in.sentences = made.at("sentences");
  in.hints = made.at("hints");
  in.captioned = has;
  return in;
}

Tensor vague_base(const Tensor& pictures, StepRandom& random) {
  const int64_t cells = 8 + random.below(9), b = pictures.size(0);
  const Tensor v = torch::upsample_bicubic2d(
      torch::adaptive_avg_pool2d(pictures.contiguous(), {cells, cells}), {128, 128}, false);
  const Tensor mean = v.mean(1, true);
  return ((v - mean) * (0.7 + 0.6 * torch::rand({b, 1, 1, 1})) +
          mean * (0.8 + 0.4 * torch::rand({b, 1, 1, 1})) + 0.15 * torch::randn({b, 3, 1, 1}))
      .clamp(-1, 1);
}

SideInputs side_inputs(const Context& context, const StructureInputs& inputs) {
  torch::NoGradGuard no_grad;
  nets::StructureSynthesis synthesis;
  load_frozen(*synthesis, context, "structure");
  SideInputs out;
  out.pictures = inputs.pictures;
  out.bases = torch::empty(inputs.pictures.sizes(), torch::kUInt8);
  out.maps = torch::empty({inputs.maps.size(0), 1, inputs.maps.size(2), inputs.maps.size(3)}, torch::kUInt8);
  torch::manual_seed(mix_bits(context.settings.seed));
  for (int64_t i = 0; i < inputs.pictures.size(0); i += 16) {
    const int64_t end = std::min(inputs.pictures.size(0), i + 16);
    StepRandom random(context.settings.seed, i, 0x53);
    const Tensor map = inputs.maps.slice(0, i, end).narrow(1, random.below(2), 1);
    const Tensor vague =
        vague_base(as_batch(inputs.pictures, i, end), random) * (torch::rand({end - i, 1, 1, 1}) < 0.5);
    const Tensor own = as_batch(inputs.bases, i, end);
    const Tensor base = torch::where(inputs.captioned.slice(0, i, end).view({-1, 1, 1, 1}), own, vague);
    Bf16Scope scope(context.bf16);
    out.bases.slice(0, i, end).copy_(
        from_unit(synthesis(base.contiguous(at::MemoryFormat::ChannelsLast), to_unit(map))));
    out.maps.slice(0, i, end).copy_(map);
  }
  return out;
}

} // namespace gsem::train
