// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/unit_writer.hpp"

namespace gsem {

using namespace bitstream;

AccessUnitHeader unit_header(const ReceivedUnit& received, uint64_t tick) {
  AccessUnitHeader unit;
  unit.number = received.number;
  unit.timestamp = tick;
  unit.key = false;
  bool all_key = true;
  for (const auto& layer : received.layers) {
    LayerUnit& out = unit.layers.emplace_back();
    out.kind = layer.layer.kind;
    out.key = layer.layer.key;
    out.discardable = layer.layer.discardable;
    out.switch_point = layer.layer.switch_point;
    out.temporal_id = layer.layer.temporal_id;
    out.lost = layer.lost;
    out.size = uint32_t(layer.data.size());
    unit.key = unit.key || !layer.lost;
    all_key = all_key && (layer.lost || out.key);
  }
  unit.key = unit.key && all_key;
  return unit;
}

void UnitWriter::set_stream_header(const Bytes& bytes) {
  stream_header_ = bytes;
  header_due_ = true;
}

void UnitWriter::forget() {
  stream_header_.clear();
  header_due_ = true;
}

GstBuffer* UnitWriter::write(const ReceivedUnit& received, const AccessUnitHeader& unit) {
  auto* bytes = new Bytes;
  size_t payload = 0;
  for (const auto& layer : received.layers)
    payload += layer.data.size() + 2;
  constexpr size_t kMostUnitHeader = 64;
  bytes->reserve(stream_header_.size() + kMostUnitHeader + payload);
  if (header_due_) {
    bytes->assign(stream_header_.begin(), stream_header_.end());
    timestamps_ = TimestampState{};
  }
  if (write_access_unit_header(unit, timestamps_, *bytes) != Status::Ok) {
    delete bytes;
    return nullptr;
  }
  header_due_ = false;
  for (const auto& layer : received.layers)
    if (!layer.lost)
      append_payload(layer.data, *bytes);
  return gst_buffer_new_wrapped_full(GST_MEMORY_FLAG_READONLY, bytes->data(), bytes->size(), 0, bytes->size(),
                                     bytes, [](gpointer data) { delete static_cast<Bytes*>(data); });
}

} // namespace gsem
