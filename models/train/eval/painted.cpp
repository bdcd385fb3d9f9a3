// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/painted.hpp"

#include <algorithm>
#include <future>
#include <map>
#include <stdexcept>
#include <tuple>

namespace gsem::eval {

namespace {

constexpr size_t kBatch = 64;

/// What a batch's elements and painters made, before anybody judges it.
struct Batch {
  std::vector<cv::Mat> sources, words, shapes, from_human, without_hint;
  std::vector<const train::Entry*> entries;
  std::vector<entropy::Caption> sent;
  std::vector<double> caption_bytes, shapes_file;
};

class Paintings {
public:
  explicit Paintings(const PaintedInput& input) : in_(input) {
    networks_.push_back(in_.own);
    if (in_.judge)
      networks_.push_back(in_.judge);
    in_.chain.qualities.clear();
  }

  PaintedResult run() {
    // Painting runs on the executor's thread and judging here: two batches are under way at a time.
    auto next = std::async(std::launch::async, [this] { return make(0); });
    for (size_t from = 0; from < in_.test.size(); from += kBatch) {
      const Batch batch = next.get();
      if (from + kBatch < in_.test.size())
        next = std::async(std::launch::async, [this, from] { return make(from + kBatch); });
      look_at(batch);
      in_.say("layers 1 and 2 of test pictures " + std::to_string(from) + " to " +
              std::to_string(std::min(from + kBatch, in_.test.size()) - 1));
    }
    result_.pictures = sent_.size();
    if (sent_.size() < 2)
      throw std::runtime_error("two test pictures at least are needed");
    result_.caption_bytes = mean(caption_bytes_);
    result_.shapes_file = mean(shapes_file_);
    rate_captions_said();
    find_captions();
    compare_features();
    if (in_.judge && in_.effort > 1 && in_.effort_pictures > 0)
      try_effort();
    return std::move(result_);
  }

private:
  Batch make(size_t from) const {
    Batch b;
    for (size_t i = from; i < std::min(from + kBatch, in_.test.size()); i++) {
      cv::Mat bgr;
      if (!load_object(*in_.data, in_.test[i], in_.side, in_.say, bgr))
        continue;
      b.sources.push_back(bgr);
      b.entries.push_back(&in_.data->entries[in_.test[i]]);
    }
    if (b.sources.empty())
      return b;
    const auto coded = encode_layers(b.sources, in_.chain);
    const auto shown = decode_layers(coded, in_.chain);
    for (size_t i = 0; i < coded.size(); i++) {
      const FileParts parts = read_parts(coded[i].shapes);
      entropy::Caption caption;
      if (in_.profile->caption_coder->decode(parts.caption, caption) != Status::Ok)
        throw std::runtime_error(b.entries[i]->name + ": the caption cannot be read");
      const std::string& human = b.entries[i]->captions.front();
      b.sent.push_back(caption);
      b.caption_bytes.push_back(double(parts.payload[1]));
      b.shapes_file.push_back(double(parts.size));
      b.words.push_back(shown[i].words);
      b.shapes.push_back(shown[i].shapes);
      b.from_human.push_back(in_.painter->paint({human, caption.hint}));
      b.without_hint.push_back(in_.painter->paint({human, entropy::kNoHint}));
    }
    return b;
  }

  void keep(const std::string& what, const std::vector<cv::Mat>& features) {
    auto& rows = features_[what];
    rows.resize(networks_.size());
    for (size_t n = 0; n < networks_.size(); n++)
      rows[n].push_back(features[n]);
  }
  void keep_shown(const std::string& what, const std::vector<cv::Mat>& pictures) {
    std::vector<cv::Mat> features;
    for (const Embedding* network : networks_)
      features.push_back(network->features(pictures));
    keep(what, features);
  }

  void look_at(const Batch& b) {
    if (b.sent.empty())
      return;
    keep_shown("layer 1", b.words);
    keep_shown("layers 1-2", b.shapes);
    keep_shown("human, hint", b.from_human);
    keep_shown("human", b.without_hint);
    for (size_t i = 0; i < b.sent.size(); i++) {
      keep("source", in_.store->take("source", b.sources[i], [&] { return b.sources[i]; }));
      const train::Entry& e = *b.entries[i];
      sent_.push_back(b.sent[i].text);
      human_.push_back(e.captions.front());
      caption_bytes_.push_back(b.caption_bytes[i]);
      shapes_file_.push_back(b.shapes_file[i]);
      entries_.push_back(&e);
    }
  }

  void rate_captions_said() {
    std::vector<train::TextWords> said, first;
    std::vector<std::vector<train::TextWords>> references, others;
    std::vector<double> bytes;
    for (size_t i = 0; i < sent_.size(); i++) {
      Bytes coded;
      if (in_.profile->caption_coder->encode({human_[i]}, coded) == Status::Ok)
        bytes.push_back(double(coded.size()));
      std::vector<train::TextWords> human;
      for (const auto& text : entries_[i]->captions)
        human.push_back(train::split_words(text));
      if (human.size() < 2)
        continue;
      said.push_back(train::split_words(sent_[i]));
      first.push_back(human.front());
      references.push_back(human);
      others.emplace_back(human.begin() + 1, human.end());
    }
    result_.human_caption_bytes = mean(bytes);
    result_.captions = train::rate_captions(said, references);
    result_.human_captions = train::rate_captions(first, others);
  }

  void find_captions() {
    auto search = [&](size_t n, std::vector<Retrieval>& out) {
      const Embedding& space = *networks_[n];
      const cv::Mat human = space.captions(human_), sent = space.captions(sent_);
      std::vector<double> real_human, real_sent;
      auto row = [&](const char* set, const char* picture, bool by_human) {
        const auto hits = retrieval_hits(space.pictures(features_[set][n]), by_human ? human : sent,
                                         by_human ? human_ : sent_);
        auto& real = by_human ? real_human : real_sent;
        Retrieval r{
            picture, by_human ? "the human caption" : "the caption as sent", paired_bootstrap(hits), {}};
        if (real.empty())
          real = hits;
        else
          r.share = ratio_bootstrap(hits, real);
        out.push_back(r);
      };
      row("source", "source picture", true);
      row("human, hint", "painted from the human caption, with the encoder's hint", true);
      row("human", "painted from the human caption, no hint", true);
      row("layer 1", "layer 1 (painted from the caption and hint as sent)", true);
      row("layers 1-2", "layers 1-2 (caption, hint and map as sent)", true);
      row("source", "source picture", false);
      row("layer 1", "layer 1 (painted from the caption and hint as sent)", false);
    };
    search(0, result_.own_space);
    if (!in_.judge)
      return;
    result_.judge = in_.judge->name();
    search(1, result_.retrieval);
    // A picture painted from caption j without a hint knows nothing of picture i: it is its shuffled partner.
    shuffle_captions("caption (human, no hint)", "human", human_);
    shuffle_captions("caption and hint (as sent)", "layer 1", sent_);
  }

  void shuffle_captions(const char* what, const char* set, const std::vector<std::string>& texts) {
    const cv::Mat pictures = in_.judge->pictures(features_[set][1]), captions = in_.judge->captions(texts);
    const auto other = derangement(texts.size(), 1);
    Shuffled s{what, "judge's cosine of the painted picture and the caption", texts.size(), 0, 0, {}};
    std::vector<double> difference;
    for (size_t i = 0; i < texts.size(); i++) {
      const double own = pictures.row(int(i)).dot(captions.row(int(i))),
                   shuffled = pictures.row(int(other[i])).dot(captions.row(int(i)));
      s.own += own / double(texts.size());
      s.other += shuffled / double(texts.size());
      difference.push_back(own - shuffled);
    }
    s.difference = paired_bootstrap(difference);
    result_.shuffled.push_back(s);
  }

  void compare_features() {
    for (const Embedding* network : networks_)
      result_.networks.push_back(network->name());
    const std::string real = "real birds of the train split";
    const double step = double(in_.train.size()) / double(sent_.size());
    for (size_t i = 0; i < sent_.size() && in_.train.size() >= sent_.size(); i++) {
      cv::Mat bgr;
      if (load_object(*in_.data, in_.train[size_t(double(i) * step)], in_.side, in_.say, bgr))
        keep(real, in_.store->take("source", bgr, [&] { return bgr; }));
    }
    const std::vector<std::tuple<std::string, std::string, double>> rows{
        {real, "as many " + real, 0},
        {"human", "painted from the human caption, no hint", 0},
        {"human, hint", "painted from the human caption, with the encoder's hint", 0},
        {"layer 1", "layer 1", 0},
        {"layers 1-2", "layers 1-2", result_.shapes_file}};
    for (const auto& [what, title, bytes] : rows) {
      if (!features_.count(what) || features_[what][0].rows < 8)
        continue;
      FrechetRow all{title, bytes, {}}, some = all;
      for (size_t n = 0; n < networks_.size(); n++) {
        const cv::Mat &source = features_["source"][n], &shown = features_[what][n];
        all.distance.push_back(frechet_distance(source, shown));
        some.distance.push_back(frechet_distance(every_fourth(source), every_fourth(shown)));
      }
      result_.frechet.push_back(all);
      result_.frechet_quarter.push_back(some);
    }
    result_.quarter = (sent_.size() + 3) / 4;
    if (!in_.avif || result_.frechet.empty())
      return;
    const auto [setting, bytes] = in_.avif_at(4 * result_.shapes_file);
    if (setting < 0 || !look_at_avif(setting))
      return;
    FrechetRow avif{"AVIF, quantiser " + std::to_string(setting), bytes, {}};
    for (size_t n = 0; n < networks_.size(); n++)
      avif.distance.push_back(frechet_distance(every_fourth(features_["source"][n]), features_["avif"][n]));
    result_.frechet_quarter.push_back(avif);
  }

  static cv::Mat every_fourth(const cv::Mat& rows) {
    cv::Mat out;
    for (int i = 0; i < rows.rows; i += 4)
      out.push_back(rows.row(i));
    return out;
  }

  /// Every fourth picture: each is two processes.
  bool look_at_avif(int setting) {
    for (size_t i = 0; i < entries_.size(); i += 4) {
      const train::Entry* e = entries_[i];
      cv::Mat bgr;
      if (!load_object(*in_.data, size_t(e - in_.data->entries.data()), in_.side, in_.say, bgr))
        return false; // the rows have to pair
      const auto features = in_.store->take("avif " + std::to_string(setting), bgr, [&] {
        CodedPicture coded;
        cv::Mat shown;
        return in_.avif->encode(bgr, setting, coded) && in_.avif->decode(coded, shown) ? shown : cv::Mat();
      });
      if (features.empty())
        return false;
      keep("avif", features);
    }
    return true;
  }

  void try_effort() {
    std::vector<cv::Mat> sources;
    std::vector<std::string> human;
    const size_t step = std::max<size_t>(1, entries_.size() / size_t(in_.effort_pictures));
    for (size_t i = 0; i < entries_.size() && sources.size() < size_t(in_.effort_pictures); i += step) {
      cv::Mat bgr;
      if (!load_object(*in_.data, size_t(entries_[i] - in_.data->entries.data()), in_.side, in_.say, bgr))
        continue;
      sources.push_back(bgr);
      human.push_back(human_[i]);
    }
    EffortResult& r = result_.effort;
    r.seeds = in_.effort;
    r.pictures = sources.size();
    const cv::Mat captions = in_.judge->captions(human);
    auto look = [&](int effort, double& caption_mean, double& source_mean, double& bytes) {
      ChainSettings chain = in_.chain;
      chain.shapes = false;
      chain.effort = effort;
      const auto coded = encode_layers(sources, chain);
      const auto shown = decode_layers(coded, chain);
      std::vector<double> caption, source;
      for (size_t i = 0; i < sources.size(); i++) {
        const cv::Mat p = in_.judge->pictures(in_.judge->features(shown[i].words)),
                      s = in_.judge->pictures(in_.judge->features(sources[i]));
        caption.push_back(p.dot(captions.row(int(i))));
        source.push_back(p.dot(s));
        bytes += double(read_parts(coded[i].words).payload[1]) / double(sources.size());
      }
      caption_mean = mean(caption);
      source_mean = mean(source);
      return std::pair(caption, source);
    };
    const auto one = look(1, r.one_caption, r.one_source, r.one_bytes);
    const auto best = look(in_.effort, r.best_caption, r.best_source, r.best_bytes);
    auto less = [](const std::vector<double>& a, const std::vector<double>& b) {
      std::vector<double> out;
      for (size_t i = 0; i < a.size(); i++)
        out.push_back(a[i] - b[i]);
      return paired_bootstrap(out);
    };
    r.caption = less(best.first, one.first);
    r.source = less(best.second, one.second);
    in_.say("effort tried on " + std::to_string(sources.size()) + " pictures");
  }

  PaintedInput in_;
  std::vector<const Embedding*> networks_;               ///< the profile's, then the judge
  std::map<std::string, std::vector<cv::Mat>> features_; ///< by what is shown; rows by network
  std::vector<std::string> sent_, human_;
  std::vector<double> caption_bytes_, shapes_file_;
  std::vector<const train::Entry*> entries_;
  PaintedResult result_;
};

} // namespace

PaintedResult judge_painted(const PaintedInput& input) {
  return Paintings(input).run();
}

} // namespace gsem::eval
