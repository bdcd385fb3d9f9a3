// SPDX-License-Identifier: LGPL-2.1-or-later
// The shared models behind plain pictures, on a profile of random weights that the test makes itself, and the
// pixel work around them.
#include "models/entropy/caption_builder.hpp"
#include "models/entropy/latent_table.hpp"
#include "models/nets/backbone.hpp"
#include "models/nets/captioner.hpp"
#include "models/nets/generator.hpp"
#include "models/nets/signal_codec.hpp"
#include "models/nets/structure.hpp"
#include "models/nets/weights.hpp"
#include "models/profile/sha256.hpp"
#include "models/runtime/models.hpp"
#include "models/runtime/noise.hpp"
#include "models/runtime/pixels.hpp"

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#undef CHECK // LibTorch may bring glog's
#include "tests/core/check.hpp"

using namespace gsem;
using namespace gsem::runtime;

namespace {

const char* const kWords[] = {"<pad>", "<unk>", "this", "bird",  "has",   "a",
                              "red",   "head",  "and",  "white", "belly", "unsayable"};
constexpr int kWordCount = 12;

Picture noise_picture(int width, int height, int channels, uint32_t seed) {
  Picture p{width, height, channels, std::vector<uint8_t>(size_t(width) * height * channels)};
  for (auto& v : p.data)
    v = uint8_t((seed = seed * 1664525 + 1013904223) >> 24);
  return p;
}

/// Soft content: what networks meet, and what resampling may be compared on.
Picture smooth_picture(int width, int height, int channels = 3) {
  Picture p{width, height, channels, std::vector<uint8_t>(size_t(width) * height * channels)};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c)
        p.data[(size_t(y) * width + x) * channels + c] =
            uint8_t(127.5 + 90 * std::sin(0.05 * x * (c + 1) + 0.4) * std::cos(0.04 * y + c));
  return p;
}

PictureView view(const Picture& p) {
  return {p.data.data(), p.width, p.height, p.width * p.channels};
}
PictureSpan span(Picture& p) {
  return {p.data.data(), p.width, p.height, p.width * p.channels};
}

// ---- pixels --------------------------------------------------------------------------------------

void resampling() {
  for (const auto filter : {Filter::Cubic, Filter::Triangle}) {
    for (const auto& [w, h] : std::vector<std::pair<int, int>>{{64, 48}, {17, 31}, {300, 200}, {1, 1}}) {
      Picture grey{64, 48, 3, std::vector<uint8_t>(64 * 48 * 3, 93)},
          out{w, h, 3, std::vector<uint8_t>(size_t(w) * h * 3)};
      resample(view(grey), 3, filter, w, h, out.data.data(), w * 3);
      bool constant = true;
      for (uint8_t v : out.data)
        constant &= v == 93;
      CHECK(constant);
    }
    const Picture p = noise_picture(20, 30, 1, 5);
    Picture same{20, 30, 1, std::vector<uint8_t>(600)};
    resample(view(p), 1, filter, 20, 30, same.data.data(), 20);
    CHECK(same.data == p.data);
    // Shrinking noise eightfold averages it (antialiasing): close to the mean everywhere.
    const Picture loud = noise_picture(512, 512, 1, 9);
    Picture small{32, 32, 1, std::vector<uint8_t>(1024)};
    resample(view(loud), 1, filter, 32, 32, small.data.data(), 32);
    double mean = 0, worst = 0;
    for (uint8_t v : small.data) {
      mean += v / 1024.0;
      worst = std::max(worst, std::abs(v - 127.5));
    }
    CHECK(std::abs(mean - 127.5) < 1.5 && worst < 40);
    // Symmetry: mirrored input gives mirrored output.
    Picture ramp{10, 1, 1, {}}, mirrored{10, 1, 1, {}}, a{7, 1, 1, std::vector<uint8_t>(7)}, b = a;
    for (int i = 0; i < 10; ++i) {
      ramp.data.push_back(uint8_t(i * i * 2));
      mirrored.data.push_back(uint8_t((9 - i) * (9 - i) * 2));
    }
    resample(view(ramp), 1, filter, 7, 1, a.data.data(), 7);
    resample(view(mirrored), 1, filter, 7, 1, b.data.data(), 7);
    CHECK(std::equal(a.data.begin(), a.data.end(), b.data.rbegin()));
  }
  std::vector<uint8_t> storage;
  const Picture p = noise_picture(8, 8, 3, 1);
  CHECK(fitted(view(p), 3, Filter::Cubic, 8, 8, storage).data == p.data.data() && storage.empty());
}

void shuffling() {
  constexpr int kStride = 100; // wider than 30 pixels
  std::vector<uint8_t> rows(size_t(21) * kStride);
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = uint8_t(i * 7 + i / 256);
  const PictureView in{rows.data(), 30, 21, kStride};
  for (int r : {1, 2, 4}) {
    const BlockLayout layout{r, 64 / r, 64 / r, 3 * r * r + 2, 2};
    std::vector<float> blocks(size_t(64 / r) * (64 / r) * layout.pitch, 9);
    unshuffle(in, 3, layout, 1 / 127.5f, -1, blocks.data());
    CHECK(blocks[0] == 9 && blocks[1] == 9); // another picture's channels
    bool right = true;
    for (int y = 0; y < 64; ++y)
      for (int x = 0; x < 64; ++x)
        for (int c = 0; c < 3; ++c) {
          const float v =
              blocks[(size_t(y / r) * (64 / r) + x / r) * layout.pitch + 2 + c * r * r + y % r * r + x % r];
          const int pixel = rows[size_t(std::min(y, 20)) * kStride + std::min(x, 29) * 3 + c];
          right &= std::abs(v - (pixel / 127.5f - 1)) < 1e-6f;
        }
    CHECK(right);
    std::vector<uint8_t> back(size_t(21) * 128, 77);
    shuffle_to_rgb(blocks.data(), layout, {back.data(), 30, 21, 128});
    bool same = true, outside = true;
    for (int y = 0; y < 21; ++y) {
      same &= std::equal(&back[size_t(y) * 128], &back[size_t(y) * 128 + 90], &rows[size_t(y) * kStride]);
      outside &= back[size_t(y) * 128 + 90] == 77;
    }
    CHECK(same && outside);
  }
  const float extremes[] = {-1e9f, -0.1f, 0, 0.5f, 1, 7, INFINITY, NAN};
  uint8_t bytes[8];
  to_bytes(extremes, 8, bytes);
  CHECK(bytes[0] == 0 && bytes[1] == 0 && bytes[2] == 0 && bytes[3] == 128 && bytes[4] == 255 &&
        bytes[5] == 255);
  CHECK(bytes[6] == 255 && bytes[7] == 0);
}

/// Known answers of the Random123 distribution.
void philox() {
  const uint32_t cases[3][10] = {{0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                 {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
                                  0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                 {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0,
                                  0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
  for (const auto& k : cases) {
    uint32_t out[4];
    philox4x32(k, k + 4, out);
    CHECK(std::equal(out, out + 4, k + 6));
  }
  std::vector<float> a(100000), b(100000);
  normal_noise(0, 0, a.data(), a.size());
  normal_noise(1, 0, b.data(), b.size());
  double mean = 0, square = 0, product = 0, fourth = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    mean += a[i];
    square += a[i] * a[i];
    fourth += std::pow(a[i], 4);
    product += a[i] * b[i];
  }
  const double n = double(a.size());
  CHECK(std::abs(mean / n) < 0.015 && std::abs(square / n - 1) < 0.02 && std::abs(fourth / n - 3) < 0.15);
  CHECK(std::abs(product / n) < 0.015);
  std::vector<float> odd(5);
  normal_noise(0, 0, odd.data(), odd.size());
  CHECK(std::equal(odd.begin(), odd.end(), a.begin()));
}

constexpr int64_t kLikelyLayouts[] = {3, 90}; ///< of pictures whose caption has no hint

// ---- a profile of random weights -----------------------------------------------------------------

struct Fixture {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("gsem-runtime-" + std::to_string(getpid()));
  profile::Profile profile;

  Fixture() {
    std::filesystem::create_directory(folder);
    profile.name = "random";
    profile.version = "1";
    profile.kind = "narrow";
    profile.folder = folder.string();
    torch::manual_seed(11);
    write<nets::Backbone>("backbone");
    write<nets::LayoutHint>("hint", [](auto& m) {
      m->basis.normal_();
      m->centroids.normal_();
    });
    write<nets::Captioner>(
        "captioner", [](auto&) {}, kWordCount);
    write<nets::TextEncoder>(
        "text", [](auto&) {}, kWordCount);
    write<nets::Generator>("generator", [](auto& m) {
      for (int64_t layout : kLikelyLayouts)
        m->named_parameters()["lp.bias"][layout] = 60;
    });
    write<nets::Upscale>("upscale");
    write<nets::EdgeNet>("edges");
    write<nets::StructureSynthesis>("structure");
    nets::SignalCodec signal = write<nets::SignalCodec>("signal", [](auto& m) {
      // Merges are born zero: with them the sides would not show.
      for (auto& p : m->named_parameters())
        if (p.key()[0] == 'm')
          p.value().normal_(0, 0.1);
    });
    std::ofstream vocabulary(folder / "vocab.txt");
    for (const char* w : kWords)
      vocabulary << w << "\n";
    vocabulary.close();
    add("vocabulary", folder / "vocab.txt");
    caption_table();
    signal_table(signal);
  }
  ~Fixture() { std::filesystem::remove_all(folder); }

  void add(const std::string& role, const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    const Bytes bytes((std::istreambuf_iterator<char>(file)), {});
    profile.files[role] = path.string();
    profile.hashes[role] = profile::to_hex(profile::sha256(bytes));
  }

  template <typename Holder, typename Change = void (*)(Holder&), typename... Args>
  Holder write(
      const std::string& role, Change change = [](Holder&) {}, Args... args) {
    Holder net(args...);
    torch::NoGradGuard no_grad;
    change(net);
    auto tensors = nets::export_weights(*net, role == "text" ? "te." : "");
    std::string error;
    const auto path = folder / (role + ".safetensors");
    CHECK(profile::write_safetensors(path.string(), tensors, {}, error) == Status::Ok);
    add(role, path);
    return net;
  }

  void caption_table() {
    entropy::CaptionTraining training;
    for (int i = 0; i < 20; ++i)
      training.captions.push_back(i % 2 ? "this bird has a red head" : "a white belly and a red head");
    Bytes table;
    CHECK(entropy::build_caption_table(training, table) == Status::Ok);
    CHECK(entropy::CaptionCoder::load(table, profile.caption_coder) == Status::Ok);
  }

  void signal_table(nets::SignalCodec& signal) {
    const auto values = [&](const std::string& name) {
      const auto all = signal->named_parameters();
      const at::Tensor t = all[name].detach().contiguous();
      return std::vector<float>(t.data_ptr<float>(), t.data_ptr<float>() + t.numel());
    };
    entropy::HyperWeights w;
    w.up1 = {256, 64, 1, values("hd.0.0.weight"), values("hd.0.0.bias")};
    w.up2 = {256, 64, 1, values("hd.2.0.weight"), values("hd.2.0.bias")};
    w.out = {384, 64, 3, values("hd.4.weight"), values("hd.4.bias")};
    w.context = {64, 192, 3, values("cx.weight"), values("cx.bias")};
    w.features = {64, 64, 1, values("ch.weight"), values("ch.bias")};
    w.more = {384, 64, 1, values("co.weight"), values("co.bias")};
    w.rows = 8;
    w.z_mean = values("zm");
    w.z_scale = values("zs");
    Bytes table;
    CHECK(entropy::build_signal_table(w, table) == Status::Ok);
    CHECK(entropy::LatentCoder::load(table, profile.latent_coder) == Status::Ok);
  }

  template <typename Holder>
  Holder load(const std::string& role) const {
    std::shared_ptr<const profile::SafetensorsFile> file;
    std::string error;
    Holder net;
    CHECK(profile::SafetensorsFile::open(profile.files.at(role), file, error) == Status::Ok);
    CHECK(file && nets::load_weights(*net, *file, error));
    net->eval();
    return net;
  }
};

at::Tensor tensor(const Picture& p, float scale = 1 / 127.5f, float bias = -1) {
  return torch::from_blob(const_cast<uint8_t*>(p.data.data()), {1, p.height, p.width, p.channels}, at::kByte)
                 .permute({0, 3, 1, 2})
                 .to(at::kFloat) *
             scale +
         bias;
}

/// Largest difference in grey levels between a picture and a tensor in [-1,1] (or 0..1 for a map).
int levels(const Picture& p, const at::Tensor& t, float scale = 127.5f, float bias = 127.5f) {
  const at::Tensor want = (t * scale + bias).round().clamp(0, 255);
  const at::Tensor have = tensor(p, 1, 0);
  return have.sizes() == want.sizes() ? int((have - want).abs().max().item<float>()) : 1000;
}

const ModelOptions kFast{"cpu", 1}, kExact{"cpu", 1, true};

void semantic(const Fixture& f) {
  std::string error;
  const auto m = acquire_semantic(f.profile, kFast, true, true, error);
  if (!m)
    std::fprintf(stderr, "%s\n", error.c_str());
  CHECK(m != nullptr);
  if (!m)
    return;
  const Picture p = smooth_picture(300, 200);
  entropy::Caption caption, again;
  CHECK(m->describe(view(p), caption, {}));
  CHECK(m->describe(view(p), again, {}));
  CHECK(caption == again && !caption.text.empty() && caption.hint < 127 && caption.seed == 0);
  std::string last;
  for (const std::string& w : entropy::caption_words(caption.text)) {
    bool known = false;
    for (const char* k : kWords)
      known |= w == k;
    CHECK(known && w != "unsayable" && w != "unk" && w != last);
    last = w;
  }
  Picture a, b, c;
  CHECK(m->paint(caption, a, {}) && m->paint(caption, b, {}));
  CHECK(a.width == 256 && a.height == 256 && a.channels == 3 && a.data.size() == 256 * 256 * 3);
  CHECK(a.data == b.data);
  caption.seed = 1;
  CHECK(m->paint(caption, c, {}) && c.data != a.data);
  caption.seed = 0;
  caption.text += " \xF0\x9F\x90\xA6 unheardof"; // unknown words change nothing
  CHECK(m->paint(caption, c, {}) && c.data == a.data);
  CHECK(m->paint({"", entropy::kNoHint, 0}, c, {}) && c.data.size() == a.data.size());
  float zero = 1, far = 0, back = 0;
  const Picture other = noise_picture(100, 100, 3, 2);
  CHECK(m->distance(view(p), view(p), zero, {}) && zero == 0);
  CHECK(m->distance(view(p), view(other), far, {}) && m->distance(view(other), view(p), back, {}));
  CHECK(far > 0 && std::abs(far - back) < 1e-6f);
  // One object a profile; a part that nobody asked for is an error, not a crash.
  CHECK(acquire_semantic(f.profile, kFast, true, false, error) == m);
}

/// A caption without a hint is painted in a layout drawn from the likely ones, the same each time.
void layout_without_hint(const Fixture& f) {
  std::string error;
  const auto m = acquire_semantic(f.profile, kFast, false, true, error);
  CHECK(m != nullptr);
  if (!m)
    return;
  int seen[2] = {};
  for (uint8_t i = 0; i < 16; ++i) {
    entropy::Caption caption{i % 2 ? kWords[3 + i / 4] : kWords[4 + i / 4], entropy::kNoHint, uint8_t(i / 8)};
    Picture drawn, again, told[2];
    CHECK(m->paint(caption, drawn, {}) && m->paint(caption, again, {}) && drawn.data == again.data);
    for (int k = 0; k < 2; ++k) {
      caption.hint = uint8_t(kLikelyLayouts[k]);
      CHECK(m->paint(caption, told[k], {}));
      seen[k] += drawn.data == told[k].data;
    }
    CHECK(told[0].data != told[1].data);
  }
  CHECK(seen[0] + seen[1] == 16 && seen[0] > 0 && seen[1] > 0);
}

void parts(const Fixture& f) {
  std::string error;
  entropy::Caption caption;
  const Picture p = smooth_picture(64, 64);
  auto m = acquire_semantic(f.profile, kFast, false, true, error);
  CHECK(m != nullptr);
  Outcome o = m->describe(view(p), caption, {});
  CHECK(o.result == JobResult::Failed && o.error.find("captioner") != std::string::npos);
  const auto same = acquire_semantic(f.profile, kFast, true, false, error);
  CHECK(same == m && m->describe(view(p), caption, {}));
}

void structure(const Fixture& f) {
  c10::InferenceMode inference;
  std::string error;
  const auto m = acquire_structure(f.profile, kExact, true, true, error);
  CHECK(m != nullptr);
  const Picture p = smooth_picture(256, 256);
  Picture map;
  CHECK(m->edges(view(p), map, {}));
  CHECK(map.width == 128 && map.height == 128 && map.channels == 1);
  CHECK(levels(map, f.load<nets::EdgeNet>("edges")->forward(tensor(p)), 255, 0) <= 1);
  auto net = f.load<nets::StructureSynthesis>("structure");
  const Picture base = smooth_picture(128, 128), edge = noise_picture(128, 128, 1, 4);
  StructureModel::BasePtr features;
  CHECK(m->prepare_base(view(base), features, {}) && features);
  Picture out{256, 256, 3, std::vector<uint8_t>(256 * 256 * 3)}, blank = out;
  CHECK(m->synthesize(features, view(edge), span(out), {}));
  CHECK(levels(out, net->forward(tensor(base), tensor(edge))) <= 1);
  CHECK(m->synthesize(nullptr, view(edge), span(blank), {}));
  CHECK(levels(blank, net->forward(torch::zeros({1, 3, 128, 128}), tensor(edge))) <= 1);
  // Any size in, any size out; rows of the target outside the picture stay untouched.
  const Picture odd = smooth_picture(227, 131), thin = smooth_picture(17, 300, 1);
  std::vector<uint8_t> rows(size_t(48) * 200, 5);
  CHECK(m->edges(view(odd), map, {}) && map.width == 128);
  CHECK(m->prepare_base(view(odd), features, {}));
  CHECK(m->synthesize(features, view(thin), {rows.data(), 33, 48, 200}, {}));
  bool untouched = true;
  for (int y = 0; y < 48; ++y)
    untouched &= rows[size_t(y) * 200 + 99] == 5 && rows[size_t(y) * 200 + 199] == 5;
  CHECK(untouched);
}

void signal(const Fixture& f) {
  c10::InferenceMode inference;
  std::string error;
  const auto m = acquire_signal(f.profile, kExact, true, true, error);
  CHECK(m != nullptr);
  auto net = f.load<nets::SignalCodec>("signal");
  const int w = 70, h = 51; // pads to 128 x 64
  const Picture p = smooth_picture(w, h), map = noise_picture(35, 26, 1, 8), base = noise_picture(w, h, 3, 3);
  const auto padded = [](const at::Tensor& t, int64_t width, int64_t height) {
    return torch::replication_pad2d(t, {0, width - t.size(3), 0, height - t.size(2)});
  };
  entropy::Latents latents;
  CHECK(m->analyze(view(p), 40, latents, {}));
  const at::Tensor q = torch::tensor({40 * 7 / 63.0f});
  const auto [y, z] = net->analyse(padded(tensor(p), 128, 64), q);
  const entropy::LatentShape shape = m->coder().shape(w, h);
  CHECK(latents.quality == 40 && shape.width == 8 && shape.height == 4);
  bool right = int64_t(latents.z.size()) == z.numel() && int64_t(latents.y.size()) == y.numel();
  const at::Tensor z_flat = z.contiguous().flatten(), y_flat = y.contiguous().flatten();
  for (size_t i = 0; right && i < latents.z.size(); ++i)
    right &= std::abs(latents.z[i] - z_flat[int64_t(i)].item<float>()) <= 0.5001f;
  CHECK(right);
  Bytes bytes;
  CHECK(m->coder().encode(shape, latents, bytes) == Status::Ok);
  entropy::Latents decoded;
  decoded.quality = 40;
  CHECK(m->coder().decode(shape, bytes, decoded) == Status::Ok);
  CHECK(decoded.y == latents.y && decoded.z == latents.z);
  at::Tensor y_hat = torch::empty({1, nets::SignalCodecImpl::kLatents, 4, 8});
  for (size_t i = 0; i < decoded.mean.size(); ++i)
    y_hat.flatten()[int64_t(i)] = decoded.y[i] + decoded.mean[i] / 64.0f;
  CHECK(float((y_hat - y).abs().max().item<float>()) <= 0.501f);
  for (const auto& [with_base, with_map] :
       std::vector<std::pair<bool, bool>>{{false, false}, {true, false}, {false, true}, {true, true}}) {
    const at::Tensor flags = torch::tensor({{with_base ? 1.f : 0.f, with_map ? 1.f : 0.f}});
    const at::Tensor b = with_base ? padded(tensor(base), 128, 64) : torch::zeros({1, 3, 64, 128});
    const at::Tensor e = with_map ? padded(tensor(map, 1 / 255.0f, 0), 64, 32) : torch::zeros({1, 1, 32, 64});
    const at::Tensor want = net->synthesise(y_hat, q, nets::SignalCodecImpl::side(b, e, flags));
    Picture out{w, h, 3, std::vector<uint8_t>(size_t(w) * h * 3)};
    CHECK(m->synthesize(decoded, with_base ? view(base) : PictureView(), with_map ? view(map) : PictureView(),
                        span(out), {}));
    CHECK(levels(out, want.slice(2, 0, h).slice(3, 0, w)) <= 1);
  }
  Picture wrong{w * 3, h, 3, std::vector<uint8_t>(size_t(w) * h * 9)};
  CHECK(m->synthesize(decoded, {}, {}, span(wrong), {}).result == JobResult::Failed);
  // The smallest and a wide picture.
  for (const auto& [width, height] : std::vector<std::pair<int, int>>{{16, 16}, {333, 40}}) {
    const Picture any = smooth_picture(width, height);
    Picture out = any;
    CHECK(m->analyze(view(any), 63, latents, {}));
    CHECK(m->synthesize(latents, view(p), view(map), span(out), {}));
  }
}

/// bfloat16, where the CPU has it, against 32-bit floats: nothing that a viewer or the rate would notice.
void fast_is_close(const Fixture& f) {
  std::string error;
  const Picture p = smooth_picture(256, 256);
  const auto mean_difference = [](const Picture& a, const Picture& b) {
    double sum = 0;
    for (size_t i = 0; i < a.data.size(); ++i)
      sum += std::abs(a.data[i] - b.data[i]);
    return a.data.size() == b.data.size() ? sum / double(a.data.size()) : 1e9;
  };
  Picture map[2], painted[2], drawn[2], shown[2];
  entropy::Latents latents[2];
  for (int i = 0; i < 2; ++i) {
    const ModelOptions& options = i ? kFast : kExact;
    const auto semantic = acquire_semantic(f.profile, options, false, true, error);
    const auto structure = acquire_structure(f.profile, options, true, true, error);
    const auto signal = acquire_signal(f.profile, options, true, true, error);
    CHECK(semantic && structure && signal);
    CHECK(semantic->paint({"a red head", 5, 0}, painted[i], {}));
    CHECK(structure->edges(view(p), map[i], {}));
    drawn[i] = shown[i] = p;
    StructureModel::BasePtr base;
    CHECK(structure->prepare_base(view(p), base, {}));
    CHECK(structure->synthesize(base, view(map[0]), span(drawn[i]), {}));
    CHECK(signal->analyze(view(p), 32, latents[i], {}));
    CHECK(signal->synthesize(latents[0], view(p), view(map[0]), span(shown[i]), {}));
  }
  CHECK(mean_difference(map[0], map[1]) < 1);
  CHECK(mean_difference(painted[0], painted[1]) < 2);
  CHECK(mean_difference(drawn[0], drawn[1]) < 1);
  CHECK(mean_difference(shown[0], shown[1]) < 1);
  size_t changed = 0;
  for (size_t i = 0; i < latents[0].y.size(); ++i)
    changed += std::abs(latents[0].y[i] - latents[1].y[i]) > 1;
  CHECK(changed == 0);
}

void cancelled_and_late(const Fixture& f) {
  std::string error;
  const auto m = acquire_structure(f.profile, kFast, true, false, error);
  const Picture p = smooth_picture(64, 64);
  Picture map;
  CancelToken token;
  token.cancel();
  CallOptions o;
  o.cancel = &token;
  CHECK(m->edges(view(p), map, o).result == JobResult::Cancelled && map.data.empty());
  token.reset();
  CHECK(m->edges(view(p), map, o) && !map.data.empty());
  CallOptions late;
  late.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  CHECK(m->edges(view(p), map, late).result == JobResult::Late);
  // A caption that is being made stops between two stages.
  const auto semantic = acquire_semantic(f.profile, kFast, true, false, error);
  entropy::Caption caption;
  std::thread canceller([&] { token.cancel(); });
  const Outcome outcome = semantic->describe(view(p), caption, o);
  canceller.join();
  CHECK(outcome.result == JobResult::Cancelled || outcome.result == JobResult::Done);
  CHECK(m->edges(view(p), map, {}));
}

/// Every error names cause and place, and the same call works once the cause is gone.
void errors(Fixture& f) {
  std::string error;
  CHECK(!acquire_signal(f.profile, {"tpu", 1}, true, true, error) && error.find("tpu") != std::string::npos);
  if (!torch::cuda::is_available())
    CHECK(!acquire_signal(f.profile, {"cuda", 1}, true, true, error) &&
          error.find("device=cpu") != std::string::npos);
  profile::Profile p = f.profile;
  p.kind = "other";
  CHECK(!acquire_structure(p, kFast, true, true, error) && error.find("other") != std::string::npos);
  p.kind = "reference"; // with the narrow networks' files
  CHECK(!acquire_structure(p, kFast, true, true, error) && error.find("missing") != std::string::npos);
  p = f.profile;
  p.files.erase("edges");
  p.hashes.erase("edges");
  CHECK(!acquire_structure(p, kFast, true, false, error) && error.find("edges") != std::string::npos);
  CHECK(acquire_structure(p, kFast, false, true, error) != nullptr);
  p = f.profile;
  p.latent_coder = nullptr;
  p.hashes.erase("signal-table");
  p.version = "no table";
  CHECK(!acquire_signal(p, kFast, true, true, error) && error.find("signal table") != std::string::npos);
  p = f.profile;
  p.hashes["edges"][3] ^= 1;
  CHECK(!acquire_structure(p, kFast, true, false, error) &&
        error.find("edges.safetensors") != std::string::npos);
  // Weights of another network.
  p = f.profile;
  p.files["edges"] = f.profile.files["upscale"];
  p.hashes["edges"] = f.profile.hashes["upscale"];
  CHECK(!acquire_structure(p, kFast, true, false, error) && error.find("missing") != std::string::npos);
  CHECK(error.find("upscale.safetensors") != std::string::npos);
  // A torn file, then the whole one again.
  const std::filesystem::path path = f.profile.files["upscale"];
  const auto size = std::filesystem::file_size(path);
  std::filesystem::copy_file(path, path.string() + ".whole");
  std::filesystem::resize_file(path, size / 2);
  p = f.profile;
  f.add("upscale", path);
  CHECK(!acquire_semantic(f.profile, kFast, false, true, error) &&
        error.find("upscale") != std::string::npos);
  std::filesystem::rename(path.string() + ".whole", path);
  f.add("upscale", path);
  CHECK(acquire_semantic(f.profile, kFast, false, true, error) != nullptr);
}

void describes_itself() {
  const std::string text = describe_runtime();
  CHECK(text.find("LibTorch") == 0 && text.find("thread") != std::string::npos);
  std::printf("%s\n", text.c_str());
}

} // namespace

int main() {
  resampling();
  shuffling();
  philox();
  {
    Fixture f;
    semantic(f);
    layout_without_hint(f);
    parts(f);
    structure(f);
    signal(f);
    fast_is_close(f);
    cancelled_and_late(f);
    errors(f);
  }
  describes_itself();
  return check::result();
}
