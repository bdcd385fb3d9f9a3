// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/demux_counters.hpp"

namespace gsem {

void DemuxCounters::add(size_t index, const LayerPiece& piece) {
  Layer& c = layers[index];
  switch (piece.fate) {
  case Fate::Present:
    ++c.present;
    c.bytes += piece.unit->size;
    break;
  case Fate::NotSent:
    ++c.not_sent;
    break;
  case Fate::Lost:
    ++c.lost;
    break;
  case Fate::Damaged:
    ++c.damaged;
    break;
  }
}

GstStructure* DemuxCounters::to_structure() const {
  GstStructure* stats = gst_structure_new("application/x-semantic-demux-stats", "access-units", G_TYPE_UINT64,
                                          units, "damaged-units", G_TYPE_UINT64, damaged_units, nullptr);
  for (size_t i = 0; i < layers.size(); ++i) {
    const Layer& l = layers[i];
    Ptr<GstStructure> nested(gst_structure_new(kLayerNames[i].pad, "present", G_TYPE_UINT64, l.present,
                                               "not-sent", G_TYPE_UINT64, l.not_sent, "lost", G_TYPE_UINT64,
                                               l.lost, "damaged", G_TYPE_UINT64, l.damaged, "bytes",
                                               G_TYPE_UINT64, l.bytes, nullptr));
    gst_structure_set(stats, kLayerNames[i].pad, GST_TYPE_STRUCTURE, nested.get(), nullptr);
  }
  return stats;
}

} // namespace gsem
