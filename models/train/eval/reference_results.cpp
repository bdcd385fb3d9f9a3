// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/reference_results.hpp"

#include "models/train/eval/picture_quality.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace gsem::eval {

namespace {

std::string picture_key(const cv::Mat& picture) {
  uint64_t hash = 0xcbf29ce484222325u; // FNV-1a
  for (int y = 0; y < picture.rows; y++)
    for (size_t x = 0; x < picture.cols * picture.elemSize(); x++)
      hash = (hash ^ picture.ptr(y)[x]) * 0x100000001b3u;
  char text[24];
  snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

} // namespace

ReferenceResults::ReferenceResults(std::string file) : file_(std::move(file)) {
  std::ifstream in(file_);
  std::string line, codec, picture;
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    Measured m;
    if (fields >> codec >> m.setting >> picture >> m.file >> m.payload >> m.psnr >> m.ms_ssim)
      known_[codec + " " + std::to_string(m.setting) + " " + picture] = m;
  }
}

std::vector<Measured> ReferenceResults::measure(const ReferenceCodec& codec, const cv::Mat& source) {
  const std::string picture = picture_key(source);
  std::vector<Measured> out;
  std::ofstream more;
  for (int setting : codec.settings) {
    const std::string key = codec.name + " " + std::to_string(setting) + " " + picture;
    auto at = known_.find(key);
    if (at == known_.end()) {
      CodedPicture coded;
      cv::Mat shown;
      if (!codec.encode(source, setting, coded) || !codec.decode(coded, shown) ||
          shown.size() != source.size())
        continue;
      const Measured m{setting, coded.file.size(), coded.payload, psnr(source, shown),
                       ms_ssim(source, shown)};
      at = known_.emplace(key, m).first;
      if (!more.is_open())
        more.open(file_, std::ios::app);
      more.precision(10);
      more << key << ' ' << m.file << ' ' << m.payload << ' ' << m.psnr << ' ' << m.ms_ssim << '\n';
    }
    out.push_back(at->second);
  }
  std::sort(out.begin(), out.end(), [](const Measured& a, const Measured& b) { return a.file < b.file; });
  return out;
}

} // namespace gsem::eval
