// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

/// A small captioned data set: coloured shapes on coloured grounds.
namespace test_data {
namespace fs = std::filesystem;

/// A private temporary folder, removed at the end.
struct Folder {
  fs::path path;
  Folder() : path(fs::temp_directory_path() / ("gsem-train-" + std::to_string(getpid()))) {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
};

inline const char* const kColours[4] = {"red", "green", "blue", "yellow"};
inline const char* const kShapes[3] = {"circle", "square", "triangle"};

inline std::string name(int i) {
  const std::string number = std::to_string(i % 6);
  return "00" + number + ".Class/Picture_" + std::to_string(i);
}

inline std::string caption(int i, int which) {
  static const char* const openings[5] = {"a", "this is a", "there is a", "the picture shows a", "one"};
  return std::string(openings[which % 5]) + " " + kColours[i % 4] + " " + kShapes[i % 3] + " on " +
         (which < 5 ? "a " : "") + kColours[(i / 4 + 1) % 4] + " ground";
}

inline cv::Mat picture(int i, int side) {
  static const cv::Scalar bgr[4] = {{30, 30, 220}, {40, 190, 40}, {220, 60, 40}, {40, 220, 230}};
  cv::Mat m(side, side, CV_8UC3, bgr[(i / 4 + 1) % 4] * 0.6);
  const cv::Point centre(side * (3 + i % 5) / 10, side * (3 + i / 5 % 5) / 10);
  const int r = side / 5;
  if (i % 3 == 0)
    cv::circle(m, centre, r, bgr[i % 4], cv::FILLED);
  else if (i % 3 == 1)
    cv::rectangle(m, centre - cv::Point(r, r), centre + cv::Point(r, r), bgr[i % 4], cv::FILLED);
  else
    cv::fillConvexPoly(
        m,
        std::vector<cv::Point>{centre - cv::Point(0, r), centre + cv::Point(r, r), centre + cv::Point(-r, r)},
        bgr[i % 4]);
  return m;
}

/// index.tsv, captions.tsv and crops/ with `train` + `test` pictures of 160x160.
inline void write_birds(const fs::path& folder, int train, int test) {
  fs::create_directories(folder / "crops");
  std::ofstream index(folder / "index.tsv"), captions(folder / "captions.tsv");
  index << "name\tsplit\tclass\tbbox_w\tbbox_h\tphoto\n";
  captions << "name\tcaption\n";
  for (int i = 0; i < train + test; i++) {
    const std::string n = name(i);
    index << n << '\t' << (i < train ? "train" : "test") << '\t' << n.substr(0, n.find('/'))
          << "\t100\t100\t\n";
    for (int k = 0; k < 10; k++)
      captions << n << '\t' << caption(i, k) << '\n';
    fs::create_directories((folder / "crops" / n).parent_path());
    cv::imwrite((folder / "crops" / (n + ".jpg")).string(), picture(i, 160));
  }
}

/// Its words, as vocab.txt.
inline void write_vocabulary(const fs::path& file) {
  std::ofstream out(file);
  for (const char* w : {"<pad>", "<unk>", "a", "this", "is", "there", "the", "picture", "shows", "one", "on",
                        "ground", "red", "green", "blue", "yellow", "circle", "square", "triangle"})
    out << w << '\n';
}

} // namespace test_data
