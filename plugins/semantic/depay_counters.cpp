// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/depay_counters.hpp"

namespace gsem {

void DepayCounters::add(const ReceivedUnit& unit) {
  ++units;
  for (const auto& layer : unit.layers) {
    const size_t index = size_t(layer.layer.kind) - 1;
    if (index < layers.size())
      ++(layer.lost ? layers[index].lost : layers[index].present);
  }
}

GstStructure* DepayCounters::to_structure() const {
  GstStructure* stats = gst_structure_new(
      "application/x-rtp-semantic-depay-stats", "packets", G_TYPE_UINT64, packets.packets, "bad-packets",
      G_TYPE_UINT64, packets.bad, "late-packets", G_TYPE_UINT64, packets.late, "access-units", G_TYPE_UINT64,
      units, "lost-units", G_TYPE_UINT64, packets.units_lost, "headerless-units", G_TYPE_UINT64,
      packets.headerless, "due-units", G_TYPE_UINT64, due_units, "due-pictures", G_TYPE_UINT64, due_pictures,
      "recovered-units", G_TYPE_UINT64, packets.recovered, "repeats-used", G_TYPE_UINT64, packets.repeats,
      "key-requests", G_TYPE_UINT64, key_requests, nullptr);
  for (size_t i = 0; i < layers.size(); ++i) {
    Ptr<GstStructure> nested(gst_structure_new(kLayerNames[i].pad, "present", G_TYPE_UINT64,
                                               layers[i].present, "lost", G_TYPE_UINT64, layers[i].lost,
                                               nullptr));
    gst_structure_set(stats, kLayerNames[i].pad, GST_TYPE_STRUCTURE, nested.get(), nullptr);
  }
  return stats;
}

} // namespace gsem
