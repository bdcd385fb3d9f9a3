// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/semantic/report_pacing.hpp"

#include <cmath>

namespace gsem {

namespace {

constexpr double kQuick = 1e9, kSlow = 4e9; ///< ns
constexpr double kSlowLink = 10'000;        ///< bits a second
constexpr double kFewBits = 5'000;          ///< a second
constexpr uint64_t kTried = 2;
constexpr double kPatience = 1e8; ///< ns
constexpr double kChange = 40;    ///< ms of delay that cannot wait
constexpr double kMs = 1e6;

} // namespace

void ReportPacing::measure(const Packet& packet) {
  const double step = packet.arrived > last_ ? double(packet.arrived - last_) : 0;
  last_ = packet.arrived;
  quick_ = quick_ * std::exp(-step / kQuick) + double(packet.bytes) * 8e9 / kQuick;
  slow_ = slow_ * std::exp(-step / kSlow) + double(packet.bytes) * 8e9 / kSlow;
}

void ReportPacing::Extreme::add(double delay, uint64_t now) {
  const uint64_t number = now / kSlot;
  Slot& slot = slots_[number % kSlots];
  if (slot.number != number || sign_ * delay > sign_ * slot.delay)
    slot = {number, delay};
}

double ReportPacing::Extreme::value(uint64_t now, double otherwise) const {
  double found = otherwise;
  bool any = false;
  for (const auto& slot : slots_)
    if (slot.number != kNever && slot.number + kSlots > now / kSlot) {
      found = !any || sign_ * slot.delay > sign_ * found ? slot.delay : found;
      any = true;
    }
  return found;
}

/// The network may have become slower than the sender knows, or faster.
void ReportPacing::note_delay(const Packet& packet) {
  const double delay = (double(packet.arrived) - double(packet.sent)) / kMs;
  // Large packets take longer than small ones, the less so the more the link carries.
  const double queued = delay - double(packet.bytes) * 8e3 / std::max(rate(), kSlowLink);
  const bool faster = delay < shortest_.value(packet.arrived, delay) - kChange;
  const bool slower = queued > longest_.value(packet.arrived, queued) + kChange;
  shortest_.add(delay, packet.arrived);
  longest_.add(queued, packet.arrived);
  if (faster || slower) {
    urgent_ = true;
    slower_than_ = slower ? queued - kChange : kAnyDelay;
  } else if (queued < slower_than_) {
    urgent_ = false; // it was a hiccup, or is over
  }
}

/// Where hardly anything comes, more than that is tried, and the sender waits to hear how it went.
void ReportPacing::note_size(const Packet& packet) {
  if (largest_ && packet.bytes > kTried * largest_ && slow_ < kFewBits) {
    urgent_ = true;
    slower_than_ = kAnyDelay;
  }
  largest_ = std::max(largest_, packet.bytes);
}

bool ReportPacing::take(const Packet& packet) {
  note_size(packet);
  measure(packet);
  if (packet.first)
    note_delay(packet);
  bytes_ += packet.bytes;
  packets_ += packet.numbered;
  const uint64_t waited = last_report_ == kNever ? kOftenReported : packet.arrived - last_report_;
  if (!packets_ || !packet.may_report || waited < kOftenReported)
    return false;
  // Less comes than before: a report or what it was to be of may have been lost, and the sender waits for it.
  const bool late = last_report_ != kNever && double(waited) > late_after_;
  // That more may be sent is worth more than that less may: the sender finds that out by itself.
  const double lent = urgent_ && slower_than_ == kAnyDelay ? 1 : urgent_ || late ? 0.5 : 0;
  if (!budget_.pays(bytes_, packets_, rate()) && !budget_.lends(bytes_, packets_, rate(), lent))
    return false;
  budget_.reported(bytes_, packets_, rate());
  late_after_ = 2 * budget_.due_bytes(double(bytes_) / double(packets_), rate()) * 8e9 / rate() + kPatience;
  urgent_ = false;
  last_report_ = packet.arrived;
  bytes_ = packets_ = largest_ = 0;
  return true;
}

} // namespace gsem
