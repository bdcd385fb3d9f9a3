// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "vtm_bridge/map_codec.hpp"

#include <algorithm>
#include <cmath>

/// Made-up structure maps for the map codecs' tests.
namespace map_drawing {

/// Soft closed curves on black, moving with `time`.
inline gsem::maps::Map draw(int width, int height, int time) {
  gsem::maps::Map map{width, height, gsem::Bytes(size_t(width) * size_t(height))};
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      const double u = double(x - time) / width - 0.5, v = double(y) / height - 0.5;
      const double radius = std::sqrt(u * u + v * v) + 0.05 * std::sin(7 * std::atan2(v, u));
      const double distance = std::min(std::fabs(radius - 0.3), std::fabs(radius - 0.12)) * 50;
      map.data[size_t(y) * size_t(width) + size_t(x)] = uint8_t(255 * std::exp(-distance * distance));
    }
  return map;
}

inline gsem::maps::MapView view(const gsem::maps::Map& map) {
  return {map.data.data(), map.width, map.height, map.width};
}

/// Mean; 1e9 when the sizes differ.
inline double squared_error(const gsem::maps::Map& a, const gsem::maps::Map& b) {
  if (a.data.size() != b.data.size())
    return 1e9;
  double sum = 0;
  for (size_t i = 0; i < a.data.size(); i++)
    sum += std::pow(double(a.data[i]) - double(b.data[i]), 2);
  return sum / double(a.data.size());
}

} // namespace map_drawing
