// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/rate_feedback.hpp"

#include <cstring>
#include <vector>

namespace gsem {

namespace {

constexpr guint kMostPackets = 4096, kLargestPacket = 65535;

/// The clock of rtpsession's `local-ts`.
uint64_t now() {
  return gst_util_get_timestamp();
}

RateEstimator::Settings settings_of(const RateFeedback::Limits& limits) {
  return {limits.min, limits.max, limits.start, limits.window};
}

/// False: a packet of which too little is known.
bool read_packet(const GValue* value, unsigned overhead, RateEstimator::Packet& packet) {
  if (!value || !GST_VALUE_HOLDS_STRUCTURE(value))
    return false;
  const GstStructure* s = gst_value_get_structure(value);
  guint64 sent = 0, arrived = 0;
  guint size = 0;
  if (!gst_structure_get_uint64(s, "local-ts", &sent) || !GST_CLOCK_TIME_IS_VALID(sent) ||
      !gst_structure_get_uint(s, "size", &size))
    return false;
  gboolean lost = FALSE;
  gst_structure_get_boolean(s, "lost", &lost);
  const bool came =
      !lost && gst_structure_get_uint64(s, "remote-ts", &arrived) && GST_CLOCK_TIME_IS_VALID(arrived);
  packet.sent = sent;
  packet.arrived = came ? arrived : RateEstimator::kNever;
  packet.bytes = MIN(size, kLargestPacket) + overhead;
  return true;
}

std::vector<RateEstimator::Packet> read_report(const GstStructure* s, unsigned overhead) {
  std::vector<RateEstimator::Packet> packets;
  const GValue* list = gst_structure_get_value(s, "packets");
  // The array type of GObject whose name in C is deprecated; rtpsession still uses it.
  const bool is_array = list && G_VALUE_HOLDS_BOXED(list) && !strcmp(G_VALUE_TYPE_NAME(list), "GValueArray");
  const auto* array = is_array ? static_cast<const GValueArray*>(g_value_get_boxed(list)) : nullptr;
  const guint n = MIN(array ? array->n_values : 0, kMostPackets);
  packets.reserve(n);
  RateEstimator::Packet packet;
  for (guint i = 0; i < n; ++i)
    if (read_packet(&array->values[i], overhead, packet))
      packets.push_back(packet);
  return packets;
}

} // namespace

void RateFeedback::reset() {
  std::lock_guard lock(mutex_);
  estimator_.reset();
}

bool RateFeedback::take(const GstEvent* event, const Limits& limits) {
  const GstStructure* s = gst_event_get_structure(const_cast<GstEvent*>(event));
  if (!s)
    return false;
  if (gst_structure_has_name(s, "GstRTPRetransmissionRequest")) {
    std::lock_guard lock(mutex_);
    estimator_.retransmission_request(now(), settings_of(limits));
    return false; // others send the packet
  }
  if (!gst_structure_has_name(s, "RTPTWCCPackets"))
    return false;
  const auto packets = read_report(s, limits.overhead);
  if (!packets.empty()) {
    std::lock_guard lock(mutex_);
    estimator_.feedback(packets, now(), settings_of(limits));
  }
  return true;
}

RateFeedback::Allowance RateFeedback::allowance(const Limits& limits) {
  std::lock_guard lock(mutex_);
  const uint64_t time = now();
  const auto settings = settings_of(limits);
  const uint64_t rate = estimator_.rate(time, settings);
  return {rate, estimator_.pace(time, settings), estimator_.room(time, settings)};
}

void RateFeedback::sent(uint64_t wire_bytes, uint64_t next_rate, uint64_t full_rate) {
  std::lock_guard lock(mutex_);
  estimator_.sent(wire_bytes, now());
  estimator_.want(next_rate, full_rate);
}

RateFeedback::State RateFeedback::state() {
  std::lock_guard lock(mutex_);
  return {estimator_.estimate(), estimator_.queue_delay(now()), estimator_.received(), estimator_.loss()};
}

} // namespace gsem
