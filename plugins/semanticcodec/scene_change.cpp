// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/scene_change.hpp"

#include <cstdlib>

namespace gsem::codec {

Thumbnail::Thumbnail(const runtime::PictureView& picture) {
  constexpr int kGrid = kSide * kSamples;
  for (int cy = 0; cy < kSide; cy++)
    for (int cx = 0; cx < kSide; cx++) {
      unsigned sum[3] = {};
      for (int sy = 0; sy < kSamples; sy++) {
        int y = int((int64_t(cy * kSamples + sy) * 2 + 1) * picture.height / (2 * kGrid));
        const uint8_t* row = picture.data + size_t(y) * picture.stride;
        for (int sx = 0; sx < kSamples; sx++) {
          int x = int((int64_t(cx * kSamples + sx) * 2 + 1) * picture.width / (2 * kGrid));
          for (int c = 0; c < 3; c++)
            sum[c] += row[x * 3 + c];
        }
      }
      for (int c = 0; c < 3; c++)
        cells_[size_t(cy * kSide + cx) * 3 + c] = uint8_t(sum[c] / (kSamples * kSamples));
    }
}

double Thumbnail::distance(const Thumbnail& other) const {
  unsigned sum = 0;
  for (size_t i = 0; i < cells_.size(); i++)
    sum += unsigned(std::abs(int(cells_[i]) - int(other.cells_[i])));
  return double(sum) / (255.0 * double(cells_.size()));
}

} // namespace gsem::codec
