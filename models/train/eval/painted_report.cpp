// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/painted_report.hpp"

#include "models/train/eval/text_format.hpp"

namespace gsem::eval {

namespace {

using nlohmann::ordered_json;

class Sections {
public:
  explicit Sections(const Evaluation& e) : e_(e), p_(e.painted) {
    captions();
    retrieval();
    shuffled();
    frechet();
    if (p_.effort.pictures)
      effort();
  }
  std::string text;

private:
  void line(const std::string& l = {}) { text += l + "\n"; }

  void captions() {
    line("## Layer 1: what the captions say");
    line();
    line(format(
        "The captioner's words for %zu test birds against the ten people's, and one of the ten against "
        "the other nine. Precision: share of what is said that some person says; recall: share said of "
        "what three or more people say. Attributes are pairs of a colour and one of crown, breast, "
        "belly, wing, bill, back.",
        p_.captions.pictures));
    line();
    line("| | colours: precision | recall | attributes: precision | recall | CIDEr-D | BLEU-4 | distinct | "
         "words |");
    line("|---|---|---|---|---|---|---|---|---|");
    auto row = [&](const char* who, const train::CaptionQuality& q) {
      line(format("| %s | %.3f | %.3f | %.3f | %.3f | %.3f | %.3f | %.3f | %.1f |", who, q.colours.precision,
                  q.colours.recall, q.attributes.precision, q.attributes.recall, q.cider_d, q.bleu4,
                  q.distinct, q.words));
    };
    row("captioner", p_.captions);
    row("one person", p_.human_captions);
    line();
  }

  void table(const std::vector<Retrieval>& rows) {
    line("| picture | has to find | R-precision | share of what the source pictures score |");
    line("|---|---|---|---|");
    for (const auto& r : rows)
      line(format("| %s | %s | %.1f %% [%.1f, %.1f] | %s |", r.picture.c_str(), r.caption.c_str(),
                  r.value.mean * 100, r.value.low * 100, r.value.high * 100,
                  r.share.mean > 0 ? interval(r.share, "%.2f").c_str() : ""));
    line();
  }

  void retrieval() {
    const size_t others = std::min<size_t>(99, p_.pictures - 1);
    line("## Layer 1: does the picture show what the words say?");
    line();
    line(format(
        "R-precision: a picture finds its own caption first among it and %zu of other test birds with "
        "another text (chance %.0f %%), over %zu test birds. \"The human caption\" is the first of the "
        "bird's ten. The share is what painting keeps of what a real picture of that bird scores.",
        others, 100.0 / double(others + 1), p_.pictures));
    line();
    if (p_.judge.empty()) {
      line("There was no judge (`--judge`).");
      line();
    } else {
      line("The judge is an embedding that no network of the profile was trained with: EfficientNet-Lite1, "
           "fine-tuned end to end on the training birds, and a text encoder of its own "
           "(`models/profiles/judge`).");
      line();
      table(p_.retrieval);
    }
    line(
        "The same in the profile's own embedding, which the painter was trained with: these rows say that it "
        "listens to that text encoder, and nothing about how true the pictures are.");
    line();
    table(p_.own_space);
  }

  void shuffled() {
    line("## Shuffle tests");
    line();
    line("Each layer's own side information against another test bird's. Edges: see layer 2.");
    line();
    line("| shuffled | measure | pictures | own | another's | difference | excludes 0 |");
    line("|---|---|---|---|---|---|---|");
    auto rows = p_.shuffled;
    rows.insert(rows.end(), e_.shuffled.begin(), e_.shuffled.end());
    for (const auto& s : rows)
      line(format("| %s | %s | %zu | %.3f | %.3f | %s | %s |", s.what.c_str(), s.measure.c_str(), s.pictures,
                  s.own, s.other, interval(s.difference, "%.3f").c_str(),
                  s.difference.excludes_zero() ? "yes" : "no"));
    line();
  }

  void frechet() {
    line("## Frechet distance");
    line();
    line(format(
        "To the features of test birds, with as many pictures in every row of a table, of two networks: the "
        "profile's own, which its painter was trained with (EfficientNet-Lite0: 320 channels at stride 32, "
        "mean over the picture, at 128 px; of the published networks DAMSM's global feature at 256 px), and "
        "the judge's. Neither is "
        "the FID of papers. \"Times\": of the distance between real birds of the two splits, whose "
        "classes differ, so that 1 is not the floor. Few pictures make every distance too large (compare "
        "the tables' first rows), so compare rows of one table only."));
    line();
    frechet_table(p_.pictures, p_.frechet);
    frechet_table(p_.quarter, p_.frechet_quarter);
  }

  void frechet_table(size_t pictures, const std::vector<FrechetRow>& rows) {
    if (rows.empty())
      return;
    std::string head = format("| %zu pictures | file bytes |", pictures), rule = "|---|---|";
    for (const auto& n : p_.networks) {
      head += " " + n + " | times |";
      rule += "---|---|";
    }
    line(head);
    line(rule);
    for (const auto& row : rows) {
      std::string text =
          "| " + row.shown + " | " + (row.bytes > 0 ? format("%.0f", row.bytes) : std::string()) + " |";
      for (size_t n = 0; n < row.distance.size(); n++) {
        const double real = rows.front().distance[n];
        text += format(" %.2f | %.2f |", row.distance[n], real > 0 ? row.distance[n] / real : 0);
      }
      line(text);
    }
    line();
  }

  void effort() {
    const EffortResult& r = p_.effort;
    line("## semanticenc effort");
    line();
    line(format(
        "The sender paints with %d seeds and sends the best (by features of the backbone), on %zu test "
        "birds; cosines are the judge's.",
        r.seeds, r.pictures));
    line();
    line("| effort | caption payload | to the human caption | to the source picture |");
    line("|---|---|---|---|");
    line(format("| 1 | %.2f bytes | %.3f | %.3f |", r.one_bytes, r.one_caption, r.one_source));
    line(format("| %d | %.2f bytes | %.3f | %.3f |", r.seeds, r.best_bytes, r.best_caption, r.best_source));
    line(format("| difference | %+.2f | %s | %s |", r.best_bytes - r.one_bytes,
                interval(r.caption, "%+.3f").c_str(), interval(r.source, "%+.3f").c_str()));
    line();
  }

  const Evaluation& e_;
  const PaintedResult& p_;
};

ordered_json retrieval_json(const std::vector<Retrieval>& rows) {
  ordered_json out = ordered_json::array();
  for (const auto& r : rows)
    out.push_back({{"picture", r.picture},
                   {"finds", r.caption},
                   {"r_precision", to_json(r.value)},
                   {"share_of_source", to_json(r.share)}});
  return out;
}

} // namespace

std::string interval(const Interval& i, const char* pattern) {
  char text[3][40];
  const double values[3] = {i.mean, i.low, i.high};
  for (int k = 0; k < 3; k++)
    snprintf(text[k], sizeof text[k], pattern, values[k]);
  return std::string(text[0]) + " [" + text[1] + ", " + text[2] + "]";
}

ordered_json to_json(const Interval& i) {
  return {{"mean", i.mean}, {"low", i.low}, {"high", i.high}, {"excludes_zero", i.excludes_zero()}};
}

std::string painted_sections(const Evaluation& e) {
  return Sections(e).text;
}

ordered_json painted_json(const Evaluation& e) {
  const PaintedResult& p = e.painted;
  ordered_json out = {{"pictures", p.pictures},
                      {"judge", p.judge},
                      {"caption_payload_bytes", p.caption_bytes},
                      {"human_caption_payload_bytes", p.human_caption_bytes},
                      {"r_precision", retrieval_json(p.retrieval)},
                      {"r_precision_own_embedding", retrieval_json(p.own_space)},
                      {"captions",
                       {{"pictures", p.captions.pictures},
                        {"colour_precision", p.captions.colours.precision},
                        {"colour_recall", p.captions.colours.recall},
                        {"attribute_precision", p.captions.attributes.precision},
                        {"attribute_recall", p.captions.attributes.recall},
                        {"cider_d", p.captions.cider_d},
                        {"bleu4", p.captions.bleu4},
                        {"distinct", p.captions.distinct}}}};
  for (const auto* rows : {&p.shuffled, &e.shuffled})
    for (const auto& s : *rows)
      out["shuffled"].push_back({{"what", s.what},
                                 {"measure", s.measure},
                                 {"pictures", s.pictures},
                                 {"own", s.own},
                                 {"other", s.other},
                                 {"difference", to_json(s.difference)}});
  out["frechet_networks"] = p.networks;
  out["frechet_quarter_pictures"] = p.quarter;
  for (const auto& [name, rows] :
       {std::pair("frechet", &p.frechet), std::pair("frechet_quarter", &p.frechet_quarter)})
    for (const auto& row : *rows)
      out[name].push_back({{"shown", row.shown}, {"file_bytes", row.bytes}, {"distance", row.distance}});
  out["effort"] = {{"seeds", p.effort.seeds},
                   {"pictures", p.effort.pictures},
                   {"caption", to_json(p.effort.caption)},
                   {"source", to_json(p.effort.source)}};
  return out;
}

} // namespace gsem::eval
