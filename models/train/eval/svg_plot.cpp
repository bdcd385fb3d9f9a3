// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/svg_plot.hpp"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace gsem::eval {

namespace {

constexpr double kWidth = 860, kHeight = 480, kLeft = 64, kRight = 650, kTop = 44, kBottom = 424;
// Okabe and Ito's colours: told apart by colour-blind readers too; dashes come in when they run out.
constexpr const char* kColours[] = {"#000000", "#d55e00", "#0072b2", "#009e73",
                                    "#cc79a7", "#e69f00", "#56b4e9", "#999999"};

void print(std::string& out, const char* format, ...) __attribute__((format(printf, 2, 3)));
void print(std::string& out, const char* format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  out += text;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text)
    out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  return out;
}

bool usable(const std::pair<double, double>& p) {
  return std::isfinite(p.first) && std::isfinite(p.second) && p.first > 0;
}

/// 1, 2 or 5 times a power of ten, about `count` steps in the range.
double step_size(double range, int count) {
  const double rough = range / count, power = std::pow(10, std::floor(std::log10(rough)));
  for (double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough)
      return factor * power;
  return 10 * power;
}

class Canvas {
public:
  explicit Canvas(const Plot& plot) : plot_(plot) {
    for (const auto& s : plot.series)
      for (const auto& p : s.points)
        if (usable(p)) {
          low_x_ = std::min(low_x_, p.first), high_x_ = std::max(high_x_, p.first);
          low_y_ = std::min(low_y_, p.second), high_y_ = std::max(high_y_, p.second);
        }
    if (low_x_ > high_x_)
      low_x_ = 1, high_x_ = 10, low_y_ = 0, high_y_ = 1;
    low_x_ /= 1.2, high_x_ *= 1.2;
    step_y_ = step_size(std::max(high_y_ - low_y_, 1e-3), 7);
    low_y_ = std::floor(low_y_ / step_y_) * step_y_;
    high_y_ = std::max(std::ceil(high_y_ / step_y_) * step_y_, low_y_ + step_y_);
  }

  std::string draw() {
    print(out_,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" font-family=\"sans-serif\" "
          "font-size=\"12\">\n<rect width=\"%g\" height=\"%g\" fill=\"#fff\"/>\n",
          kWidth, kHeight, kWidth, kHeight);
    text((kLeft + kRight) / 2, 24, "middle", plot_.title, " font-size=\"15\"");
    text((kLeft + kRight) / 2, kBottom + 42, "middle", plot_.x_label);
    const std::string turned =
        " transform=\"rotate(-90 18 " + std::to_string(int(kTop + kBottom) / 2) + ")\"";
    text(18, int(kTop + kBottom) / 2, "middle", plot_.y_label, turned);
    grid();
    for (size_t i = 0; i < plot_.series.size(); i++)
      curve(i);
    return out_ + "</svg>\n";
  }

private:
  double at_x(double x) const {
    return kLeft + (kRight - kLeft) * std::log(x / low_x_) / std::log(high_x_ / low_x_);
  }
  double at_y(double y) const { return kBottom - (kBottom - kTop) * (y - low_y_) / (high_y_ - low_y_); }

  void text(double x, double y, const char* anchor, const std::string& what, const std::string& more = {}) {
    print(out_, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>", x, y, anchor, more.c_str());
    out_ += escaped(what) + "</text>\n";
  }

  void rule(double x1, double y1, double x2, double y2, const char* colour) {
    print(out_, "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"%s\"/>\n", x1, y1, x2, y2, colour);
  }

  void grid() {
    char label[32];
    for (double y = low_y_; y <= high_y_ + step_y_ / 2; y += step_y_) {
      rule(kLeft, at_y(y), kRight, at_y(y), "#e4e4e4");
      snprintf(label, sizeof label, "%.6g", std::fabs(y) < step_y_ / 1e6 ? 0 : y);
      text(kLeft - 8, at_y(y) + 4, "end", label);
    }
    for (double power = std::pow(10, std::floor(std::log10(low_x_))); power <= high_x_; power *= 10)
      for (int digit = 1; digit < 10; digit++) {
        const double x = digit * power;
        if (x < low_x_ || x > high_x_)
          continue;
        rule(at_x(x), kTop, at_x(x), kBottom, digit == 1 ? "#c8c8c8" : "#eeeeee");
        if (digit == 1 || digit == 2 || digit == 5) {
          snprintf(label, sizeof label, "%g", x);
          text(at_x(x), kBottom + 18, "middle", label);
        }
      }
    rule(kLeft, kBottom, kRight, kBottom, "#444");
    rule(kLeft, kTop, kLeft, kBottom, "#444");
  }

  void curve(size_t i) {
    const Series& s = plot_.series[i];
    const size_t colours = std::size(kColours);
    const char* colour = kColours[i % colours];
    std::string path, marks;
    for (const auto& p : s.points) {
      if (!usable(p))
        continue;
      print(path, "%c%.1f %.1f", path.empty() ? 'M' : 'L', at_x(p.first), at_y(p.second));
      print(marks, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", at_x(p.first), at_y(p.second),
            colour);
    }
    const double y = kTop + 10 + 20 * double(i);
    if (s.line) {
      const char* dashes = i < colours ? "" : " stroke-dasharray=\"6 3\"";
      out_ += "<path d=\"" + path;
      print(out_, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"%s/>\n", colour, dashes);
      print(out_, "<path d=\"M%g %.1fh22\" stroke=\"%s\" stroke-width=\"2\"%s/>\n", kRight + 14, y, colour,
            dashes);
    }
    out_ += marks;
    print(out_, "<circle cx=\"%g\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", kRight + 25, y, colour);
    text(kRight + 42, y + 4, "start", s.name);
  }

  const Plot& plot_;
  std::string out_;
  double low_x_ = 1e300, high_x_ = 0, low_y_ = 1e300, high_y_ = -1e300, step_y_ = 1;
};

} // namespace

std::string Plot::draw() const {
  return Canvas(*this).draw();
}

} // namespace gsem::eval
