// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace gsem::eval {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points; ///< drawn in this order
  bool line = true;                              ///< false: marks only
};

/// Lines over a logarithmic x axis, with a legend, as one SVG text without scripts or fonts of its own.
/// Points that are not finite, or whose x is not over 0, are left out.
struct Plot {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  std::string draw() const;
};

} // namespace gsem::eval
