// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/evaluation.hpp"

#include "models/entropy/caption_coder.hpp"
#include "models/runtime/models.hpp"
#include "models/train/eval/judges.hpp"
#include "models/train/eval/layer_chain.hpp"
#include "models/train/eval/painter.hpp"
#include "models/train/eval/picture_quality.hpp"
#include "models/train/eval/rate_curve.hpp"
#include "models/train/eval/sheet.hpp"
#include "models/train/picture_store.hpp"

#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <stdexcept>

namespace gsem::eval {

namespace {

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
    judge_words();
    judge_captions();
    judge_edges();
    judge_hints();
    judge_features();
    result_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(result_);
  }

private:
  void choose() {
    std::vector<std::string> messages;
    data_ = train::read_data(settings_.data, messages);
    for (const auto& m : messages)
      say_(m);
    auto all = data_.select(train::Kind::Object, false);
    std::erase_if(all, [&](size_t i) { return data_.entries[i].captions.empty(); });
    test_ = all;
    result_.test_pictures = int(all.size());
    for (size_t i = 0; i < all.size(); i += size_t(settings_.every))
      if (!settings_.count || chosen_.size() < size_t(settings_.count))
        chosen_.push_back(all[i]);
    say_(std::to_string(chosen_.size()) + " of " + std::to_string(all.size()) + " test pictures");
  }

  void batch(size_t from, size_t to) {
    std::vector<cv::Mat> sources;
    std::vector<const train::Entry*> entries;
    for (size_t i = from; i < to; i++) {
      cv::Mat bgr;
      if (!picture(chosen_[i], bgr))
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
    if (from == 0 && !settings_.pictures.empty())
      write_sheet(sheet_, settings_.qualities, settings_.pictures);
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
      const FileParts all = read_parts(coded.all[q]), alone = read_parts(coded.alone[q]);
      r.signal_bytes.push_back(all.payload[3]);
      r.all.push_back(compare(source, shown.all[q], all.size,
                              all.payload[1] + all.payload[2] + all.payload[3], chain_.qualities[q]));
      r.alone.push_back(compare(source, shown.alone[q], alone.size, alone.payload[3], chain_.qualities[q]));
    }
    const bool slow_too = program_turn();
    for (const auto& codec : codecs_)
      if (!codec->program || slow_too)
        r.reference[codec->name] = references_.measure(*codec, source);
    if (int(result_.pictures.size()) < settings_.perceptual)
      judge_programs(source, shown, r);
    cv::Mat map;
    cv::resize(shown.map, map, {kEdgeSide, kEdgeSide}, 0, 0, cv::INTER_AREA);
    maps_.push_back(map);
    found_.push_back(edges_->find(shown.shapes));
    keep_features("source", source);
    keep_features("layer 1", shown.words);
    keep_features("layers 1-2", shown.shapes);
    for (size_t q = 0; q < chain_.qualities.size(); q++)
      keep_features("layers 1-3, quality " + std::to_string(chain_.qualities[q]), shown.all[q]);
    result_.pictures.push_back(std::move(r));
  }

  /// Codecs that cost a process a picture take an evenly spread part of the pictures.
  bool program_turn() const {
    const size_t n = chosen_.size(), most = size_t(std::max(settings_.program_pictures, 1));
    const size_t step = (n + most - 1) / most;
    return settings_.program_pictures > 0 && result_.pictures.size() % step == 0;
  }

  void keep_features(const std::string& what, const cv::Mat& picture) {
    features_[what].push_back(embedding_->features(picture));
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

  /// Is a picture painted from its own caption nearer to that caption than one painted from another's? A
  /// picture painted from caption j is the picture j: painting knows nothing but the caption.
  void judge_words() {
    std::vector<std::string> sent, human;
    std::vector<double> bytes;
    for (const auto& p : result_.pictures) {
      sent.push_back(p.caption);
      human.push_back(p.human);
      Bytes coded;
      if (profile_->caption_coder->encode({p.human}, coded) == Status::Ok)
        bytes.push_back(double(coded.size()));
    }
    result_.human_caption_bytes = mean(bytes);
    const cv::Mat said = embedding_->captions(sent), human_said = embedding_->captions(human);
    const cv::Mat painted = embedding_->pictures(features_["layer 1"]),
                  source = embedding_->pictures(features_["source"]),
                  shaped = embedding_->pictures(features_["layers 1-2"]);
    const auto other = derangement(sent.size(), 1);
    auto against = [&](const cv::Mat& captions, double& own_mean, double& shuffled_mean) {
      std::vector<double> own, shuffled, difference;
      for (int i = 0; i < painted.rows; i++) {
        own.push_back(painted.row(i).dot(captions.row(i)));
        shuffled.push_back(painted.row(int(other[size_t(i)])).dot(captions.row(i)));
        difference.push_back(own.back() - shuffled.back());
      }
      own_mean = mean(own);
      shuffled_mean = mean(shuffled);
      return paired_bootstrap(difference);
    };
    result_.words_own = against(said, result_.similarity, result_.shuffled_similarity);
    result_.words_human = against(human_said, result_.human_similarity, result_.human_shuffled_similarity);
    result_.r_precision["painted picture, caption as sent"] = r_precision(painted, said, sent);
    result_.r_precision["painted picture, human caption"] = r_precision(painted, human_said, human);
    result_.r_precision["layers 1-2 picture, human caption"] = r_precision(shaped, human_said, human);
    result_.r_precision["source picture, caption as sent"] = r_precision(source, said, sent);
    result_.r_precision["source picture, human caption"] = r_precision(source, human_said, human);
  }

  /// A picture of the data set as the elements get it: 8-bit BGR, kSide square. False: broken.
  bool picture(size_t index, cv::Mat& out) const {
    cv::Mat rgb;
    if (!train::decode_picture(data_.entries[index], rgb, say_))
      return false;
    cv::cvtColor(train::squash(rgb, kSide), out, cv::COLOR_RGB2BGR);
    return true;
  }

  /// Words alone need no pipeline: the captioner describes the whole test split.
  void judge_captions() {
    std::vector<TextWords> said, first;
    std::vector<std::vector<TextWords>> references, others;
    const size_t most = settings_.caption_pictures ? size_t(settings_.caption_pictures) : test_.size();
    const size_t step = std::max<size_t>(1, test_.size() / std::max<size_t>(most, 1));
    for (size_t i = 0; i < test_.size(); i += step) {
      cv::Mat bgr;
      if (!picture(test_[i], bgr))
        continue;
      std::vector<TextWords> human;
      for (const auto& text : data_.entries[test_[i]].captions)
        human.push_back(split_words(text));
      if (human.size() < 2)
        continue;
      said.push_back(split_words(painter().describe(bgr).text));
      first.push_back(human.front());
      references.push_back(human);
      others.emplace_back(human.begin() + 1, human.end());
    }
    result_.captions = rate_captions(said, references);
    result_.human_captions = rate_captions(first, others);
    say_(std::to_string(said.size()) + " captions rated");
  }

  /// The same words painted with the layout code that was sent and with another picture's: which has the
  /// source's shapes?
  void judge_hints() {
    std::vector<double> difference;
    const auto other = derangement(maps_.size(), 3);
    for (size_t i = 0; i < maps_.size(); i++) {
      const PictureResult& r = result_.pictures[i];
      auto score = [&](int hint) {
        return match_edges(edges_->find(painter().paint({r.caption, hint})), maps_[i], kEdgeThreshold,
                           kEdgeTolerance)
            .f;
      };
      const double own = score(r.hint), others = score(result_.pictures[other[i]].hint);
      result_.hint_f += own / double(maps_.size());
      result_.other_hint_f += others / double(maps_.size());
      difference.push_back(own - others);
    }
    result_.hints = paired_bootstrap(difference);
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
    result_.structure = paired_bootstrap(difference);
  }

  void judge_features() {
    for (const auto& [what, rows] : features_)
      if (what != "source")
        result_.frechet[what] = frechet_distance(features_["source"], rows);
    auto train = data_.select(train::Kind::Object, true);
    const size_t step = std::max<size_t>(1, train.size() / result_.pictures.size());
    cv::Mat real, bgr;
    for (size_t i = 0; i < train.size() && real.rows < int(result_.pictures.size()); i += step)
      if (picture(train[i], bgr))
        real.push_back(embedding_->features(bgr));
    if (real.rows > 1)
      result_.real_frechet = frechet_distance(features_["source"], real);
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
  std::unique_ptr<Embedding> embedding_;
  std::unique_ptr<EdgeJudge> edges_;
  std::vector<std::unique_ptr<ReferenceCodec>> codecs_;
  train::DataSet data_;
  std::vector<size_t> test_, chosen_; ///< the whole test split with captions; what is measured of it
  std::unique_ptr<Painter> painter_;
  std::vector<cv::Mat> maps_, found_; ///< as sent; found in the layer 2 picture
  std::map<std::string, cv::Mat> features_;
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
