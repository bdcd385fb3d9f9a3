// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/report.hpp"

#include "models/train/eval/picture_quality.hpp"
#include "models/train/eval/summary.hpp"
#include "models/train/eval/svg_plot.hpp"
#include "models/train/eval/text_format.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace gsem::eval {

namespace {

using nlohmann::ordered_json;

constexpr double kPixels = double(kSide) * kSide;

double bits_per_pixel(double bytes) {
  return bytes * 8 / kPixels;
}

std::string interval(const Interval& i, const char* pattern) {
  return format(pattern, i.mean) + " [" + format(pattern, i.low) + ", " + format(pattern, i.high) + "]";
}

const char* verdict(const Interval& i) {
  return i.excludes_zero() ? "yes" : "no";
}

/// Text of results.md, section by section.
class Page {
public:
  Page(const Evaluation& e, const EvaluationSettings& s, const std::string& command)
      : e_(e), s_(s), curves_(mean_curves(e, s.qualities)), matched_(match_codecs(e, s.qualities)) {
    intro(command);
    bytes();
    words();
    captions();
    shapes();
    signal();
    features();
    if (!e.perceptual.empty())
      perceptual();
  }
  const std::string& text() const { return text_; }

private:
  void line(const std::string& l = {}) { text_ += l + "\n"; }

  void intro(const std::string& command) {
    line("# Results");
    line();
    line("Written by this command; do not edit:");
    line();
    line("    " + command);
    line();
    line(format("%zu of %d test birds (classes that training never saw), every %d%s; each bird's box as a "
                "%dx%d picture. Profile `%s` %s. %.0f seconds, %s.",
                e_.pictures.size(), e_.test_pictures, s_.every,
                s_.every == 1   ? "st"
                : s_.every == 2 ? "nd"
                : s_.every == 3 ? "rd"
                                : "th",
                kSide, kSide, e_.profile.c_str(), e_.profile_version.c_str(), e_.seconds,
                e_.runtime.c_str()));
    line();
    line("Every byte is one of a real file made by the elements, and every picture was decoded from those "
         "bytes. \"File\" is a `.gsem` file of one picture with everything in it: stream header, access unit "
         "header, checksums. \"Payload\" is what the codecs wrote. Intervals are paired bootstrap 95 % "
         "intervals over the pictures.");
    if (e_.largest_difference >= 0)
      line(format("The first picture's files were also decoded by `semanticparse ! semanticdecodebin`: the "
                  "largest difference of any sample is %d of 255.",
                  e_.largest_difference));
    line();
  }

  void bytes() {
    line("## Bytes of a picture");
    line();
    line("| layers | payload | file | bit/pixel (file) | PSNR dB | MS-SSIM |");
    line("|---|---|---|---|---|---|");
    const auto& points = curves_[0].points;
    for (size_t i = 0; i < points.size(); i++) {
      const auto& p = points[i];
      const std::string what = i == 0   ? "1: words"
                               : i == 1 ? "1-2: words and shapes"
                                        : format("1-3, quality %d", p.setting);
      line(format("| %s | %.1f | %.1f | %.4f | %.2f | %.4f |", what.c_str(), p.payload, p.file,
                  bits_per_pixel(p.file), p.psnr, p.ms_ssim));
    }
    for (const auto& p : curves_[1].points)
      line(format("| signal alone, quality %d | %.1f | %.1f | %.4f | %.2f | %.4f |", p.setting, p.payload,
                  p.file, bits_per_pixel(p.file), p.psnr, p.ms_ssim));
    line();
    double caption = 0, map = 0;
    for (const auto& p : e_.pictures) {
      caption += double(p.caption_bytes) / double(e_.pictures.size());
      map += double(p.structure_bytes) / double(e_.pictures.size());
    }
    line(format("Caption: %.1f bits on average with the layout hint (%.2f bytes payload). Map: %.1f bytes "
                "payload. A human caption of the same pictures, without a hint, takes %.2f bytes (%.1f bits; "
                "the first byte is frame type and hint).",
                caption * 8, caption, map, e_.human_caption_bytes, e_.human_caption_bytes * 8));
    line();
  }

  void words() {
    line("## Layer 1: does the picture show what the words say?");
    line();
    line("Cosine of picture and caption in the joint embedding of the profile (text encoder; "
         "EfficientNet-Lite0 features at 128 px, projected). \"Shuffled\": the picture painted from another "
         "test picture's caption. The painter was trained with this text encoder, so the numbers say that it "
         "listens, not how good it looks.");
    line();
    line("| caption | own | shuffled | difference | excludes 0 |");
    line("|---|---|---|---|---|");
    line(format("| as sent | %.3f | %.3f | %s | %s |", e_.similarity, e_.shuffled_similarity,
                interval(e_.words_own, "%.3f").c_str(), verdict(e_.words_own)));
    line(format("| human | %.3f | %.3f | %s | %s |", e_.human_similarity, e_.human_shuffled_similarity,
                interval(e_.words_human, "%.3f").c_str(), verdict(e_.words_human)));
    line();
    line(format("R-precision (own caption first among it and %zu with other texts; chance %.0f %%):",
                std::min<size_t>(99, e_.pictures.size() - 1),
                100.0 / double(std::min<size_t>(100, e_.pictures.size()))));
    line();
    line("| | R-precision |");
    line("|---|---|");
    for (const auto& [what, value] : e_.r_precision)
      line(format("| %s | %.1f %% |", what.c_str(), value * 100));
    line();
  }

  void captions() {
    line("## Layer 1: what the captions say");
    line();
    line(format(
        "The captioner's words for %zu test birds against the ten people's, and one of the ten against "
        "the other nine. Precision: share of what is said that some person says; recall: share said of "
        "what three or more people say. Attributes are pairs of a colour and one of crown, breast, "
        "belly, wing, bill, back.",
        e_.captions.pictures));
    line();
    line("| | colours: precision | recall | attributes: precision | recall | CIDEr-D | BLEU-4 | distinct | "
         "words |");
    line("|---|---|---|---|---|---|---|---|---|");
    auto row = [&](const char* who, const CaptionQuality& q) {
      line(format("| %s | %.3f | %.3f | %.3f | %.3f | %.3f | %.3f | %.3f | %.1f |", who, q.colours.precision,
                  q.colours.recall, q.attributes.precision, q.attributes.recall, q.cider_d, q.bleu4,
                  q.distinct, q.words));
    };
    row("captioner", e_.captions);
    row("one person", e_.human_captions);
    line();
    line(format(
        "The layout hint: edge F of the painted picture against the sent map is %.3f with the hint that "
        "was sent and %.3f with another picture's; difference %s; excludes 0: %s.",
        e_.hint_f, e_.other_hint_f, interval(e_.hints, "%.3f").c_str(), verdict(e_.hints)));
    line();
  }

  void shapes() {
    line("## Layer 2: are the shapes those that were sent?");
    line();
    line(
        format("Edges of the layers 1-2 picture, found by %s at %dx%d and averaged to %dx%d, against the "
               "map as decoded; threshold %.2g for both, tolerance %.2g pixels at %dx%d, all pixels over the "
               "threshold count (no thinning).",
               e_.edge_detector.c_str(), kSide, kSide, kEdgeSide, kEdgeSide, kEdgeThreshold, kEdgeTolerance,
               kEdgeSide, kEdgeSide));
    line();
    line("| against | precision | recall | F |");
    line("|---|---|---|---|");
    line(format("| the picture's own map | %.3f | %.3f | %.3f |", e_.edges.precision, e_.edges.recall,
                e_.edges.f));
    line(format("| another picture's map | %.3f | %.3f | %.3f |", e_.other_edges.precision,
                e_.other_edges.recall, e_.other_edges.f));
    line();
    line(format("Difference of F: %s; excludes 0: %s.", interval(e_.structure, "%.3f").c_str(),
                verdict(e_.structure)));
    line();
  }

  void signal() {
    line("## Layer 3: rate and distortion");
    line();
    line("![PSNR over bytes](img/psnr.svg)");
    line();
    line("![MS-SSIM over bytes](img/ms-ssim.svg)");
    line();
    line("PSNR over RGB; MS-SSIM (Wang 2003) is the mean of the R, G and B values. Plots and all "
         "comparisons count whole files on both sides; the plots' means are over the pictures that every "
         "codec measured.");
    line();
    for (const auto& [name, title] : e_.codecs)
      line("* `" + name + "`: " + title);
    if (!e_.missing_codecs.empty()) {
      std::string missing;
      for (const auto& m : e_.missing_codecs)
        missing += (missing.empty() ? "" : ", ") + m;
      line("* not installed here: " + missing);
    }
    line();
    line("At matched bytes: each picture's other file is interpolated between the codec's settings (linear "
         "in log bytes) at the bytes of our file; where its smallest file is larger than ours, that file "
         "counts, so it then has more bytes (and its largest where that is smaller than ours).");
    line();
    line("| codec | ours | pictures | our bytes | their bytes | our PSNR | their PSNR | difference dB | our "
         "MS-SSIM | theirs | difference |");
    line("|---|---|---|---|---|---|---|---|---|---|---|");
    for (const auto& m : matched_)
      line(format("| %s | %s, q %d | %d | %.0f | %.0f | %.2f | %.2f | %s | %.4f | %.4f | %s |",
                  m.codec.c_str(), m.alone ? "signal alone" : "layers 1-3", m.quality, m.pictures,
                  m.our_bytes, m.their_bytes, m.our_psnr, m.their_psnr, interval(m.psnr, "%+.2f").c_str(),
                  m.our_ms_ssim, m.their_ms_ssim, interval(m.ms_ssim, "%+.4f").c_str()));
    line();
    line("Bjontegaard delta rate of ours against each codec (Akima, mean curves over the pictures that the "
         "codec measured, common quality range; negative: we need fewer bytes):");
    line();
    line("| against | layers 1-3, PSNR | layers 1-3, MS-SSIM | signal alone, PSNR | signal alone, MS-SSIM | "
         "signal payload against payload, PSNR | MS-SSIM |");
    line("|---|---|---|---|---|---|---|");
    auto percent = [](const std::optional<double>& v) {
      return v ? format("%+.1f %%", *v) : std::string("no common range");
    };
    for (const auto& d : delta_rates(e_, s_.qualities))
      line("| " + d.codec + " | " + percent(d.layers_psnr) + " | " + percent(d.layers_ms_ssim) + " | " +
           percent(d.alone_psnr) + " | " + percent(d.alone_ms_ssim) + " | " + percent(d.payload_psnr) +
           " | " + percent(d.payload_ms_ssim) + " |");
    line();
    const SidesGain sides = sides_gain(e_, s_.qualities);
    line("What the picture and the map from below bring to the signal layer: its bytes for the same quality "
         "against the same layer alone are " +
         percent(sides.signal_psnr) + " by PSNR and " + percent(sides.signal_ms_ssim) +
         " by MS-SSIM; with the caption's and the map's bytes counted, " + percent(sides.with_map_psnr) +
         " and " + percent(sides.with_map_ms_ssim) + ".");
    line();
  }

  void features() {
    line("## Frechet distance");
    line();
    line(format("Of EfficientNet-Lite0 features (ImageNet weights, stride 32, mean over the picture, 128 px) "
                "to those of the %zu sources. 320 features from so few pictures make it far too large in "
                "absolute terms; it compares rows of this table only, and is not the FID of papers.",
                e_.pictures.size()));
    line();
    line("| shown | distance | times that of real birds |");
    line("|---|---|---|");
    line(format("| as many real birds of the train split | %.1f | 1 |", e_.real_frechet));
    for (const auto& [what, value] : e_.frechet)
      line(format("| %s | %.1f | %.2f |", what.c_str(), value,
                  e_.real_frechet > 0 ? value / e_.real_frechet : 0));
    line();
  }

  void perceptual() {
    line("## Perceptual measures");
    line();
    line("All three layers against the smallest JPEG with at least as many bytes (at low rates even the "
         "smallest has more), first pictures of the set.");
    line();
    line("| measure | quality | pictures | our bytes | JPEG bytes | ours | JPEG |");
    line("|---|---|---|---|---|---|---|");
    for (const auto& r : e_.perceptual)
      line(format("| %s | %d | %d | %.0f | %.0f | %.3f | %.3f |", r.tool.c_str(), r.quality, r.pictures,
                  r.ours_bytes, r.jpeg_bytes, r.ours, r.jpeg));
    line();
  }

  const Evaluation& e_;
  const EvaluationSettings& s_;
  std::vector<MeanCurve> curves_;
  std::vector<Matched> matched_;
  std::string text_;
};

std::string plot(const std::vector<MeanCurve>& curves, bool ms_ssim) {
  Plot p;
  p.title =
      format("%d test birds at 256x256: %s", curves[0].points[0].pictures, ms_ssim ? "MS-SSIM" : "PSNR");
  p.x_label = "bytes of the whole file";
  p.y_label = ms_ssim ? "-10 log10(1 - MS-SSIM), dB" : "PSNR, dB";
  for (const auto& c : curves) {
    Series s{c.title, {}};
    for (const auto& point : c.points)
      s.points.emplace_back(point.file, ms_ssim ? ms_ssim_decibels(point.ms_ssim) : point.psnr);
    p.series.push_back(std::move(s));
  }
  return p.draw();
}

std::string mean_csv(const std::vector<MeanCurve>& curves) {
  std::string out = "series,setting,pictures,file_bytes,payload_bytes,bits_per_pixel,psnr_db,ms_ssim\n";
  for (const auto& c : curves)
    for (const auto& p : c.points)
      out += format("%s,%d,%d,%.2f,%.2f,%.5f,%.4f,%.6f\n", c.name.c_str(), p.setting, p.pictures, p.file,
                    p.payload, bits_per_pixel(p.file), p.psnr, p.ms_ssim);
  return out;
}

std::string picture_csv(const Evaluation& e) {
  std::string out = "picture,series,setting,file_bytes,payload_bytes,psnr_db,ms_ssim,edge_f,other_edge_f\n";
  for (const auto& p : e.pictures) {
    auto row = [&](const std::string& series, const Measured& m) {
      out += p.name + format(",%s,%d,%zu,%zu,%.4f,%.6f,%.4f,%.4f\n", series.c_str(), m.setting, m.file,
                             m.payload, m.psnr, m.ms_ssim, p.edges.f, p.other_edges.f);
    };
    row("layer 1", p.words);
    row("layers 1-2", p.shapes);
    for (const auto& m : p.all)
      row("layers 1-3", m);
    for (const auto& m : p.alone)
      row("signal", m);
    for (const auto& [name, curve] : p.reference)
      for (const auto& m : curve)
        row(name, m);
  }
  return out;
}

ordered_json to_json(const Interval& i) {
  return {{"mean", i.mean}, {"low", i.low}, {"high", i.high}, {"excludes_zero", i.excludes_zero()}};
}

ordered_json json(const Evaluation& e, const EvaluationSettings& s, const std::string& command) {
  ordered_json out = {
      {"command", command},
      {"pictures", e.pictures.size()},
      {"profile", e.profile},
      {"profile_version", e.profile_version},
      {"runtime", e.runtime},
      {"edge_detector", e.edge_detector},
      {"r_precision", e.r_precision},
      {"frechet_efficientnet_lite0_stride32", e.frechet},
      {"frechet_real", e.real_frechet},
      {"captions",
       {{"pictures", e.captions.pictures},
        {"colour_precision", e.captions.colours.precision},
        {"colour_recall", e.captions.colours.recall},
        {"attribute_precision", e.captions.attributes.precision},
        {"attribute_recall", e.captions.attributes.recall},
        {"cider_d", e.captions.cider_d},
        {"bleu4", e.captions.bleu4},
        {"distinct", e.captions.distinct}}},
      {"hint", {{"f", e.hint_f}, {"other_f", e.other_hint_f}, {"difference", to_json(e.hints)}}},
      {"human_caption_bytes", e.human_caption_bytes}};
  out["layer_1"] = {{"own", e.similarity},
                    {"shuffled", e.shuffled_similarity},
                    {"difference", to_json(e.words_own)},
                    {"human_own", e.human_similarity},
                    {"human_shuffled", e.human_shuffled_similarity},
                    {"human_difference", to_json(e.words_human)}};
  out["layer_2"] = {
      {"f_own", e.edges.f},          {"f_other", e.other_edges.f},  {"difference", to_json(e.structure)},
      {"threshold", kEdgeThreshold}, {"tolerance", kEdgeTolerance}, {"side", kEdgeSide}};
  for (const auto& c : mean_curves(e, s.qualities))
    for (const auto& p : c.points)
      out["curves"][c.name].push_back({{"setting", p.setting},
                                       {"file_bytes", p.file},
                                       {"payload_bytes", p.payload},
                                       {"psnr", p.psnr},
                                       {"ms_ssim", p.ms_ssim},
                                       {"pictures", p.pictures}});
  for (const auto& m : match_codecs(e, s.qualities))
    out["matched"].push_back({{"codec", m.codec},
                              {"ours", m.alone ? "signal" : "layers"},
                              {"quality", m.quality},
                              {"our_bytes", m.our_bytes},
                              {"their_bytes", m.their_bytes},
                              {"psnr", to_json(m.psnr)},
                              {"ms_ssim", to_json(m.ms_ssim)}});
  return out;
}

} // namespace

void write_report(const Evaluation& e, const EvaluationSettings& settings, const std::string& docs,
                  const std::string& command) {
  std::filesystem::create_directories(docs + "/img");
  const auto curves = mean_curves(e, settings.qualities);
  std::vector<std::string> codecs;
  for (const auto& codec : e.codecs)
    codecs.push_back(codec.first);
  const auto common = mean_curves(e, settings.qualities, codecs);
  write_file(docs + "/img/psnr.svg", plot(common, false));
  write_file(docs + "/img/ms-ssim.svg", plot(common, true));
  write_file(docs + "/results.csv", mean_csv(curves));
  write_file(docs + "/results.json", json(e, settings, command).dump(1) + "\n");
  write_file(docs + "/results.md", Page(e, settings, command).text());
  write_file(settings.out + "/pictures.csv", picture_csv(e));
}

} // namespace gsem::eval
