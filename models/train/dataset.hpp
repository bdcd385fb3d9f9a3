// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

/// Which pictures there are and what is known about them. Nothing is decoded here (picture_store.hpp does).
namespace gsem::train {

enum class Kind {
  Object,   ///< the captioned object fills the picture (bounding box squashed to a square)
  Scene,    ///< the whole photo of a captioned object
  General,  ///< any photo
  Boundary, ///< photo with human boundaries
};

struct Entry {
  std::string name;
  std::string file; ///< path of the picture
  Kind kind = Kind::General;
  bool train = true;           ///< false: for measuring only, never trained on
  int label = -1;              ///< number of its class in DataSet::labels, -1: none
  std::array<double, 4> box{}; ///< x, y, width, height in pixels of the part to take; width 0: all of it
  std::vector<std::string> captions;
  std::string boundary_file; ///< grey picture: fraction of annotators who drew a boundary (Kind::Boundary)
};

struct DataSet {
  std::vector<Entry> entries;
  std::vector<std::string> labels; ///< class names, sorted
  /// Indices of entries of a kind and split, in file order.
  std::vector<size_t> select(Kind kind, bool train) const;
};

/// Reads folders of these layouts (found out by looking) and joins them:
///  * a folder with index.tsv and captions.tsv (columns name, split, class, photo / name, caption) with
///  crops/ and photos/ beside them;
///  * CUB_200_2011 as published (images.txt, image_class_labels.txt, train_test_split.txt,
///  bounding_boxes.txt, images/), with or without
///    AttnGAN's text/CLASS/NAME.txt (a caption a line) and {train,test}/filenames.pickle or filenames.txt
///    around it;
///  * boundary photos: {train,val,test}/NAME.jpg with NAME.png beside (BSDS500 converted);
///  * a folder of such folders named birds, photos, edges;
///  * anything else: every picture below it, the last 4 % (in name order) kept for measuring.
/// Throws std::runtime_error naming the folder when nothing is found; rows that name missing files are left
/// out and counted in `messages`.
DataSet read_data(const std::vector<std::string>& folders, std::vector<std::string>& messages);

namespace detail {
void read_index(const std::string& folder, DataSet& data, std::vector<std::string>& messages);
void read_cub(const std::string& cub, const std::string& outer, DataSet& data,
              std::vector<std::string>& messages);
std::vector<std::string> picture_files(const std::string& folder);
} // namespace detail

/// The strings of a pickled list (protocols 0 to 5), as AttnGAN's filenames.pickle. Reads strings and lists
/// only and runs nothing; throws std::runtime_error on anything else.
std::vector<std::string> read_pickled_strings(const std::string& file);

} // namespace gsem::train
