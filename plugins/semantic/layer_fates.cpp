// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/layer_fates.hpp"

namespace gsem {

using namespace bitstream;

LayerPieces LayerFates::examine(const StreamHeader& header, const AccessUnitHeader& unit, ByteView section) {
  LayerPieces pieces;
  for (size_t i = 0; i < unit.layers.size(); ++i) {
    const LayerUnit& layer = unit.layers[i];
    const size_t index = size_t(layer.kind) - 1;
    if (index >= pieces.size())
      continue; // a kind from the future
    LayerPiece& piece = pieces[index];
    piece.unit = &layer;
    ByteView payload;
    if (layer.lost) {
      piece.fate = Fate::Lost;
    } else if ((piece.status = find_payload(unit, section, i, payload)) != Status::Ok) {
      piece.fate = Fate::Damaged;
    } else {
      piece.fate = Fate::Present;
      piece.offset = size_t(payload.data() - section.data());
    }
    if (piece.fate != Fate::Present)
      lose(index, layer);
    else if (layer.key)
      broken_[index] = false;
    else if (broken_[index])
      piece.fate = Fate::Lost;
  }
  // Kinds ascend: what a layer depends on was decided before it.
  for (const auto& info : header.layers) {
    const size_t index = size_t(info.kind) - 1;
    if (index >= pieces.size() || pieces[index].fate != Fate::Present)
      continue;
    for (size_t below = 0; below < index; ++below)
      if ((info.dependencies >> unsigned(kLayerNames[below].kind)) & 1 &&
          pieces[below].fate != Fate::Present) {
        pieces[index].fate = Fate::Lost;
        lose(index, *pieces[index].unit);
      }
  }
  return pieces;
}

} // namespace gsem
