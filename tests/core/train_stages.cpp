// SPDX-License-Identifier: LGPL-2.1-or-later
// gst-semantic-stages on a made-up data folder with the shipped profile: every stage of every picture is
// there and of the right size, coded maps are near the maps that were coded, a second run makes what is
// missing and nothing else. argv[1]: the program, argv[2]: the profile.
#include "tests/core/check.hpp"
#include "tests/core/train_data.hpp"

#include <cstdlib>

namespace fs = std::filesystem;

namespace {

constexpr int kPictures = 3;

double mean_difference(const cv::Mat& a, const cv::Mat& b) {
  if (a.empty() || a.size() != b.size() || a.type() != b.type())
    return 1e9;
  return cv::norm(a, b, cv::NORM_L1) / double(a.total()) / a.channels();
}

fs::path stage(const fs::path& out, const char* what, int i, const char* ending = ".png") {
  return out / what / (test_data::name(i) + ending);
}

void everything_is_there(const fs::path& out) {
  for (int i = 0; i < kPictures; i++) {
    const cv::Mat source = test_data::picture(i, 256);
    const cv::Mat painted = cv::imread(stage(out, "layer1", i).string()),
                  shown = cv::imread(stage(out, "layer2", i).string()),
                  edges = cv::imread(stage(out, "edges", i).string(), cv::IMREAD_UNCHANGED),
                  map = cv::imread(stage(out, "maps", i).string(), cv::IMREAD_UNCHANGED);
    CHECK(painted.size() == cv::Size(256, 256) && shown.size() == cv::Size(256, 256));
    CHECK(edges.size() == cv::Size(128, 128) && edges.type() == CV_8UC1 && map.type() == CV_8UC1);
    // Coded, so not the same; decoded, so alike. Another picture's map is not.
    CHECK(mean_difference(edges, map) > 0 && mean_difference(edges, map) < 12);
    const cv::Mat other = cv::imread(stage(out, "maps", (i + 1) % kPictures).string(), cv::IMREAD_UNCHANGED);
    CHECK(mean_difference(edges, other) > mean_difference(edges, map));
    CHECK(mean_difference(painted, shown) > 1 && mean_difference(source, painted) > 1);
    std::ifstream text(stage(out, "layer1", i, ".txt"));
    std::string caption;
    CHECK(std::getline(text, caption) && caption.find(' ') != std::string::npos);
  }
}

} // namespace

int main(int argc, char** argv) {
  CHECK(argc == 3);
  if (argc != 3)
    return 1;
  test_data::Folder folder;
  const fs::path data = folder.path / "data", out = folder.path / "stages";
  test_data::write_birds(data, kPictures - 1, 1);
  const std::string command =
      std::string(argv[1]) + " --profile " + argv[2] + " --data " + data.string() + " --out " + out.string();
  CHECK(std::system(command.c_str()) == 0);
  everything_is_there(out);

  const auto kept = fs::last_write_time(stage(out, "layer2", 0));
  fs::remove(stage(out, "layer2", 1));
  CHECK(std::system(command.c_str()) == 0);
  everything_is_there(out);
  CHECK(fs::last_write_time(stage(out, "layer2", 0)) == kept);

  CHECK(std::system((std::string(argv[1]) + " --profile " + folder.path.string() + " --data " + data.string())
                        .c_str()) != 0);
  return check::result();
}
