// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/equal_bytes.hpp"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

namespace gsem::eval {

namespace {

constexpr int kCell = 192, kGap = 6, kText = 16;
constexpr double kSlack = 1.1; ///< theirs may have a little more than the column says

struct Cell {
  cv::Mat picture; ///< empty: cannot go so low
  std::string text;
};

std::string bytes_text(size_t payload, size_t file) {
  return std::to_string(payload) + " bytes (" + std::to_string(file) + ")";
}

/// Of our files the one nearest to `wanted`, on a logarithmic scale.
Cell nearest(const std::vector<Bytes>& files, const std::vector<cv::Mat>& shown, double wanted) {
  Cell best;
  double distance = 1e300;
  for (size_t q = 0; q < files.size(); q++) {
    const FileParts parts = read_parts(files[q]);
    const size_t payload = parts.payload[1] + parts.payload[2] + parts.payload[3];
    const double off = std::abs(std::log(double(payload) / wanted));
    if (off < distance) {
      distance = off;
      best = {shown[q], bytes_text(payload, parts.size)};
    }
  }
  return best;
}

/// The largest payload up to the column's bytes, between the codec's coarsest and finest setting.
Cell theirs(const ReferenceCodec& codec, const cv::Mat& source, double wanted) {
  const int coarse = codec.settings.front(), fine = codec.settings.back(), step = fine > coarse ? 1 : -1;
  CodedPicture smallest, coded, best;
  if (!codec.encode(source, coarse, smallest))
    return {{}, "failed"};
  if (double(smallest.payload) > wanted * kSlack)
    return {{}, "smallest: " + bytes_text(smallest.payload, smallest.file.size())};
  best = smallest;
  for (int low = 0, high = std::abs(fine - coarse); low < high;) { // steps above the coarsest
    const int middle = (low + high + 1) / 2;
    if (codec.encode(source, coarse + step * middle, coded) && double(coded.payload) <= wanted * kSlack) {
      best = coded;
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  Cell cell{{}, bytes_text(best.payload, best.file.size())};
  if (!codec.decode(best, cell.picture))
    return {{}, "failed"};
  return cell;
}

class Page {
public:
  Page(size_t rows, const cv::Mat& source)
      : sheet_(kGap + kText + int(rows) * kRow, kGap + 5 * (kCell + kGap), CV_8UC3, cv::Scalar::all(255)) {
    for (size_t c = 0; c < std::size(kEqualBytes); c++)
      write("about " + std::to_string(kEqualBytes[c]) + " bytes", left(c + 1), kText - 2);
    draw(0, 0, {source, "source"});
  }
  void draw(size_t row, size_t column, const Cell& cell) {
    const int x = left(column), y = kText + kGap + int(row) * kRow;
    if (!cell.picture.empty()) {
      cv::Mat shown;
      cv::resize(cell.picture, shown, {kCell, kCell}, 0, 0, cv::INTER_AREA);
      shown.copyTo(sheet_(cv::Rect(x, y, kCell, kCell)));
    } else {
      cv::rectangle(sheet_, cv::Rect(x, y, kCell, kCell), cv::Scalar::all(225));
    }
    write(cell.text, x, y + kCell + 12);
  }
  void name(size_t row, const std::string& text) {
    if (row)
      write(text, kGap, kText + kGap + int(row) * kRow + kCell / 2);
    else
      write(text, kGap, kText + kGap + kCell + 28);
  }
  const cv::Mat& sheet() const { return sheet_; }

private:
  static constexpr int kRow = kCell + kGap + 2 * kText;
  static int left(size_t column) { return kGap + int(column) * (kCell + kGap); }
  void write(const std::string& text, int x, int y) {
    cv::putText(sheet_, text, {x, y}, cv::FONT_HERSHEY_SIMPLEX, 0.4, cv::Scalar::all(0), 1, cv::LINE_AA);
  }
  cv::Mat sheet_;
};

} // namespace

std::vector<std::string> write_equal_bytes(const std::vector<cv::Mat>& sources, const ChainSettings& chain,
                                           const std::vector<std::unique_ptr<ReferenceCodec>>& codecs,
                                           const std::string& stem) {
  if (sources.empty())
    return {};
  ChainSettings fine = chain;
  fine.qualities.clear();
  for (int quality = 0; quality < 64; quality += 3)
    fine.qualities.push_back(quality);
  const auto coded = encode_layers(sources, fine);
  const auto shown = decode_layers(coded, fine);
  std::vector<std::string> out;
  for (size_t i = 0; i < sources.size(); i++) {
    Page page(2 + codecs.size(), sources[i]);
    page.name(0, "ours: words, map, signal");
    page.name(1, "ours: signal alone");
    for (size_t c = 0; c < std::size(kEqualBytes); c++) {
      const double wanted = kEqualBytes[c];
      page.draw(0, c + 1,
                c == 0   ? nearest({coded[i].words}, {shown[i].words}, wanted)
                : c == 1 ? nearest({coded[i].shapes}, {shown[i].shapes}, wanted)
                         : nearest(coded[i].all, shown[i].all, wanted));
      if (c)
        page.draw(1, c + 1, nearest(coded[i].alone, shown[i].alone, wanted));
      for (size_t k = 0; k < codecs.size(); k++)
        page.draw(2 + k, c + 1, theirs(*codecs[k], sources[i], wanted));
    }
    for (size_t k = 0; k < codecs.size(); k++)
      page.name(2 + k, codecs[k]->title.substr(0, codecs[k]->title.find(" (")));
    const std::string file = stem + "-" + std::to_string(i + 1) + ".jpg";
    if (!cv::imwrite(file, page.sheet(), {cv::IMWRITE_JPEG_QUALITY, 92}))
      throw std::runtime_error("cannot write " + file);
    out.push_back(file);
  }
  return out;
}

} // namespace gsem::eval
