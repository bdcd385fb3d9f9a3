// SPDX-License-Identifier: LGPL-2.1-or-later
// The quickstart's picture work: prepares a source picture, and lays out source, edge map and the three
// layers side by side with their bytes. Shows how an application reads a .gsem file with the bitstream and
// profile libraries alone.
#include "gst/bitstream/access_unit.hpp"
#include "models/entropy/caption_coder.hpp"
#include "models/profile/profile.hpp"

#include <CLI/CLI.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>

using namespace gsem;
using bitstream::LayerKind;

namespace {

constexpr int kCell = 288, kMargin = 10, kTextHeight = 92;

[[noreturn]] void fail(const std::string& what) {
  fprintf(stderr, "layer-sheet: %s\n", what.c_str());
  exit(1);
}

cv::Mat read_picture(const std::string& path, int flags = cv::IMREAD_COLOR) {
  cv::Mat picture = cv::imread(path, flags);
  if (picture.empty())
    fail("cannot read the picture " + path);
  return picture;
}

/// Alpha over a plain light background; long side brought into 256..384 pixels.
cv::Mat prepare(const std::string& path) {
  cv::Mat picture = read_picture(path, cv::IMREAD_UNCHANGED);
  if (picture.depth() == CV_16U)
    picture.convertTo(picture, CV_8U, 1 / 257.0);
  if (picture.channels() == 1)
    cv::cvtColor(picture, picture, cv::COLOR_GRAY2BGR);
  if (picture.channels() == 4) {
    std::vector<cv::Mat> planes;
    cv::split(picture, planes);
    cv::Mat alpha, colour, out;
    cv::cvtColor(planes[3], alpha, cv::COLOR_GRAY2BGR);
    planes.pop_back();
    cv::merge(planes, colour);
    cv::Mat ground(picture.size(), CV_8UC3, cv::Scalar(226, 222, 216));
    cv::multiply(colour, alpha, colour, 1 / 255.0);
    cv::multiply(ground, cv::Scalar::all(255) - alpha, ground, 1 / 255.0);
    cv::add(colour, ground, picture);
  }
  double side = std::max(picture.cols, picture.rows);
  double scale = std::clamp(side, 256.0, 384.0) / side;
  if (scale != 1)
    cv::resize(picture, picture, {}, scale, scale, scale < 1 ? cv::INTER_AREA : cv::INTER_CUBIC);
  if (std::min(picture.cols, picture.rows) < 16)
    fail("the picture is too narrow: " + path);
  return picture;
}

struct StreamFacts {
  bitstream::StreamHeader header;
  std::map<LayerKind, size_t> payload; ///< bytes of the first access unit
  size_t file = 0;
  std::string caption;
};

StreamFacts read_stream(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  Bytes data((std::istreambuf_iterator<char>(in)), {});
  StreamFacts facts;
  facts.file = data.size();
  size_t header_size = 0;
  if (parse_stream_header(data, facts.header, header_size, profile::resolve_profile_id) != Status::Ok)
    fail(path + " does not begin with a stream header");
  ByteView rest = ByteView(data).subspan(header_size);
  bitstream::AccessUnitHeader unit;
  bitstream::TimestampState state;
  if (parse_access_unit_header(rest, unit, header_size, &state) != Status::Ok)
    fail(path + " has no access unit");
  ByteView section = rest.subspan(header_size), payload;
  for (size_t i = 0; i < unit.layers.size(); i++) {
    facts.payload[unit.layers[i].kind] = unit.layers[i].size;
    if (unit.layers[i].kind != LayerKind::Caption || find_payload(unit, section, i, payload) != Status::Ok)
      continue;
    std::shared_ptr<const profile::Profile> profile;
    std::string error;
    entropy::Caption caption;
    if (profile::load_profile("", profile, error) != Status::Ok)
      fail(error);
    if (profile->caption_coder->decode(payload, caption) == Status::Ok)
      facts.caption = caption.text;
  }
  return facts;
}

std::vector<std::string> wrap(const std::string& text, size_t columns) {
  std::vector<std::string> lines(1);
  size_t at = 0;
  while (at < text.size()) {
    size_t end = std::min(text.find(' ', at), text.size());
    std::string word = text.substr(at, end - at);
    if (!lines.back().empty() && lines.back().size() + word.size() >= columns)
      lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
    at = end + 1;
  }
  return lines;
}

void draw_cell(cv::Mat& sheet, int column, const cv::Mat& picture, const std::string& title,
               const std::string& below) {
  double scale = double(kCell) / std::max(picture.cols, picture.rows);
  cv::Mat scaled;
  cv::resize(picture, scaled, {}, scale, scale, scale < 1 ? cv::INTER_AREA : cv::INTER_CUBIC);
  int x = kMargin + column * (kCell + kMargin);
  scaled.copyTo(sheet(cv::Rect(x, kMargin + (kCell - scaled.rows) / 2, scaled.cols, scaled.rows)));
  int y = 2 * kMargin + kCell + 12;
  cv::putText(sheet, title, {x, y}, cv::FONT_HERSHEY_SIMPLEX, 0.48, cv::Scalar::all(0), 1, cv::LINE_AA);
  for (const auto& line : wrap(below, 42))
    cv::putText(sheet, line, {x, y += 18}, cv::FONT_HERSHEY_SIMPLEX, 0.38, cv::Scalar::all(60), 1,
                cv::LINE_AA);
}

std::string bytes_text(size_t bytes, double pixels) {
  char text[64];
  snprintf(text, sizeof text, "%zu bytes, %.4f bit/pixel", bytes, bytes * 8 / pixels);
  return text;
}

void draw_sheet(const StreamFacts& facts, const std::string& source, const std::string& map,
                const std::vector<std::string>& layers, const std::string& output) {
  int cells = 2 + int(layers.size());
  double pixels = double(facts.header.width) * facts.header.height;
  cv::Mat sheet(kCell + kTextHeight + 2 * kMargin, cells * (kCell + kMargin) + kMargin, CV_8UC3,
                cv::Scalar::all(255));
  draw_cell(sheet, 0, read_picture(source), "source",
            std::to_string(facts.header.width) + "x" + std::to_string(facts.header.height));
  auto size_of = [&](LayerKind kind) {
    auto found = facts.payload.find(kind);
    return found == facts.payload.end() ? 0 : found->second;
  };
  draw_cell(sheet, 1, read_picture(map), "edge map as sent",
            bytes_text(size_of(LayerKind::Structure), pixels));
  const char* titles[] = {"layer 1: words", "layers 1-2: words + shape", "layers 1-3: all"};
  size_t sum = 0;
  for (size_t i = 0; i < layers.size() && i < 3; i++) {
    sum += size_of(LayerKind(i + 1));
    std::string below = bytes_text(sum, pixels);
    draw_cell(sheet, int(i) + 2, read_picture(layers[i]), titles[i],
              i == 0 ? below + ": " + facts.caption : below);
  }
  if (!cv::imwrite(output, sheet))
    fail("cannot write " + output);
}

void print_table(const StreamFacts& facts) {
  const char* names[] = {"", "1 caption", "2 structure", "3 signal"};
  double pixels = double(facts.header.width) * facts.header.height;
  size_t sum = 0;
  printf("%-14s %8s %12s %12s\n", "layer", "bytes", "bytes so far", "bit/pixel");
  for (auto [kind, bytes] : facts.payload) {
    sum += bytes;
    printf("%-14s %8zu %12zu %12.4f\n", int(kind) < 4 ? names[int(kind)] : "other", bytes, sum,
           sum * 8 / pixels);
  }
  printf("%-14s %8zu %12zu %12.4f\n", "headers, CRCs", facts.file - sum, facts.file, facts.file * 8 / pixels);
  printf("caption: \"%s\"\n", facts.caption.c_str());
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Prepares a picture for the quickstart, or lays out what came back of it");
  std::string to_prepare, stream, source, map, output;
  std::vector<std::string> layers;
  app.add_option("--prepare", to_prepare, "picture to put over a plain background and scale");
  app.add_option("--stream", stream, ".gsem file of one picture");
  app.add_option("--source", source, "source picture");
  app.add_option("--map", map, "edge map as sent");
  app.add_option("--layer", layers, "pictures decoded at 1, 2, 3 layers");
  app.add_option("--output", output, "picture to write")->required();
  CLI11_PARSE(app, argc, argv);

  if (!to_prepare.empty()) {
    if (!cv::imwrite(output, prepare(to_prepare)))
      fail("cannot write " + output);
    return 0;
  }
  StreamFacts facts = read_stream(stream);
  draw_sheet(facts, source, map, layers, output);
  print_table(facts);
}
