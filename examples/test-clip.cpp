// SPDX-License-Identifier: LGPL-2.1-or-later
// Draws the test clip of examples/test-clip: birds (PNG with alpha) that move over textured backgrounds, with
// camera pans, cuts and sensor noise. The picture is a function of the time and the seed alone, so 10 and 25
// frames a second show the same scene, on every machine.
#include <CLI/CLI.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

constexpr double kSceneSeconds = 5; ///< a cut after each
constexpr int kOctaves = 6;

struct Options {
  std::string stamps, output;
  double seconds = 20, noise = 2;
  int rate = 25, size = 256;
  unsigned seed = 1;
};

[[noreturn]] void fail(const std::string& what) {
  fprintf(stderr, "test-clip: %s\n", what.c_str());
  exit(1);
}

/// Birds of PNG files with an alpha channel, in order of their names.
std::vector<cv::Mat> read_birds(const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().extension() == ".png")
      paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<cv::Mat> birds;
  for (const auto& path : paths) {
    cv::Mat picture = cv::imread(path, cv::IMREAD_UNCHANGED);
    if (picture.type() == CV_8UC4 && std::min(picture.cols, picture.rows) >= 16)
      birds.push_back(picture);
  }
  if (birds.empty())
    fail("no PNG pictures with an alpha channel in '" + folder + "'");
  return birds;
}

/// Fractal noise, 0..1: bilinear grids of halving cells and amplitudes.
cv::Mat fractal(cv::Size size, double stretch, cv::RNG& random) {
  cv::Mat sum(size, CV_32F, cv::Scalar(0));
  double amplitude = 0.5;
  for (int octave = 0, cells = 3; octave < kOctaves; ++octave, cells *= 2, amplitude *= 0.6) {
    cv::Mat grid(std::max(2, int(cells * stretch)), cells + 1, CV_32F), layer;
    random.fill(grid, cv::RNG::UNIFORM, 0.0, 1.0);
    cv::resize(grid, layer, size, 0, 0, cv::INTER_CUBIC);
    sum += amplitude * layer;
  }
  cv::normalize(sum, sum, 0, 1, cv::NORM_MINMAX);
  return sum;
}

/// Twice the picture's size, for the camera to move in: sky, grass, water or bark.
cv::Mat background(int size, int scene, cv::RNG& random) {
  struct Look {
    cv::Vec3f dark, light; ///< BGR
    double stretch;
  };
  static const Look kLooks[] = {{{200, 150, 90}, {250, 235, 220}, 1},
                                {{30, 70, 40}, {90, 170, 120}, 1.5},
                                {{120, 80, 40}, {190, 160, 110}, 3},
                                {{30, 45, 60}, {110, 140, 165}, 0.4}};
  const Look& look = kLooks[scene % std::size(kLooks)];
  const cv::Mat noise = fractal({2 * size, 2 * size}, look.stretch, random);
  cv::Mat picture(noise.size(), CV_8UC3);
  for (int y = 0; y < noise.rows; ++y)
    for (int x = 0; x < noise.cols; ++x) {
      const cv::Vec3f colour = look.dark + noise.at<float>(y, x) * (look.light - look.dark);
      picture.at<cv::Vec3b>(y, x) =
          cv::Vec3b(cv::saturate_cast<uchar>(colour[0]), cv::saturate_cast<uchar>(colour[1]),
                    cv::saturate_cast<uchar>(colour[2]));
    }
  return picture;
}

struct Bird {
  cv::Mat picture;
  double x, y, speed_x, swing, phase, height; ///< in picture sizes, and picture sizes a second
};

struct Scene {
  cv::Mat ground;
  cv::Point2d camera, camera_speed; ///< of 0..1, the room for it
  std::vector<Bird> birds;
};

Scene make_scene(int number, const std::vector<cv::Mat>& pictures, const Options& options) {
  cv::RNG random(options.seed * 7919u + unsigned(number) * 104729u + 1);
  Scene scene;
  scene.ground = background(options.size, number, random);
  scene.camera = {random.uniform(0.1, 0.4), random.uniform(0.3, 0.6)};
  scene.camera_speed = {random.uniform(0.02, 0.1), random.uniform(-0.03, 0.03)};
  for (int i = 0, count = 1 + number % 2; i < count; ++i) {
    Bird bird;
    bird.picture = pictures[(size_t(number) * 2 + size_t(i)) % pictures.size()].clone();
    bird.speed_x = random.uniform(-0.12, 0.12);
    if (bird.speed_x > 0)
      cv::flip(bird.picture, bird.picture, 1); // most stamps look to the left
    bird.x = 0.5 + (i - (count - 1) / 2.0) * 0.45 - bird.speed_x * kSceneSeconds / 2;
    bird.y = random.uniform(0.45, 0.6);
    bird.swing = random.uniform(0.01, 0.06);
    bird.phase = random.uniform(0.0, 6.28);
    bird.height = random.uniform(0.4, 0.6) / (count > 1 ? 1.4 : 1);
    scene.birds.push_back(bird);
  }
  return scene;
}

/// Subpixel placement, so that slow movements are smooth.
void draw(cv::Mat& picture, const Bird& bird, double time) {
  const double scale =
      bird.height * picture.rows / bird.picture.rows * (1 + 0.05 * std::sin(time * 0.9 + bird.phase));
  const double width = bird.picture.cols * scale, height = bird.picture.rows * scale;
  const double x = (bird.x + bird.speed_x * time) * picture.cols - width / 2;
  const double y = (bird.y + bird.swing * std::sin(2.2 * time + bird.phase)) * picture.rows - height / 2;
  const cv::Matx23d place(scale, 0, x, 0, scale, y);
  cv::Mat source, placed;
  if (scale >= 1)
    source = bird.picture;
  else // the warp alone would alias
    cv::GaussianBlur(bird.picture, source, {}, 0.4 / scale);
  cv::warpAffine(source, placed, place, picture.size(), cv::INTER_LINEAR, cv::BORDER_CONSTANT,
                 cv::Scalar::all(0));
  for (int row = 0; row < picture.rows; ++row)
    for (int column = 0; column < picture.cols; ++column) {
      const cv::Vec4b& over = placed.at<cv::Vec4b>(row, column);
      cv::Vec3b& pixel = picture.at<cv::Vec3b>(row, column);
      for (int c = 0; c < 3; ++c)
        pixel[c] = uchar((over[c] * over[3] + pixel[c] * (255 - over[3]) + 127) / 255);
    }
}

cv::Mat frame(const Scene& scene, double time, const Options& options) {
  const cv::Point2d at(std::clamp(scene.camera.x + scene.camera_speed.x * time, 0.0, 1.0) * options.size,
                       std::clamp(scene.camera.y + scene.camera_speed.y * time, 0.0, 1.0) * options.size);
  cv::Mat picture;
  const cv::Matx23d view(1, 0, -at.x, 0, 1, -at.y);
  cv::warpAffine(scene.ground, picture, view, {options.size, options.size}, cv::INTER_LINEAR);
  for (const auto& bird : scene.birds)
    draw(picture, bird, time);
  return picture;
}

/// The same noise for the same moment at every frame rate of which it is a frame.
void add_noise(cv::Mat& picture, double time, const Options& options) {
  cv::RNG random(uint64_t(std::llround(time * 1000)) * 2654435761u + options.seed);
  cv::Mat noise(picture.size(), CV_16SC3);
  random.fill(noise, cv::RNG::NORMAL, 0, options.noise);
  cv::add(picture, noise, picture, cv::noArray(), CV_8U);
}

void write_clip(const Options& options) {
  const auto birds = read_birds(options.stamps);
  std::ofstream file(options.output, std::ios::binary);
  file << "YUV4MPEG2 W" << options.size << " H" << options.size << " F" << options.rate << ":1 Ip A1:1\n";
  const int frames = int(std::lround(options.seconds * options.rate));
  Scene scene;
  for (int i = 0, current = -1; i < frames; ++i) {
    const double time = double(i) / options.rate;
    const int number = int(std::floor(time / kSceneSeconds));
    if (number != current)
      scene = make_scene(current = number, birds, options);
    cv::Mat picture = frame(scene, time - number * kSceneSeconds, options), planes;
    add_noise(picture, time, options);
    cv::cvtColor(picture, planes, cv::COLOR_BGR2YUV_I420);
    file << "FRAME\n";
    file.write(reinterpret_cast<const char*>(planes.data), std::streamsize(planes.total()));
  }
  if (!file.flush())
    fail("cannot write " + options.output);
}

} // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Draws a test clip of birds into a YUV4MPEG2 file");
  app.add_option("--stamps", options.stamps, "folder with PNG pictures of birds, with alpha")->required();
  app.add_option("--output", options.output, "file to write")->required();
  app.add_option("--rate", options.rate, "frames a second")->check(CLI::Range(1, 100))->capture_default_str();
  app.add_option("--seconds", options.seconds, "length; a cut every 5 s")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app.add_option("--size", options.size, "width and height, even")
      ->check(CLI::Range(16, 2048))
      ->capture_default_str();
  app.add_option("--noise", options.noise, "standard deviation, of 255")
      ->check(CLI::Range(0.0, 50.0))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "another clip")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (options.size % 2)
    fail("--size must be even");
  cv::setNumThreads(1);
  try {
    write_clip(options);
  } catch (const std::exception& error) {
    fail(error.what());
  }
}
