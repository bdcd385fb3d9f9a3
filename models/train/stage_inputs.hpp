// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/frozen.hpp"

/// What later stages learn from: parts of pictures, teacher maps, coded-and-decoded maps, painted bases, made
/// in batches. What takes long is kept in --out/cache in parts, so that a killed run goes on where it was.
namespace gsem::train {

/// A square of a picture.
struct View {
  size_t entry;
  bool whole = true;                  ///< all of it, stretched; else:
  double x = 0.5, y = 0.5, width = 1; ///< square of `width` shorter sides, at fractions x, y of the room left
};
cv::Mat cut_view(const View& view, const cv::Mat& picture, int side);
/// u8 [N,3,side,side]; views of broken pictures are taken out. `boundaries` (may be null): the human maps cut
/// alike, u8 [N,1,S,S] of `boundary_side` (0: side/2), zeros where there is none.
Tensor load_views(const Context& context, std::vector<View>& views, int side, Tensor* boundaries = nullptr,
                  int boundary_side = 0);

/// Runs `compute` over parts of `views` and joins the results along their first dimension; each part is
/// cached under `name` for `files`.
TensorMap in_parts(const Context& context, const std::string& name, const std::vector<View>& views,
                   const std::vector<std::string>& files,
                   const std::function<TensorMap(int64_t from, int64_t to, StepRandom& random)>& compute);

/// Maps u8 [N,1,H,W] through the structure layer's still codec at quantiser[i] -> as decoded.
Tensor code_maps(const Tensor& maps, const std::vector<int>& quantisers);

/// Everything the structure synthesis sees. Hint 127 and zero sentence, base: none.
struct StructureInputs {
  Tensor pictures;  ///< u8 [N,3,256,256]
  Tensor maps;      ///< u8 [N,2,128,128]: coded at two random quantisers
  Tensor bases;     ///< u8 [N,3,128,128]: painted from a random caption and the picture's own hint
  Tensor sentences; ///< [N,128] of the first caption
  Tensor hints;     ///< int64 [N]
  Tensor captioned; ///< bool [N]
};
/// From --profile: edges, generator, hint, text, backbone. Train: objects, scenes, general and boundary
/// photos.
StructureInputs structure_inputs(const Context& context, bool train);

/// General pictures' stand-in for a base: nothing finer than 8 to 16 cells across is left, colours moved.
/// float [B,3,256,256] -> [B,3,128,128].
Tensor vague_base(const Tensor& pictures, StepRandom& random);

/// What the structure layer shows for `inputs`, u8 [N,3,256,256], and the map used, u8 [N,1,128,128].
struct SideInputs {
  Tensor pictures, bases, maps;
};
SideInputs side_inputs(const Context& context, const StructureInputs& inputs);

} // namespace gsem::train
