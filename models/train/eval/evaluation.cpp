// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/evaluation.hpp"

#include "models/entropy/caption_coder.hpp"
#include "models/runtime/models.hpp"
#include "models/train/eval/equal_bytes.hpp"
#include "models/train/eval/judges.hpp"
#include "models/train/eval/layer_chain.hpp"
#include "models/train/eval/painter.hpp"
#include "models/train/eval/picture_quality.hpp"
#include "models/train/eval/rate_curve.hpp"
#include "models/train/eval/sheet.hpp"
#include "models/train/eval/test_picture.hpp"
#include "models/train/picture_store.hpp"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace gsem::eval {

namespace {

constexpr size_t kPages = 4;  ///< at equal bytes
constexpr size_t kBatch = 32; ///< pictures a pipeline: as many as fit well into memory at all qualities

Measured compare(const cv::Mat& source, const cv::Mat& shown, size_t file, size_t payload, int setting) {
  return {setting, file, payload, psnr(source, shown), ms_ssim(source, shown)};
}

class Run {
public:
  Run(const EvaluationSettings& settings, const Progress& progress)
      : settings_(settings), say_(progress), references_(settings.out + "/reference-codecs.txt") {
    std::string error;
    if (profile::load_profile(settings.profile, profile_, error) != Status::Ok)
      throw std::runtime_error(error);
    chain_.profile = settings.profile;
    chain_.qualities = settings.qualities;
    chain_.map_quality = settings.map_quality;
    chain_.threads = settings.threads;
    set_judge_threads(settings.threads);
    embedding_ = std::make_unique<Embedding>(*profile_);
    if (!settings.judge.empty())
      judge_ = std::make_unique<Embedding>(settings.judge);
    edges_ = std::make_unique<EdgeJudge>(*profile_, settings.teacher);
    codecs_ = reference_codecs(settings.codecs, result_.missing_codecs);
    for (const auto& c : codecs_)
      result_.codecs.emplace_back(c->name, c->title + "; payload: " + c->payload_rule);
    result_.profile = profile_->name;
    result_.profile_version = profile_->version;
    result_.edge_detector = edges_->name();
    result_.runtime = runtime::describe_runtime();
  }

  Evaluation run() {
    const auto start = std::chrono::steady_clock::now();
    choose();
    for (size_t from = 0; from < chosen_.size(); from += kBatch)
      batch(from, std::min(from + kBatch, chosen_.size()));
    if (result_.pictures.size() < 2)
      throw std::runtime_error("two test pictures at least are needed");
    judge_edges();
    judge_hints();
    code_photos();
    show_examples();
    if (!settings_.boundaries.empty())
      result_.boundaries = judge_boundaries(
          *profile_, {settings_.boundaries, settings_.teacher, settings_.out + "/boundaries.txt"}, say_);
    judge_paintings();
    result_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(result_);
  }

private:
  void choose() {
    data_ = read(settings_.data);
    test_ = data_.select(train::Kind::Object, false);
    std::erase_if(test_, [&](size_t i) { return data_.entries[i].captions.empty(); });
    result_.test_pictures = int(test_.size());
    for (size_t i = 0; i < test_.size(); i += size_t(settings_.every))
      if (!settings_.count || chosen_.size() < size_t(settings_.count))
        chosen_.push_back(test_[i]);
    say_(std::to_string(chosen_.size()) + " of " + std::to_string(test_.size()) + " test pictures");
  }

  train::DataSet read(const std::vector<std::string>& folders) const {
    std::vector<std::string> messages;
    auto data = train::read_data(folders, messages);
    for (const auto& m : messages)
      say_(m);
    return data;
  }

  void batch(size_t from, size_t to) {
    std::vector<cv::Mat> sources;
    std::vector<const train::Entry*> entries;
    for (size_t i = from; i < to; i++) {
      cv::Mat bgr;
      if (!load_object(data_, chosen_[i], kSide, say_, bgr))
        continue;
      sources.push_back(bgr);
      entries.push_back(&data_.entries[chosen_[i]]);
    }
    if (sources.empty())
      return;
    const auto coded = encode_layers(sources, chain_);
    const auto shown = decode_layers(coded, chain_);
    say_("pictures " + std::to_string(from) + " to " + std::to_string(to - 1) + " coded and decoded");
    if (from == 0)
      check_chain(coded[0], shown[0]);
    for (size_t i = 0; i < sources.size(); i++) {
      measure(*entries[i], sources[i], coded[i], shown[i]);
      if (!settings_.pictures.empty() && result_.pictures.size() <= size_t(settings_.sheet_pictures))
        sheet_.push_back({sources[i], shown[i].map, shown[i].words, shown[i].shapes, shown[i].all,
                          result_.pictures.back()});
    }
    if (from == 0 && !settings_.pictures.empty()) {
      write_sheet(sheet_, settings_.qualities, settings_.pictures);
      sources.resize(std::min(sources.size(), kPages));
      write_equal_bytes(sources, chain_, codecs_, settings_.pictures + "/equal-bytes");
    }
  }

  /// The bytes of one file are all that semanticdecodebin needs for the same picture.
  void check_chain(const CodedLayers& coded, const ShownLayers& shown) {
    auto differ = [&](const Bytes& file, int layer, const cv::Mat& wanted) {
      result_.largest_difference = std::max(
          result_.largest_difference, int(cv::norm(decode_file(file, chain_, layer), wanted, cv::NORM_INF)));
    };
    differ(coded.words, 1, shown.words);
    differ(coded.shapes, 2, shown.shapes);
    for (size_t q = 0; q < coded.all.size(); q++) {
      differ(coded.all[q], 3, shown.all[q]);
      differ(coded.no_map[q], 3, shown.no_map[q]);
      differ(coded.alone[q], 3, shown.alone[q]);
    }
  }

  void measure(const train::Entry& entry, const cv::Mat& source, const CodedLayers& coded,
               const ShownLayers& shown) {
    PictureResult r;
    r.name = entry.name;
    r.human = entry.captions.front();
    const FileParts words = read_parts(coded.words), shapes = read_parts(coded.shapes);
    entropy::Caption caption;
    if (profile_->caption_coder->decode(words.caption, caption) != Status::Ok)
      throw std::runtime_error(entry.name + ": the caption cannot be read");
    r.caption = caption.text;
    r.hint = caption.hint;
    r.caption_bytes = words.payload[1];
    r.structure_bytes = shapes.payload[2];
    r.words_file = words.size;
    r.shapes_file = shapes.size;
    r.words = compare(source, shown.words, words.size, words.payload[1], 0);
    r.shapes = compare(source, shown.shapes, shapes.size, shapes.payload[1] + shapes.payload[2], 0);
    for (size_t q = 0; q < chain_.qualities.size(); q++) {
      const FileParts all = read_parts(coded.all[q]), no_map = read_parts(coded.no_map[q]),
                      alone = read_parts(coded.alone[q]);
      r.signal_bytes.push_back(all.payload[3]);
      r.all.push_back(compare(source, shown.all[q], all.size,
                              all.payload[1] + all.payload[2] + all.payload[3], chain_.qualities[q]));
      r.no_map.push_back(compare(source, shown.no_map[q], no_map.size, no_map.payload[1] + no_map.payload[3],
                                 chain_.qualities[q]));
      r.alone.push_back(compare(source, shown.alone[q], alone.size, alone.payload[3], chain_.qualities[q]));
    }
    const bool slow_too = program_turn(result_.pictures.size(), chosen_.size());
    for (const auto& codec : codecs_)
      if (!codec->program || slow_too)
        r.reference[codec->name] = references_.measure(*codec, source);
    if (int(result_.pictures.size()) < settings_.perceptual)
      judge_programs(source, shown, r);
    cv::Mat map;
    cv::resize(shown.map, map, {kEdgeSide, kEdgeSide}, 0, 0, cv::INTER_AREA);
    maps_.push_back(map);
    found_.push_back(edges_->find(shown.shapes));
    result_.pictures.push_back(std::move(r));
  }

  /// Codecs that cost a process a picture take an evenly spread part of the pictures.
  bool program_turn(size_t number, size_t n) const {
    const size_t most = size_t(std::max(settings_.program_pictures, 1)), step = (n + most - 1) / most;
    return settings_.program_pictures > 0 && number % std::max<size_t>(step, 1) == 0;
  }

  /// Ours against the smallest JPEG that has at least as many bytes.
  void judge_programs(const cv::Mat& source, const ShownLayers& shown, const PictureResult& r) {
    static const std::vector<PerceptualTool> tools = perceptual_tools();
    const auto jpeg =
        std::find_if(codecs_.begin(), codecs_.end(), [](const auto& c) { return c->name == "jpeg"; });
    const auto curve = r.reference.find("jpeg");
    if (jpeg == codecs_.end() || curve == r.reference.end() || curve->second.empty())
      return;
    for (size_t q = 0; q < chain_.qualities.size(); q++) {
      auto at = std::find_if(curve->second.begin(), curve->second.end(),
                             [&](const Measured& m) { return m.file >= r.all[q].file; });
      if (at == curve->second.end())
        at = std::prev(at);
      CodedPicture coded;
      cv::Mat theirs;
      if (!(*jpeg)->encode(source, at->setting, coded) || !(*jpeg)->decode(coded, theirs))
        continue;
      for (const auto& tool : tools) {
        double a = 0, b = 0;
        if (!judge(tool, source, shown.all[q], a) || !judge(tool, source, theirs, b))
          continue;
        PerceptualRow& row = perceptual_row(tool.name, chain_.qualities[q]);
        row.pictures++;
        auto add = [&](double& mean, double value) { mean += (value - mean) / row.pictures; };
        add(row.ours, a);
        add(row.jpeg, b);
        add(row.ours_bytes, double(r.all[q].file));
        add(row.jpeg_bytes, double(at->file));
      }
    }
  }

  PerceptualRow& perceptual_row(const std::string& tool, int quality) {
    for (auto& row : result_.perceptual)
      if (row.tool == tool && row.quality == quality)
        return row;
    result_.perceptual.push_back({tool, quality});
    return result_.perceptual.back();
  }

  /// The same words painted with the layout code that was sent and with another picture's: which has the
  /// source's shapes?
  void judge_hints() {
    std::vector<double> difference;
    const auto other = derangement(maps_.size(), 3);
    for (size_t i = 0; i < maps_.size(); i++) {
      const PictureResult& r = result_.pictures[i];
      auto score = [&](int hint) {
        return match_edges(edges_->find(painter().paint({r.caption, uint8_t(hint)})), maps_[i],
                           kEdgeThreshold, kEdgeTolerance)
            .f;
      };
      const double own = score(r.hint), others = score(result_.pictures[other[i]].hint);
      result_.hint_f += own / double(maps_.size());
      result_.other_hint_f += others / double(maps_.size());
      difference.push_back(own - others);
    }
    result_.shuffled.push_back({"layout hint", "edge F of the painted picture and the sent map", maps_.size(),
                                result_.hint_f, result_.other_hint_f, paired_bootstrap(difference)});
  }

  void judge_edges() {
    const auto other = derangement(maps_.size(), 2);
    std::vector<double> difference;
    auto add = [&](EdgeScore& sum, const EdgeScore& s) {
      const double n = double(maps_.size());
      sum.precision += s.precision / n;
      sum.recall += s.recall / n;
      sum.f += s.f / n;
    };
    for (size_t i = 0; i < maps_.size(); i++) {
      PictureResult& r = result_.pictures[i];
      r.edges = match_edges(found_[i], maps_[i], kEdgeThreshold, kEdgeTolerance);
      r.other_edges = match_edges(found_[i], maps_[other[i]], kEdgeThreshold, kEdgeTolerance);
      add(result_.edges, r.edges);
      add(result_.other_edges, r.other_edges);
      difference.push_back(r.edges.f - r.other_edges.f);
    }
    result_.shuffled.push_back({"map", "edge F of the layers 1-2 picture and the map", maps_.size(),
                                result_.edges.f, result_.other_edges.f, paired_bootstrap(difference)});
  }

  /// Pages for the documentation, of pictures that are not the data set's.
  void show_examples() {
    if (settings_.examples.empty())
      return;
    std::vector<std::filesystem::path> files;
    for (const auto& e : std::filesystem::directory_iterator(settings_.examples))
      if (e.path().extension() == ".png")
        files.push_back(e.path());
    std::sort(files.begin(), files.end());
    std::vector<cv::Mat> sources;
    for (const auto& f : files)
      if (const cv::Mat bgr = cv::imread(f, cv::IMREAD_COLOR); !bgr.empty() && sources.size() < kPages)
        sources.push_back(train::squash(bgr, kSide));
    std::filesystem::create_directories(settings_.docs + "/img");
    result_.example_pages = write_equal_bytes(sources, chain_, codecs_, settings_.docs + "/img/equal-bytes");
    std::ifstream source(settings_.examples + "/SOURCE.txt");
    std::getline(source, result_.example_source);
    say_(std::to_string(sources.size()) + " pages at equal bytes");
  }

  /// The signal layer alone on photos of anything, against the codecs that are compared by bytes.
  void code_photos() {
    if (settings_.photos.empty())
      return;
    const auto photos = read(settings_.photos);
    const auto all = photos.select(train::Kind::Boundary, false);
    if (all.empty())
      throw std::runtime_error("--photos: no BSDS500 (train, val and test with NAME.jpg and NAME.png) there");
    result_.test_photos = int(all.size());
    std::vector<size_t> taken;
    for (size_t i = 0; i < all.size(); i += size_t(settings_.photo_every))
      if (!settings_.count || taken.size() < size_t(settings_.count))
        taken.push_back(all[i]);
    ChainSettings chain = chain_;
    chain.below = false;
    for (size_t from = 0; from < taken.size(); from += kBatch) {
      std::vector<cv::Mat> sources;
      std::vector<std::string> names;
      for (size_t i = from; i < std::min(from + kBatch, taken.size()); i++)
        if (cv::Mat bgr; load_photo(photos, taken[i], kSide, say_, bgr)) {
          sources.push_back(bgr);
          names.push_back(photos.entries[taken[i]].name);
        }
      if (sources.empty())
        continue;
      const auto coded = encode_layers(sources, chain);
      const auto shown = decode_layers(coded, chain);
      for (size_t i = 0; i < sources.size(); i++)
        measure_photo(names[i], sources[i], coded[i], shown[i]);
      say_("photos " + std::to_string(from) + " to " + std::to_string(from + sources.size() - 1));
    }
  }

  void measure_photo(const std::string& name, const cv::Mat& source, const CodedLayers& coded,
                     const ShownLayers& shown) {
    PictureResult r;
    r.name = name;
    for (size_t q = 0; q < chain_.qualities.size(); q++) {
      const FileParts alone = read_parts(coded.alone[q]);
      r.alone.push_back(compare(source, shown.alone[q], alone.size, alone.payload[3], chain_.qualities[q]));
    }
    for (const auto& codec : codecs_)
      if (codec->name != "jxl") // two more processes a picture and setting, for the weakest rival here
        r.reference[codec->name] = references_.measure(*codec, source);
    result_.photos.push_back(std::move(r));
  }

  void judge_paintings() {
    PaintedInput in;
    in.data = &data_;
    const size_t most = settings_.painted ? size_t(settings_.painted) : test_.size(),
                 step = std::max<size_t>(1, test_.size() / std::max<size_t>(most, 1));
    for (size_t i = 0; i < test_.size() && in.test.size() < most; i += step)
      in.test.push_back(test_[i]);
    in.train = data_.select(train::Kind::Object, true);
    in.profile = profile_;
    in.chain = chain_;
    in.own = embedding_.get();
    in.judge = judge_.get();
    std::vector<const Embedding*> networks{in.own};
    if (in.judge)
      networks.push_back(in.judge);
    FeatureStore store(settings_.out + "/features.bin", networks);
    in.store = &store;
    in.painter = &painter();
    in.side = kSide;
    in.effort_pictures = settings_.effort_pictures;
    for (const auto& codec : codecs_)
      if (codec->name == "avif")
        in.avif = codec.get();
    in.avif_at = [this](double bytes) { return avif_at(bytes); };
    in.say = say_;
    result_.painted = judge_painted(in);
  }

  /// The setting that comes nearest to so many bytes, on average over the pictures measured.
  std::pair<int, double> avif_at(double bytes) const {
    std::map<int, std::vector<double>> files;
    for (const auto& p : result_.pictures)
      if (const auto curve = p.reference.find("avif"); curve != p.reference.end())
        for (const auto& m : curve->second)
          files[m.setting].push_back(double(m.file));
    std::pair<int, double> best{-1, 0};
    for (const auto& [setting, sizes] : files)
      if (best.first < 0 || std::abs(std::log(mean(sizes) / bytes)) < std::abs(std::log(best.second / bytes)))
        best = {setting, mean(sizes)};
    return best;
  }

  Painter& painter() {
    if (!painter_)
      painter_ = std::make_unique<Painter>(*profile_, settings_.threads);
    return *painter_;
  }

  const EvaluationSettings& settings_;
  const Progress& say_;
  ReferenceResults references_;
  ChainSettings chain_;
  std::shared_ptr<const profile::Profile> profile_;
  std::unique_ptr<Embedding> embedding_, judge_; ///< the profile's own; the one that no training used
  std::unique_ptr<EdgeJudge> edges_;
  std::vector<std::unique_ptr<ReferenceCodec>> codecs_;
  train::DataSet data_;
  std::vector<size_t> test_, chosen_; ///< the whole test split with captions; what is measured of it
  std::unique_ptr<Painter> painter_;
  std::vector<cv::Mat> maps_, found_; ///< as sent; found in the layer 2 picture
  std::vector<SheetRow> sheet_;
  Evaluation result_;
};

} // namespace

Evaluation evaluate(const EvaluationSettings& settings, const Progress& progress) {
  std::filesystem::create_directories(settings.out);
  return Run(settings, progress).run();
}

Measured at_bytes(const std::vector<Measured>& curve, double bytes) {
  std::vector<RatePoint> p, m;
  for (const auto& c : curve) {
    p.push_back({double(c.file), c.psnr});
    m.push_back({double(c.file), c.ms_ssim});
  }
  Measured out;
  out.psnr = quality_at(p, bytes);
  out.ms_ssim = quality_at(m, bytes);
  if (!curve.empty())
    out.file = size_t(std::clamp(bytes, double(curve.front().file), double(curve.back().file)));
  return out;
}

} // namespace gsem::eval
