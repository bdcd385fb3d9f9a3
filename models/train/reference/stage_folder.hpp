// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/recipe.hpp"

#include <functional>

/// What the layers below show, for the training of those above: a folder each of PNG pictures, by the
/// pictures' names in the data set.
namespace gsem::train {

inline constexpr const char *kLayer1 = "layer1", *kEdges = "edges", *kMaps = "maps", *kLayer2 = "layer2";

/// FOLDER/WHAT/NAME.png. Throws for a name that would lead out of the folder.
std::string stage_file(const std::string& folder, const char* what, const Entry& entry);

/// The pictures that the published layers 2 and 3 learn from: objects, or any where there are none.
std::vector<size_t> stage_entries(const Context& context, bool train);

struct StagePictures {
  at::Tensor pictures; ///< u8 [N,3,256,256]
  at::Tensor lower;    ///< u8 [N,3,256,256]: layer 1's or layer 2's
  at::Tensor maps;     ///< u8 [N,1,128,128], decoded
  int64_t size() const { return pictures.defined() ? pictures.size(0) : 0; }
};
/// Of `lower` (kLayer1, kLayer2) in --stages; pictures that lack a file are left out with a message.
StagePictures read_stages(const Context& context, const char* lower, bool train);

/// The first six pictures, what is below them, and show(i), [1,3,256,256] in [-1,1].
void write_stage_sheet(const StagePictures& part, const std::function<at::Tensor(int64_t)>& show,
                       const std::string& file);

} // namespace gsem::train
