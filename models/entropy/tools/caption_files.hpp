// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"

#include <set>
#include <string>
#include <vector>

/// Files that the caption programs read. Errors are std::runtime_error with the file's name.
namespace gsem::entropy {

Bytes read_file(const std::string& path);

/// Lines without their line ends.
std::vector<std::string> read_lines(const std::string& path);

/// First column of every line: image names.
std::set<std::string> read_names(const std::string& path);

/// Captions of a .tsv whose header names a column `caption` (and, to select by image, `name`), or the lines
/// of any other file. `only` and `exclude` select by image name; null takes all.
std::vector<std::string> read_captions(const std::string& path, const std::set<std::string>* only,
                                       const std::set<std::string>* exclude);

} // namespace gsem::entropy
