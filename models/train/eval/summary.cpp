// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/summary.hpp"

#include "models/train/eval/picture_quality.hpp"
#include "models/train/eval/rate_curve.hpp"

#include <algorithm>

namespace gsem::eval {

namespace {

void add(MeanPoint& point, const Measured& m) {
  point.setting = m.setting;
  point.pictures++;
  auto mean = [&](double& value, double more) { value += (more - value) / point.pictures; };
  mean(point.file, double(m.file));
  mean(point.payload, double(m.payload));
  mean(point.psnr, m.psnr);
  mean(point.ms_ssim, m.ms_ssim);
}

Matched match(const Evaluation& e, const std::string& codec, size_t q, int quality, bool alone) {
  Matched out;
  out.codec = codec;
  out.quality = quality;
  out.alone = alone;
  std::vector<double> psnr, ms_ssim;
  for (const auto& p : e.pictures) {
    const auto curve = p.reference.find(codec);
    if (curve == p.reference.end() || curve->second.empty())
      continue;
    const Measured& ours = alone ? p.alone[q] : p.all[q];
    const Measured theirs = at_bytes(curve->second, double(ours.file));
    out.pictures++;
    auto mean = [&](double& value, double more) { value += (more - value) / out.pictures; };
    mean(out.our_bytes, double(ours.file));
    mean(out.their_bytes, double(theirs.file));
    mean(out.our_psnr, ours.psnr);
    mean(out.their_psnr, theirs.psnr);
    mean(out.our_ms_ssim, ours.ms_ssim);
    mean(out.their_ms_ssim, theirs.ms_ssim);
    psnr.push_back(ours.psnr - theirs.psnr);
    ms_ssim.push_back(ours.ms_ssim - theirs.ms_ssim);
  }
  out.psnr = paired_bootstrap(psnr);
  out.ms_ssim = paired_bootstrap(ms_ssim);
  return out;
}

std::optional<double> curve_bd_rate(const MeanCurve& anchor, const MeanCurve& test, bool ms_ssim,
                                    bool payload = false) {
  auto points = [&](const MeanCurve& c) {
    std::vector<RatePoint> out;
    for (const auto& p : c.points)
      out.push_back({payload ? p.payload : p.file, ms_ssim ? ms_ssim_decibels(p.ms_ssim) : p.psnr});
    return out;
  };
  return bd_rate(points(anchor), points(test));
}

} // namespace

std::vector<MeanCurve> mean_curves(const Evaluation& e, const std::vector<int>& qualities,
                                   const std::vector<std::string>& same) {
  auto counts = [&](const PictureResult& p) {
    return std::all_of(same.begin(), same.end(),
                       [&](const std::string& codec) { return p.reference.count(codec) > 0; });
  };
  std::vector<MeanCurve> out(3);
  out[0] = {"layers", "gst-semantic, layers 1, 1-2, 1-3", std::vector<MeanPoint>(2 + qualities.size())};
  out[1] = {"signal", "gst-semantic, signal layer alone", std::vector<MeanPoint>(qualities.size())};
  out[2] = {"words-signal", "gst-semantic, layers 1 and 3", std::vector<MeanPoint>(qualities.size())};
  for (const auto& p : e.pictures) {
    if (!counts(p))
      continue;
    add(out[0].points[0], p.words);
    add(out[0].points[1], p.shapes);
    for (size_t q = 0; q < qualities.size(); q++) {
      add(out[0].points[2 + q], p.all[q]);
      add(out[1].points[q], p.alone[q]);
      add(out[2].points[q], p.no_map[q]);
    }
  }
  for (const auto& [name, title] : e.codecs) {
    std::map<int, MeanPoint> points;
    for (const auto& p : e.pictures)
      if (const auto curve = p.reference.find(name); curve != p.reference.end() && counts(p))
        for (const auto& m : curve->second)
          add(points[m.setting], m);
    MeanCurve c{name, title.substr(0, title.find_first_of("(;")), {}};
    for (const auto& [setting, point] : points)
      c.points.push_back(point);
    std::sort(c.points.begin(), c.points.end(),
              [](const MeanPoint& a, const MeanPoint& b) { return a.file < b.file; });
    out.push_back(std::move(c));
  }
  return out;
}

std::vector<Matched> match_codecs(const Evaluation& e, const std::vector<int>& qualities) {
  std::vector<Matched> out;
  for (const auto& codec : e.codecs)
    for (bool alone : {false, true})
      for (size_t q = 0; q < qualities.size(); q++)
        if (Matched m = match(e, codec.first, q, qualities[q], alone); m.pictures)
          out.push_back(std::move(m));
  return out;
}

std::vector<DeltaRates> delta_rates(const Evaluation& e, const std::vector<int>& qualities) {
  std::vector<DeltaRates> out;
  for (const auto& codec : e.codecs) {
    const auto curves = mean_curves(e, qualities, {codec.first});
    const auto anchor =
        std::find_if(curves.begin(), curves.end(), [&](const MeanCurve& c) { return c.name == codec.first; });
    MeanCurve layers = curves[0];
    layers.points.erase(layers.points.begin(), layers.points.begin() + 2); // nothing codes a picture there
    out.push_back({codec.first, curve_bd_rate(*anchor, layers, false), curve_bd_rate(*anchor, layers, true),
                   curve_bd_rate(*anchor, curves[1], false), curve_bd_rate(*anchor, curves[1], true),
                   curve_bd_rate(*anchor, curves[1], false, true),
                   curve_bd_rate(*anchor, curves[1], true, true)});
  }
  return out;
}

std::vector<DeltaRates> photo_rates(const Evaluation& e, const std::vector<int>& qualities) {
  std::vector<DeltaRates> out;
  for (const auto& codec : e.codecs) {
    MeanCurve ours{"signal", {}, std::vector<MeanPoint>(qualities.size())}, theirs{codec.first, {}, {}};
    std::map<int, MeanPoint> points;
    for (const auto& p : e.photos) {
      const auto curve = p.reference.find(codec.first);
      if (curve == p.reference.end())
        continue;
      for (size_t q = 0; q < qualities.size(); q++)
        add(ours.points[q], p.alone[q]);
      for (const auto& m : curve->second)
        add(points[m.setting], m);
    }
    if (points.empty())
      continue;
    for (const auto& [setting, point] : points)
      theirs.points.push_back(point);
    DeltaRates d;
    d.codec = codec.first;
    d.alone_psnr = curve_bd_rate(theirs, ours, false);
    d.alone_ms_ssim = curve_bd_rate(theirs, ours, true);
    d.payload_psnr = curve_bd_rate(theirs, ours, false, true);
    d.payload_ms_ssim = curve_bd_rate(theirs, ours, true, true);
    out.push_back(d);
  }
  return out;
}

std::vector<SidesGain> sides_gain(const Evaluation& e, const std::vector<int>& qualities) {
  const auto curves = mean_curves(e, qualities);
  const MeanCurve& alone = curves[1];
  MeanCurve all = curves[0];
  all.points.erase(all.points.begin(), all.points.begin() + 2);
  std::vector<SidesGain> out;
  const std::pair<const char*, const MeanCurve*> both[] = {{"caption", &curves[2]},
                                                           {"caption and map", &all}};
  for (const auto& [with, counted] : both) {
    MeanCurve signal = *counted; // the signal layer is the same bytes, whatever lies below it
    for (size_t q = 0; q < signal.points.size(); q++)
      signal.points[q].payload = alone.points[q].payload;
    out.push_back({with, counted->points.empty() ? 0 : counted->points[0].payload - alone.points[0].payload,
                   curve_bd_rate(alone, signal, false, true), curve_bd_rate(alone, signal, true, true),
                   curve_bd_rate(alone, *counted, false, true), curve_bd_rate(alone, *counted, true, true)});
  }
  return out;
}

} // namespace gsem::eval
