// SPDX-License-Identifier: LGPL-2.1-or-later
// gst-semantic-stages: what the layers below show of every picture of a data folder, as PNG files that the
// layers above learn from (--stages of gst-semantic-train): layer 1's pictures and captions, edge maps, maps
// as decoded, layer 2's pictures. A file that is there is kept, so a stopped run goes on.
#include "models/profile/profile.hpp"
#include "models/runtime/models.hpp"
#include "models/train/reference/stage_folder.hpp"
#include "vtm_bridge/map_codec.hpp"

#include <CLI/CLI.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace {

using namespace gsem;
using namespace gsem::train;
namespace fs = std::filesystem;

constexpr int kSide = 256, kMapSide = 128;

struct Options {
  std::string profile, out = "stages", codec = "av1", vtm_dir;
  std::vector<std::string> data;
  int quantiser = -1, threads = 1;
  int64_t limit = 0;
  bool human_captions = false;
};

void check(const runtime::Outcome& outcome, const char* what) {
  if (!outcome)
    throw std::runtime_error(std::string(what) + ": " + outcome.error);
}

cv::Mat to_mat(runtime::Picture& p) {
  return cv::Mat(p.height, p.width, p.channels == 3 ? CV_8UC3 : CV_8UC1, p.data.data()).clone();
}

runtime::PictureView view(const cv::Mat& m) {
  return {m.data, m.cols, m.rows, int(m.step)};
}

/// Beside the file and renamed: a stopped run leaves no half pictures. Pictures are RGB or grey.
void save(const std::string& file, const cv::Mat& picture) {
  fs::create_directories(fs::path(file).parent_path());
  cv::Mat m = picture;
  if (m.channels() == 3)
    cv::cvtColor(picture, m, cv::COLOR_RGB2BGR);
  const std::string part = file + ".part.png";
  if (!cv::imwrite(part, m))
    throw std::runtime_error("cannot write " + part);
  fs::rename(part, file);
}

/// Empty: not there, or not whole.
cv::Mat load(const std::string& file, int flags) {
  cv::Mat m = cv::imread(file, flags);
  if (m.channels() == 3 && !m.empty())
    cv::cvtColor(m, m, cv::COLOR_BGR2RGB);
  return m;
}

class Stages {
public:
  explicit Stages(const Options& options) : options_(options) {
    std::string error;
    if (profile::load_profile(options.profile, profile_, error) != Status::Ok)
      throw std::runtime_error(error);
    const auto has = [&](const char* role) { return profile_->files.count(role) > 0; };
    runtime::ModelOptions models;
    models.threads = options.threads;
    const bool paint = has("generator"), describe = !options.human_captions && has("captioner");
    if (paint && !(semantic_ = runtime::acquire_semantic(*profile_, models, describe, true, error)))
      throw std::runtime_error(error);
    describes_ = describe;
    if ((has("edges") || has("structure")) &&
        !(structure_ = runtime::acquire_structure(*profile_, models, has("edges"), has("structure"), error)))
      throw std::runtime_error(error);
    finds_edges_ = has("edges");
    shows_ = has("structure");
    std::printf("layer1 %s, edges %s, layer2 %s\n",
                paint ? describe ? "described and painted" : "painted" : "no", finds_edges_ ? "found" : "no",
                shows_ ? "shown" : "no");
    make_codec();
  }

  void run() {
    Context context;
    context.settings.limit = options_.limit;
    context.message = [](const std::string& text) { std::printf("%s\n", text.c_str()); };
    std::vector<std::string> notes;
    context.data = read_data(options_.data, notes);
    for (const auto& note : notes)
      context.message(note);
    std::vector<size_t> all = stage_entries(context, true);
    const auto test = stage_entries(context, false);
    all.insert(all.end(), test.begin(), test.end());
    for (size_t i = 0; i < all.size(); i++) {
      one(context, context.data.entries[all[i]]);
      if ((i + 1) % 100 == 0 || i + 1 == all.size())
        std::printf("%zu of %zu pictures\n", i + 1, all.size()), std::fflush(stdout);
    }
  }

private:
  void make_codec() {
    maps::EncoderSettings settings;
    settings.codec = options_.codec;
    settings.width = settings.height = kMapSide;
    settings.programs.program_dir = options_.vtm_dir;
    if (maps::coded_format(options_.codec) == "vvc")
      settings.quantiser = 50;
    if (options_.quantiser >= 0)
      settings.quantiser = options_.quantiser;
    std::string error;
    if (maps::MapEncoder::create(settings, encoder_, error) != Status::Ok ||
        maps::MapDecoder::create(options_.codec, encoder_->codec_header(), decoder_, error,
                                 settings.programs) != Status::Ok)
      throw std::runtime_error("structure codec: " + error);
  }

  /// Of what is missing, whatever can be made.
  void one(const Context& context, const Entry& entry) {
    const auto file = [&](const char* what) { return stage_file(options_.out, what, entry); };
    const auto wanted = [&](const char* what) { return !fs::exists(file(what)); };
    const bool layer1 = semantic_ && wanted(kLayer1), edges = finds_edges_ && wanted(kEdges);
    cv::Mat picture;
    if (layer1 || edges) {
      cv::Mat rgb;
      if (!decode_picture(entry, rgb, context.message))
        return;
      picture = squash(rgb, kSide);
    }
    if (layer1)
      paint(entry, picture, file(kLayer1));
    if (edges) {
      runtime::Picture map;
      check(structure_->edges(view(picture), map, {}), "edges");
      save(file(kEdges), to_mat(map));
    }
    if (wanted(kMaps))
      if (const cv::Mat map = load(file(kEdges), cv::IMREAD_GRAYSCALE); !map.empty())
        save(file(kMaps), coded(map));
    if (shows_ && wanted(kLayer2))
      show(file(kLayer1), file(kMaps), file(kLayer2));
  }

  void paint(const Entry& entry, const cv::Mat& picture, const std::string& file) {
    entropy::Caption caption;
    if (describes_)
      check(semantic_->describe(view(picture), caption, {}), "describing");
    else if (!entry.captions.empty())
      caption.text = entry.captions.front();
    else
      return;
    runtime::Picture painted;
    check(semantic_->paint(caption, painted, {}), "painting");
    save(file, to_mat(painted));
    std::ofstream(fs::path(file).replace_extension(".txt")) << caption.text << '\n';
  }

  cv::Mat coded(const cv::Mat& map) {
    maps::EncodedMap sent;
    maps::Map back;
    if (encoder_->encode({map.data, map.cols, map.rows, int(map.step)}, true, sent) != Status::Ok)
      throw std::runtime_error("structure codec: " + encoder_->last_error());
    if (decoder_->decode(sent.payload, back) != Status::Ok || back.width != kMapSide ||
        back.height != kMapSide)
      throw std::runtime_error("structure codec: a map did not come back " + decoder_->last_error());
    return cv::Mat(back.height, back.width, CV_8UC1, back.data.data()).clone();
  }

  void show(const std::string& base_file, const std::string& map_file, const std::string& file) {
    const cv::Mat base = load(base_file, cv::IMREAD_COLOR), map = load(map_file, cv::IMREAD_GRAYSCALE);
    if (base.empty() || map.empty())
      return;
    runtime::StructureModel::BasePtr features;
    check(structure_->prepare_base(view(base), features, {}), "layer 2");
    cv::Mat out(kSide, kSide, CV_8UC3);
    check(structure_->synthesize(features, view(map), {out.data, out.cols, out.rows, int(out.step)}, {}),
          "layer 2");
    save(file, out);
  }

  const Options& options_;
  std::shared_ptr<const profile::Profile> profile_;
  std::shared_ptr<runtime::SemanticModel> semantic_;
  std::shared_ptr<runtime::StructureModel> structure_;
  std::unique_ptr<maps::MapEncoder> encoder_;
  std::unique_ptr<maps::MapDecoder> decoder_;
  bool describes_ = false, finds_edges_ = false, shows_ = false;
};

} // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app{
      "Makes what the layers below show of every picture of a data folder: layer1/ (pictures and "
      "captions), edges/, maps/ (as decoded), layer2/, as far as the profile has the networks. Run it "
      "again to go on, also with a profile that has more of them."};
  app.add_option("--profile", o.profile, "Profile: a name, or a folder")->required();
  app.add_option("--data", o.data, "Data folders (docs/training.md has the layouts)")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--out", o.out, "Folder to write")->capture_default_str();
  app.add_option("--codec", o.codec, "Map codec: av1, vvc, vtm")->capture_default_str();
  app.add_option("--quantiser", o.quantiser, "0..63 (default: av1 62, vvc and vtm 50, which are alike)")
      ->check(CLI::Range(0, 63));
  app.add_option("--vtm-dir", o.vtm_dir, "Folder of VTM's programs (default: GST_SEMANTIC_VTM_DIR)");
  app.add_flag("--human-captions", o.human_captions,
               "Paint each picture's first human caption, not what the captioner says");
  app.add_option("--limit", o.limit, "At most so many pictures of each split (0: all)")
      ->capture_default_str();
  app.add_option("--threads", o.threads, "CPU threads")->capture_default_str()->check(CLI::Range(1, 256));
  CLI11_PARSE(app, argc, argv);
  try {
    Stages(o).run();
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gst-semantic-stages: %s\n", e.what());
    return 1;
  }
}
