// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/tools/grey_image.hpp"

#include <fstream>
#include <limits>

#ifdef HAVE_PNG
#include <png.h>
#endif

namespace gsem::maps {
namespace {

constexpr int kMaxFileSide = 16384;

bool read_pgm(std::istream& in, Map& out) {
  int fields[3] = {};
  for (int& field : fields) {
    while ((in >> std::ws).peek() == '#')
      in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    if (!(in >> field) || field <= 0 || field > kMaxFileSide)
      return false;
  }
  if (fields[2] != 255 || in.get() == std::char_traits<char>::eof())
    return false;
  out.width = fields[0];
  out.height = fields[1];
  out.data.resize(static_cast<size_t>(out.width) * static_cast<size_t>(out.height));
  const auto size = static_cast<std::streamsize>(out.data.size());
  return in.read(reinterpret_cast<char*>(out.data.data()), size).gcount() == size;
}

bool read_png(const std::string& path, Map& out) {
#ifdef HAVE_PNG
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_file(&image, path.c_str()) == 0)
    return false;
  image.format = PNG_FORMAT_GRAY;
  bool ok = image.width <= kMaxFileSide && image.height <= kMaxFileSide;
  if (ok) {
    out.width = static_cast<int>(image.width);
    out.height = static_cast<int>(image.height);
    out.data.resize(PNG_IMAGE_SIZE(image));
    ok = png_image_finish_read(&image, nullptr, out.data.data(), 0, nullptr) != 0;
  }
  png_image_free(&image);
  return ok;
#else
  return false;
#endif
}

} // namespace

bool read_grey_image(const std::string& path, Map& out, std::string& error) {
  std::ifstream in(path, std::ios::binary);
  char magic[2] = {};
  const bool pgm = in.read(magic, 2) && magic[0] == 'P' && magic[1] == '5';
  if (pgm ? read_pgm(in, out) : read_png(path, out))
    return true;
  error = path + ": not an 8-bit PGM or PNG picture that this build reads";
  return false;
}

} // namespace gsem::maps
