// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/rate_estimator.hpp"

#include "gst/semantic/report_pacing.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace gsem {

namespace {

constexpr double kMs = 1e6, kSecond = 1e9;
constexpr uint64_t kBurst = 5'000'000; ///< packets sent within this are one group (GCC 5.2)

// Delay (GCC 5.3..5.5)
constexpr double kTrendWindow = 1000; ///< ms
constexpr size_t kTrendSamples = 20;
constexpr double kTrendGain = 4, kUp = 0.0087, kDown = 0.039, kLeastThreshold = 6, kMostThreshold = 600;
constexpr double kOutlier = 15; ///< ms over the threshold that does not move it
constexpr double kQueueSeen = 10, kQueueTooLong = 50, kHiccup = 150; ///< ms
constexpr double kDrainFrom = 50, kDrainTo = 25, kDrainTime = 200;   ///< ms

// Rates
constexpr uint64_t kReceiveWindow = 500'000'000, kShortestWindow = 200'000'000;
constexpr uint64_t kShortestBusy = 50'000'000; ///< ns of service that tell what the link carries
constexpr double kSlowGroup = 100e6;           ///< ns of service: one such group tells by itself
constexpr size_t kFewArrivals = 4; ///< large packets on a slow link: the window is as long as they take
constexpr double kBeta = 0.85;
constexpr double kNear = 0.8, kBeyond = 1.1;                   ///< of the known capacity
constexpr double kCarefully = 0.05, kFreely = 1.6, kHurry = 8; ///< growth a second: share, factors
constexpr double kMostGrowth = 1.1;                            ///< from report to report
constexpr double kMostLowGrowth = 2.5; ///< the same below kFewBits, where reports are seconds apart
constexpr double kTried = 1.5, kAlwaysTried = 10'000; ///< of what arrives; bit/s
constexpr double kProbeMost = 2;    ///< times the estimate: a rung farther away is not tried
constexpr double kProbeDrift = 1.5; ///< times the estimate: what a rung that was tried may turn out to take
constexpr uint64_t kVeto = 32;      ///< times as rarely where the last large groups spoke against it
constexpr uint64_t kKnown = 4;      ///< the same where the last overuse did
constexpr double kFaster = 0.5;
constexpr uint64_t kPatience = 300'000'000, kLongestStep = 500'000'000, kLongestSlowStep = 4'000'000'000;
constexpr uint64_t kFirstProbeWait = 4'000'000'000, kLastProbeWait = 16'000'000'000,
                   kProbeFails = 3'000'000'000;

// Capacity from single groups
constexpr uint64_t kHintMemory = 2'500'000'000, kLongHintMemory = 5'000'000'000, kHintBytes = 100;
constexpr size_t kHints = 2;
constexpr double kHintShare = 0.8, kMostHint = 50e6;

// Losses (GCC 6)
constexpr uint64_t kLossMemory = 1'000'000'000, kLossPause = 500'000'000;
constexpr size_t kFewPackets = 10;
constexpr double kMuchLoss = 0.1;

constexpr uint64_t kRoomForUnit = 500;        ///< bytes that may go while it is too little for a report
constexpr double kTrialAfter = 200;           ///< ms that a report is overdue
constexpr uint64_t kTrialPause = 500'000'000; ///< ns, at least, between trials
constexpr double kEarlyGain = 0.1;            ///< of the share of reports that came before they were due
constexpr double kUnitGain = 0.1;             ///< of the mean size of what is sent
constexpr double kSentMemory = 1e9, kLongSentMemory = 8e9; ///< ns
constexpr uint64_t kAgeSlot = 4'000'000'000;
constexpr uint64_t kLongReport = 5'000'000'000, kLongestReport = 8'000'000'000;
constexpr double kFewBits = 10'000;     ///< bits a second; below, reports are far apart
constexpr uint64_t kPacketBytes = 1400; ///< at most, of what a unit is sent in
constexpr double kReportGrace = 40;     ///< ms
/// Each ms that a report is overdue weighs so much in what may be sent: nobody knows how much less the link
/// carries, and what is sent in the meantime waits there.
constexpr double kOverdueWeight = 2;
constexpr uint64_t kSilence = 1'000'000'000, kSilencePause = 500'000'000;
constexpr size_t kMostSendings = 4096; ///< also of arrivals and fates: whatever reports say
constexpr double kMostDelay = 1e12;    ///< ns

uint64_t since(uint64_t now, uint64_t then) {
  return then == RateEstimator::kNever ? RateEstimator::kNever : now > then ? now - then : 0;
}

uint64_t packets_of(uint64_t bytes) {
  return (bytes + kPacketBytes - 1) / kPacketBytes;
}

} // namespace

void RateEstimator::reset() {
  *this = RateEstimator{};
}

void RateEstimator::want(uint64_t next, uint64_t full) {
  next_ = double(next);
  full_ = double(full);
}

void RateEstimator::sent(uint64_t bytes, uint64_t now) {
  ++sent_units_;
  const double step = last_sent_ == kNever ? kSentMemory : double(since(now, last_sent_));
  sent_rate_ = sent_rate_ * std::exp(-step / kSentMemory) + double(bytes) * 8 / kSentMemory * kSecond;
  sent_slowly_ =
      sent_slowly_ * std::exp(-step / kLongSentMemory) + double(bytes) * 8 / kLongSentMemory * kSecond;
  last_sent_ = now;
  if (bytes == 0)
    return;
  if (sendings_.size() == kMostSendings)
    drop_sending();
  unit_bytes_ += (double(bytes) - unit_bytes_) * kUnitGain;
  sendings_.push_back({now, bytes});
  unreported_ += bytes;
}

void RateEstimator::drop_sending() {
  unreported_ -= sendings_.front().bytes;
  sendings_.pop_front();
}

uint64_t RateEstimator::room(uint64_t now, const Settings& settings) const {
  if (!settings.window || !reported_ || !unreported_)
    return kNever; // one unit may go whatever its size
  const uint64_t left = settings.window > unreported_ ? settings.window - unreported_ : 0;
  if (trial(now))
    return std::max(left, settings.window / 2);
  // While it is too little for a report, more has to go.
  return due_since() == kNever ? std::max(left, kRoomForUnit) : left;
}

// ---- delay ------------------------------------------------------------------------------------------------

const RateEstimator::Least* RateEstimator::least() const {
  const Least* found = nullptr;
  for (const auto& slot : least_)
    if (slot.number != kNever && (!found || slot.least.delay < found->delay))
      found = &slot.least;
  return found;
}

void RateEstimator::take_least(double delay, uint64_t bytes, uint64_t sent) {
  const uint64_t number = sent / kLeastSlot;
  Slot& slot = least_[number % kLeastSlots];
  if (slot.number != number || delay < slot.least.delay)
    slot = {number, {delay, bytes}};
  for (auto& other : least_)
    if (other.number != kNever && (other.number + kLeastSlots <= number || other.number > number))
      other.number = kNever;
}

/// Slope of the queueing delay over the last second, against a threshold that follows it (GCC 5.4).
void RateEstimator::find_trend(double time, double delay) {
  samples_.push_back({time, delay});
  while (samples_.size() > kTrendSamples || time - samples_.front().time > kTrendWindow)
    samples_.pop_front();
  const auto n = double(samples_.size());
  double mean_time = 0, mean_delay = 0, above = 0, below = 0;
  for (const auto& s : samples_) {
    mean_time += s.time / n;
    mean_delay += s.delay / n;
  }
  for (const auto& s : samples_) {
    above += (s.time - mean_time) * (s.delay - mean_delay);
    below += (s.time - mean_time) * (s.time - mean_time);
  }
  const double slope = below > 0 ? above / below : 0;
  trend_ = slope * n * kTrendGain;
  const double size = std::abs(trend_);
  rising_ = trend_ > threshold_ && delay > kQueueSeen ? rising_ + 1 : 0;
  if (size < threshold_ + kOutlier) {
    const double step = std::clamp(time - last_trend_time_, 0.0, 100.0);
    threshold_ += step * (size < threshold_ ? kDown : kUp) * (size - threshold_);
    threshold_ = std::clamp(threshold_, kLeastThreshold, kMostThreshold);
  }
  last_trend_time_ = time;
}

void RateEstimator::take_group(const Group& group, uint64_t now) {
  // Receivers' clocks have any offset: only differences of this count.
  const double delay = (double(group.arrived) - double(group.last_sent)) / kMs;
  const Least* before = least();
  const double excess = before ? delay - before->delay : -1;
  if (before && excess > 0 && group.bytes >= before->bytes + kHintBytes)
    hints_.push_back(
        {double(now), std::min(double(group.bytes - before->bytes) * 8 / excess * 1e3, kMostHint)});
  // The same bytes take much less time than they ever did lately: another link.
  if (before && capacity_ > 0 &&
      before->delay - delay > std::max(kQueueSeen, kFaster * double(group.bytes) * 8 / capacity_ * 1e3)) {
    capacity_ = 0;
    probe_wait_ = kPatience;
    faster_ = true;
    long_queue_ = false; // that was the other one
    samples_.clear();
    rising_ = 0;
  }
  take_least(delay, group.bytes, group.last_sent);
  // The time that its own bytes take on the link is no queue.
  const double link = std::max({received_, rate_, 1000.0});
  const double own = double(group.bytes) * 8 / link * 1e3;
  const double queued = std::max(0.0, delay - least()->delay - own);
  queued_ = {queued_[1], queued};
  long_queue_ = long_queue_ || std::min(queued_[0], queued) > kQueueTooLong;
  find_trend(double(group.arrived) / kMs, queued);
  // The link was at it from when it came there, or was through with what came before.
  const double there =
      double(group.last_sent) + (least()->delay - double(least()->bytes) * 8 / link * 1e3) * kMs;
  const double from = arrivals_.empty() ? there : std::max(there, double(arrivals_.back().time));
  const double busy = std::max(0.0, double(group.arrived) - from);
  if (busy > kSlowGroup) // by itself it says what the link carries now
    busy_bytes_ = busy_time_ = 0;
  busy_bytes_ += double(group.bytes);
  busy_time_ += busy;
  arrivals_.push_back({group.arrived, group.bytes});
  seen_sent_ = group.last_sent;
}

/// Ms, by the last two groups: one alone may have met a hiccup, unless it is a long one, or was worth a
/// report before that was due.
double RateEstimator::queued() const {
  if (early_)
    return queued_[1];
  return std::max(std::min(queued_[0], queued_[1]), queued_[1] - kHiccup);
}

uint64_t RateEstimator::queue_delay(uint64_t now) const {
  if (seen_sent_ == kNever)
    return 0;
  double bytes = 0;
  for (const auto& sending : sendings_)
    bytes += sending.time > seen_sent_ + kBurst ? double(sending.bytes) : 0;
  const double link = std::max({capacity_ > 0 ? capacity_ : received_, rate_, 1000.0});
  const double queue = queued() * kMs + bytes * 8 / link * kSecond;
  return uint64_t(std::min(kMostDelay, std::max(overdue(now) * kMs, queue - double(since(now, seen_sent_)))));
}

/// How long the report took from when it was due, or from its last packet when it came before it was.
void RateEstimator::take_age(std::span<const Packet> packets, uint64_t now) {
  uint64_t sent = packets.back().sent, bytes = 0;
  for (size_t i = 0; i < packets.size(); ++i) {
    bytes += packets[i].bytes;
    if (budget_.pays(bytes, i + 1, report_rate())) {
      sent = packets[i].sent;
      break;
    }
  }
  const uint64_t slot = now / kAgeSlot;
  if (slot != report_slot_)
    report_age_ = {slot == report_slot_ + 1 ? report_age_[1] : 0, 0};
  report_slot_ = slot;
  const double age = double(since(now, sent)) / kMs;
  report_age_[1] = std::max(report_age_[1], age);
}

/// The same books as the receiver's.
void RateEstimator::note_report(uint64_t bytes, size_t packets) {
  const bool before_due = !budget_.pays(bytes, packets, report_rate());
  early_ = before_due && early_share_ < 0.5;
  early_share_ += ((before_due ? 1 : 0) - early_share_) * kEarlyGain;
  budget_.reported(bytes, packets, report_rate());
}

double RateEstimator::report_rate() const {
  return std::min(sent_rate_, sent_slowly_);
}

double RateEstimator::packet_bytes() const {
  return std::min(unit_bytes_, double(kPacketBytes));
}

/// Ns between reports, as receivers do it.
uint64_t RateEstimator::expected_report() const {
  const double rate = report_rate();
  const double time = budget_.due_bytes(packet_bytes(), rate) * 8 / std::max(rate, 1.0) * kSecond;
  return uint64_t(std::clamp(time, double(kOftenReported), double(kLongestReport)));
}

/// When the last of what is worth a report was sent; kNever: not yet.
uint64_t RateEstimator::due_since() const {
  if (seen_sent_ == kNever)
    return kNever;
  uint64_t bytes = 0, packets = 0;
  for (const auto& sending : sendings_) {
    bytes += sending.bytes;
    packets += packets_of(sending.bytes);
    if (budget_.pays(bytes, packets, report_rate()))
      return sending.time;
  }
  return kNever;
}

/// Ms for which a report has been missing, beyond what reports usually take.
double RateEstimator::overdue(uint64_t now) const {
  const uint64_t due = due_since();
  if (due == kNever)
    return 0;
  const double usual = std::max(report_age_[0], report_age_[1]);
  return std::max(0.0, double(since(now, due)) / kMs - usual - kReportGrace);
}

/// Receivers report what comes: when a report or what it was to be of was lost, something has to be sent,
/// ever more rarely.
bool RateEstimator::trial(uint64_t now) const {
  const uint64_t due = due_since();
  return due != kNever && overdue(now) > kTrialAfter &&
         since(now, sendings_.back().time) >= std::max(kTrialPause, 2 * since(sendings_.back().time, due));
}

// ---- rates ------------------------------------------------------------------------------------------------

void RateEstimator::measure_received() {
  if (arrivals_.empty())
    return;
  const uint64_t end = arrivals_.back().time;
  while (arrivals_.size() > kMostSendings ||
         (arrivals_.size() > kFewArrivals && arrivals_.front().time + kReceiveWindow < end))
    arrivals_.pop_front();
  double bytes = 0;
  for (const auto& arrival : arrivals_)
    bytes += double(arrival.bytes);
  // The first one began to arrive before the window does.
  const double span = double(end - arrivals_.front().time);
  const double first = arrivals_.size() > 1 ? double(arrivals_.front().bytes) : 0;
  received_ = (bytes - first) * 8 / std::max(span, double(kShortestWindow)) * kSecond;
}

void RateEstimator::count_losses(std::span<const Packet> packets, uint64_t now) {
  for (const auto& packet : packets)
    fates_.emplace_back(now, packet.arrived == kNever);
  while (fates_.size() > kMostSendings ||
         (fates_.size() > kFewPackets && since(now, fates_.front().first) > kLossMemory))
    fates_.pop_front();
  size_t lost = 0;
  for (const auto& fate : fates_)
    lost += fate.second;
  loss_ = fates_.size() >= kFewPackets ? double(lost) / double(fates_.size()) : 0;
}

/// What the link carries by the time that large groups took longer than small ones: a lower bound, as long as
/// the queue does not shrink.
double RateEstimator::capacity_hint(uint64_t now) const {
  std::vector<double> seen;
  for (const auto& hint : hints_)
    if (since(now, uint64_t(hint.time)) <= std::min(kHintMemory, since(now, last_decrease_)))
      seen.push_back(hint.delay);
  if (seen.size() < kHints)
    return 0;
  const auto median = seen.begin() + std::ptrdiff_t((seen.size() - 1) / 2);
  std::nth_element(seen.begin(), median, seen.end());
  return *median;
}

double RateEstimator::best_hint(uint64_t now) const {
  double best = 0;
  for (const auto& hint : hints_)
    if (since(now, uint64_t(hint.time)) <= kLongHintMemory)
      best = std::max(best, hint.delay);
  return best;
}

void RateEstimator::decrease(uint64_t now) {
  // While there is a queue, what arrives is what the link carries.
  const double carried =
      busy_time_ > double(kShortestBusy) ? busy_bytes_ * 8 / busy_time_ * kSecond : received_;
  if (carried > 0) {
    capacity_ = carried;
    rate_ = std::min(rate_, kBeta * carried);
  } else {
    rate_ *= kBeta;
  }
  if (since(now, last_probe_) < kProbeFails + 2 * expected_report()) {
    probe_wait_ = std::clamp(probe_wait_ * 2, kFirstProbeWait, kLastProbeWait);
    last_probe_ = kNever;
  }
  last_decrease_ = now;
}

/// Nothing that comes in tells: after a while the next rung is simply tried, later when the last large groups
/// spoke against it.
bool RateEstimator::probe_due(uint64_t now) const {
  const uint64_t waited = std::min(since(now, last_decrease_), since(now, last_probe_));
  const double hint = best_hint(now);
  const uint64_t wait = probe_wait_ * (hint > 0 && hint < next_                       ? kVeto
                                       : capacity_ > 0 && kBeyond * capacity_ < next_ ? kKnown
                                                                                      : 1);
  return waited >= wait && next_ > rate_ && next_ < kProbeMost * rate_ + kAlwaysTried;
}

void RateEstimator::increase(uint64_t now) {
  const uint64_t longest = std::clamp(expected_report(), kLongestStep, kLongestSlowStep);
  const double step =
      last_update_ == kNever ? 0 : double(std::min(since(now, last_update_), longest)) / kSecond;
  if (since(now, last_decrease_) < kPatience || loss_ >= kMuchLoss)
    return;
  const double hint = capacity_hint(now);
  if (received_ > kBeyond * capacity_ || hint * kHintShare > kBeyond * capacity_)
    capacity_ = 0; // the link carries more than it did
  double grown = rate_ * std::min(std::pow(kFreely, step), rate_ < kFewBits ? kMostLowGrowth : kMostGrowth);
  if (capacity_ > 0 && rate_ > kNear * capacity_)
    grown = rate_ * (1 + kCarefully * step);
  else if (hint * kHintShare > rate_)
    grown = rate_ * std::pow(kHurry, step);
  double most = kTried * received_ + kAlwaysTried;
  if (hint > 0)
    most = std::max(most, std::min(kHintShare * hint, full_));
  if (capacity_ > 0)
    most = std::min(most, kBeyond * capacity_);
  const bool probe = probe_due(now);
  if (probe)
    grown = most = next_;
  grown = rate_ + (grown - rate_) * (1 - loss_ / kMuchLoss);
  if (most <= rate_)
    return;
  rate_ = std::min(grown, most);
  if (probe)
    last_probe_ = now;
  if (last_probe_ != kNever && since(now, last_probe_) > 2 * kProbeFails + 4 * expected_report())
    probe_wait_ = kFirstProbeWait;
}

void RateEstimator::limit(const Settings& settings) {
  if (!started_)
    rate_ = double(settings.start);
  started_ = true;
  rate_ = std::clamp(rate_, double(settings.min), double(std::max(settings.min, settings.max)));
}

void RateEstimator::feedback(std::span<const Packet> packets, uint64_t now, const Settings& settings) {
  limit(settings);
  reported_ = true;
  long_queue_ = faster_ = false;
  busy_bytes_ = busy_time_ = 0;
  Group group;
  for (const auto& packet : packets) {
    if (packet.arrived == kNever)
      continue;
    if (group.first_sent != kNever &&
        (packet.sent > group.first_sent + kBurst || packet.sent < group.first_sent)) {
      take_group(group, now);
      group = Group{};
    }
    if (group.first_sent == kNever)
      group.first_sent = packet.sent;
    group.last_sent = packet.sent;
    group.arrived = std::max(group.arrived, packet.arrived);
    group.bytes += packet.bytes;
  }
  if (group.first_sent != kNever)
    take_group(group, now);
  if (!packets.empty() && queued_[1] < kQueueSeen)
    take_age(packets, now);
  uint64_t bytes = 0; // of all that came, also of what has no number
  for (; !sendings_.empty() && seen_sent_ != kNever && sendings_.front().time <= seen_sent_; drop_sending())
    bytes += sendings_.front().bytes;
  note_report(bytes, packets.size());
  while (!hints_.empty() && since(now, uint64_t(hints_.front().time)) > kLongHintMemory)
    hints_.pop_front();
  measure_received();
  count_losses(packets, now);
  // A report of seconds may end in the middle of what was sent together: all of it counts.
  overused_ = rising_ >= 2 || queued() > kQueueTooLong || (long_queue_ && expected_report() > kLongReport);
  overused_ = overused_ && !faster_;
  if (overused_)
    decrease(now);
  else if (trend_ >= -threshold_ && queue_delay(now) < uint64_t(kDrainFrom * kMs))
    increase(now);
  if (loss_ > kMuchLoss && since(now, last_loss_decrease_) >= kLossPause) {
    rate_ *= 1 - 0.5 * loss_;
    last_loss_decrease_ = last_decrease_ = now;
  }
  last_update_ = last_report_ = now;
  limit(settings);
}

void RateEstimator::retransmission_request(uint64_t now, const Settings& settings) {
  limit(settings);
  if (reported_)
    return;
  ++requests_;
  if (requests_since_ == kNever)
    requests_since_ = now;
}

uint64_t RateEstimator::rate(uint64_t now, const Settings& settings) {
  limit(settings);
  if (!reported_) {
    // Only what receivers miss is known: less when it is much, back up to the start when it is little.
    if (requests_since_ != kNever && since(now, requests_since_) >= kLossMemory &&
        sent_units_ >= kFewPackets) {
      loss_ = std::min(1.0, double(requests_) / double(sent_units_));
      rate_ *= loss_ > kMuchLoss ? 1 - 0.5 * loss_ : loss_ < 0.02 ? 1 + kCarefully : 1;
      rate_ = std::min(rate_, double(settings.start));
      requests_ = sent_units_ = 0;
      requests_since_ = now;
    }
    limit(settings);
    return uint64_t(rate_);
  }
  // Sent long ago, and nobody says that it came.
  const uint64_t due = due_since();
  if (due != kNever && since(now, std::max(due, last_report_)) > kSilence + 3 * expected_report() &&
      since(now, last_silence_) >= kSilencePause) {
    rate_ /= 2;
    last_silence_ = last_decrease_ = now;
    limit(settings);
  }
  // Reports of few bytes are far apart: it is tried in between.
  const auto before_report = [&](uint64_t then) { return then == kNever || then < last_report_; };
  if (sent_rate_ < kFewBits && before_report(last_decrease_) && before_report(last_probe_) && !overused_ &&
      overdue(now) == 0 && probe_due(now)) {
    rate_ = next_;
    last_probe_ = now;
    limit(settings);
  }
  // What the next rung takes varies: until it has been taken that is what is tried.
  if (sent_rate_ < std::min(kFewBits, next_ / 2) && !before_report(last_probe_) &&
      next_ < kProbeDrift * rate_)
    rate_ = std::max(rate_, next_);
  limit(settings);
  return uint64_t(rate_);
}

uint64_t RateEstimator::pace(uint64_t now, const Settings& settings) const {
  const double queue = std::max(double(queue_delay(now)) / kMs, kOverdueWeight * overdue(now));
  if (!reported_ || queue < kDrainFrom || trial(now))
    return std::max(settings.min, uint64_t(rate_));
  // Of what is really sent: the estimate may be far above.
  const double sent = std::min(rate_, std::max(received_, kAlwaysTried));
  return std::max(settings.min, uint64_t(sent * std::max(0.0, 1 - (queue - kDrainTo) / kDrainTime)));
}

} // namespace gsem
