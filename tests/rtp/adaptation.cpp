// SPDX-License-Identifier: LGPL-2.1-or-later
// The estimator and the selector on a simulated link: a queue that is served at a rate that changes, with a
// delay, feedback as often as receivers give it. Simulated time, so every run is the same.
#include "gst/semantic/report_pacing.hpp"
#include "plugins/semantic/layer_selector.hpp"
#include "plugins/semantic/rate_estimator.hpp"
#include "tests/core/check.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <random>
#include <vector>

using namespace gsem;
using namespace gsem::bitstream;

namespace {

constexpr uint64_t kMs = 1'000'000, kSecond = 1'000'000'000;
constexpr uint64_t kFrame = 40 * kMs, kOneWay = 30 * kMs;
constexpr uint64_t kClockOffset = 123'456'789'000ull; ///< of the receiver's clock

struct Step {
  double at;   ///< s
  double rate; ///< bit/s
};

struct Scene {
  std::vector<Step> link;
  uint64_t seconds = 0;
  double loss = 0; ///< independent
  double report_loss = 0;
  uint64_t jitter = 0;  ///< ns, at most, without reordering
  bool steered = false; ///< encoders obey what the selector says
  size_t signal = 300, map = 90, key_map = 420;
  double most_signal = 8; ///< times `signal`, for encoders that may
  uint64_t hold = kSecond;
  bool silent = false;            ///< no feedback at all
  uint64_t interval = UINT64_MAX; ///< ns between reports; UINT64_MAX: as ReportPacing does it
};

/// One entry each 10 ms.
struct Moment {
  uint64_t time;
  double rate;      ///< estimate as used
  uint64_t waiting; ///< ns that a byte sent now waits
  unsigned layer;
};

struct Sent {
  uint64_t sent, started = 0, arrived = RateEstimator::kNever;
  unsigned bytes;
  bool marker; ///< of a unit; copies that go alone have none, and no number for reports
};

struct Trace {
  std::vector<Moment> moments;
  std::vector<Sent> packets;
  std::vector<std::pair<uint64_t, uint64_t>> reports; ///< time, bytes
  /// Bits a second in reports over those of what was sent.
  double report_share(double from, double to) const {
    double bits = 0;
    for (const auto& [time, bytes] : reports)
      bits += double(time) >= from * 1e9 && double(time) < to * 1e9 ? double(bytes) * 8 : 0;
    return bits / (to - from) / sent_rate(from, to);
  }
  uint64_t longest_wait(double from, double to) const {
    uint64_t longest = 0;
    for (const auto& m : moments)
      if (double(m.time) >= from * 1e9 && double(m.time) < to * 1e9)
        longest = std::max(longest, m.waiting);
    return longest;
  }
  /// What packets sent in that time waited before they were sent on, the most.
  uint64_t longest_packet_wait(double from, double to) const {
    uint64_t longest = 0;
    for (const auto& p : packets)
      if (double(p.sent) >= from * 1e9 && double(p.sent) < to * 1e9 && p.started)
        longest = std::max(longest, p.started - p.sent);
    return longest;
  }
  /// Seconds after `from` from which on, until `to`, no packet waits for 100 ms before it is sent on.
  double drained(double from, double to) const {
    double since = 0;
    for (const auto& p : packets)
      if (double(p.sent) >= from * 1e9 && double(p.sent) < to * 1e9 && p.started >= p.sent + 100 * kMs)
        since = std::max(since, double(p.started) / 1e9 - 0.1 - from);
    return since;
  }
  int layer_changes(double from, double to) const {
    int changes = 0;
    for (size_t i = 1; i < moments.size(); ++i)
      if (double(moments[i].time) >= from * 1e9 && double(moments[i].time) < to * 1e9)
        changes += moments[i].layer != moments[i - 1].layer;
    return changes;
  }
  /// Seconds after `from` at which `layer` is reached, and kept until `to`; 1e9: never.
  double reached(unsigned layer, double from, double to) const {
    double since = 1e9;
    for (const auto& m : moments) {
      const double t = double(m.time) / 1e9;
      if (t < from || t >= to)
        continue;
      if (m.layer < layer)
        since = 1e9;
      else if (since > 1e8)
        since = t - from;
    }
    return since;
  }
  double sent_rate(double from, double to) const {
    double bits = 0;
    for (const auto& p : packets)
      if (double(p.sent) >= from * 1e9 && double(p.sent) < to * 1e9)
        bits += p.bytes * 8;
    return bits / (to - from);
  }
};

class Simulation {
public:
  explicit Simulation(Scene scene) : scene_(std::move(scene)) {
    settings_.cost = {1400, 48, 0};
    settings_.hold_time = scene_.hold;
    settings_.window = unsigned(limits_.window);
    // What rtpsemanticpay sends again unless told otherwise.
    settings_.copies = {8, 1, 0, false, {40 * kMs, 200 * kMs}, 2, false, 18, 2 * kSecond};
    StreamHeader header;
    for (LayerKind kind : {LayerKind::Caption, LayerKind::Structure, LayerKind::Signal})
      header.layers.emplace_back().kind = kind;
    selector_.set_layers(header);
  }

  Trace run() {
    for (now_ = 0; now_ < scene_.seconds * kSecond; now_ += kMs) {
      if (now_ % kFrame == 0)
        send_unit();
      serve();
      report();
      hear();
      if (now_ % (10 * kMs) == 0)
        trace_.moments.push_back({now_, double(settings_.bitrate), uint64_t(backlog_ * 8 / link() * 1e9),
                                  selector_.current_layer()});
    }
    return std::move(trace_);
  }

  RateEstimator& estimator() { return estimator_; }

private:
  double link() const {
    double rate = 0;
    for (const auto& step : scene_.link)
      if (double(now_) >= step.at * 1e9)
        rate = step.rate;
    return rate;
  }

  LayerUnit layer(LayerKind kind, size_t size, bool key, bool discardable, uint8_t id) {
    LayerUnit unit;
    unit.kind = kind;
    unit.size = uint32_t(size);
    unit.key = unit.switch_point = key;
    unit.discardable = discardable;
    unit.temporal_id = id;
    return unit;
  }

  void send_unit() {
    AccessUnitHeader unit;
    if (frame_ % 50 == 0)
      unit.layers.push_back(layer(LayerKind::Caption, 9, true, false, 0));
    const LayerRates told = scene_.steered && settings_.bitrate ? selector_.encoder_rates(settings_)
                                                                : LayerRates{UINT64_MAX, UINT64_MAX};
    const double noise = 0.8 + 0.4 * double(random_() % 1000) / 1000;
    // Encoders that obey go down to a third of a map and half a signal, and up to eight signals.
    const auto obeyed = [&](size_t usual, uint64_t rate, double least, double most) {
      if (!scene_.steered || rate == UINT64_MAX)
        return double(usual);
      return std::clamp(double(rate) / 8 / 25, double(usual) * least, double(usual) * most);
    };
    since_key_ = want_key_ && since_key_ > 2 ? 0 : since_key_ % 25;
    const unsigned since_key = since_key_++;
    if (told.structure) {
      const double share = obeyed(scene_.map, told.structure, 0.33, 1) / double(scene_.map) * noise;
      if (since_key == 0)
        unit.layers.push_back(
            layer(LayerKind::Structure, size_t(double(scene_.key_map) * share), true, false, 0));
      else
        unit.layers.push_back(layer(LayerKind::Structure, size_t(double(scene_.map) * share), false, true,
                                    since_key % 2 ? 2 : 1));
    }
    if (told.signal)
      unit.layers.push_back(layer(LayerKind::Signal,
                                  size_t(obeyed(scene_.signal, told.signal, 0.5, scene_.most_signal) * noise),
                                  true, true, 0));
    selector_.set_silenced(told.structure == 0, told.signal == 0);
    settings_.bitrate = estimator_.rate(now_, limits_);
    settings_.pace = estimator_.pace(now_, limits_);
    settings_.room = estimator_.room(now_, limits_);
    const LayerChoice choice = selector_.choose(unit, now_, settings_);
    want_key_ = choice.want_key && now_ >= last_want_ + kSecond;
    last_want_ = want_key_ ? now_ : last_want_;
    estimator_.want(selector_.next_rate(settings_), selector_.full_rate(settings_));
    estimator_.sent(choice.wire_bytes, now_);
    bool any_layer = false;
    for (size_t i = 0; i < unit.layers.size(); ++i)
      any_layer = any_layer || choice.cut[i] == CutReason::Kept;
    for (uint64_t left = choice.wire_bytes; left;) {
      const auto bytes = unsigned(std::min<uint64_t>(left, 1400));
      Sent packet{};
      packet.sent = now_;
      packet.bytes = bytes;
      packet.marker = left == bytes && any_layer;
      trace_.packets.push_back(packet);
      queue_.push_back(trace_.packets.size() - 1);
      backlog_ += bytes;
      left -= bytes;
    }
    ++frame_;
  }

  /// A millisecond of the link.
  void serve() {
    double budget = link() / 8 / 1000;
    while (!queue_.empty() && budget > 0) {
      Sent& packet = trace_.packets[queue_.front()];
      if (!packet.started)
        packet.started = std::max(now_, packet.sent + 1);
      const double left = packet.bytes - served_;
      if (left > budget) {
        served_ += budget;
        backlog_ -= budget;
        return;
      }
      budget -= left;
      backlog_ -= left;
      served_ = 0;
      uint64_t arrived = now_ + kOneWay + (scene_.jitter ? random_() % scene_.jitter : 0);
      arrived = std::max(arrived, last_arrival_);
      last_arrival_ = arrived;
      const bool lost = double(random_() % 100000) < scene_.loss * 100000;
      done_.push_back({queue_.front(), lost ? RateEstimator::kNever : arrived});
      queue_.pop_front();
    }
    backlog_ = std::max(backlog_, 0.0);
  }

  /// The receiver's report of what has arrived, with a packet that does, when it is time for one; a loss is
  /// seen with the next packet.
  void report() {
    bool due = false;
    for (; seen_ < done_.size() &&
           (done_[seen_].second == RateEstimator::kNever || done_[seen_].second <= now_);
         ++seen_) {
      if (done_[seen_].second == RateEstimator::kNever)
        continue;
      const Sent& packet = trace_.packets[done_[seen_].first];
      const bool paced = pacing_.take({now_ + kClockOffset, packet.sent, packet.bytes,
                                       packet.sent != last_time_, packet.marker, packet.marker});
      due = due ||
            (scene_.interval == UINT64_MAX ? paced : packet.marker && now_ >= last_report_ + scene_.interval);
      last_time_ = packet.sent;
    }
    if (!due)
      return;
    size_t upto = 0;
    for (size_t i = 0; i < seen_; ++i)
      if (done_[i].second != RateEstimator::kNever)
        upto = i + 1;
    std::vector<RateEstimator::Packet> packets;
    for (size_t i = 0; i < upto; ++i) {
      const Sent& packet = trace_.packets[done_[i].first];
      const bool lost = done_[i].second == RateEstimator::kNever;
      if (packet.marker)
        packets.push_back(
            {packet.sent, lost ? RateEstimator::kNever : done_[i].second + kClockOffset, packet.bytes});
    }
    done_.erase(done_.begin(), done_.begin() + std::ptrdiff_t(upto));
    seen_ -= upto;
    last_report_ = now_;
    trace_.reports.push_back({now_, uint64_t(report_cost(packets.size()))});
    if (!scene_.silent && double(random_() % 100000) >= scene_.report_loss * 100000)
      reports_.push_back({now_ + kOneWay, std::move(packets)});
  }

  void hear() {
    while (!reports_.empty() && reports_.front().first <= now_) {
      estimator_.feedback(reports_.front().second, now_, limits_);
      reports_.pop_front();
    }
  }

  Scene scene_;
  RateEstimator estimator_;
  RateEstimator::Settings limits_{1000, 2'000'000, 300'000, 2000};
  LayerSelector selector_;
  LayerSelector::Settings settings_;
  Trace trace_;
  std::mt19937 random_{42};
  uint64_t now_ = 0, last_arrival_ = 0, frame_ = 0;
  unsigned since_key_ = 0;
  bool want_key_ = false;
  uint64_t last_want_ = 0;
  double backlog_ = 0, served_ = 0;
  std::deque<size_t> queue_;
  std::deque<std::pair<size_t, uint64_t>> done_;
  size_t seen_ = 0; ///< of `done_`, by the receiver
  ReportPacing pacing_;
  uint64_t last_report_ = 0;
  uint64_t last_time_ = RateEstimator::kNever; ///< of a packet, seen by the receiver
  std::deque<std::pair<uint64_t, std::vector<RateEstimator::Packet>>> reports_;
};

Trace run(Scene scene) {
  return Simulation(std::move(scene)).run();
}

size_t captions_between(const Trace& trace, double from, double to) {
  return size_t(std::count_if(trace.packets.begin(), trace.packets.end(), [&](const Sent& p) {
    return double(p.sent) >= from * 1e9 && double(p.sent) < to * 1e9 && p.bytes < 100;
  }));
}

// ---- a call over a link that gets worse, and good again
// ----------------------------------------------------

void test_call(bool steered) {
  Scene scene;
  scene.link = {{0, 500e3}, {20, 60e3}, {40, 20e3}, {60, 2e3}, {80, 500e3}};
  scene.seconds = 160;
  scene.steered = steered;
  const Trace t = run(scene);
  CHECK(t.reached(3, 1, 20) < 0.1); // all layers at 500 kbit/s
  // A second after the drop to 20 kbit/s nothing waits for 100 ms before it is sent on, and so it stays.
  CHECK(t.longest_packet_wait(41, 60) < 100 * kMs);
  CHECK(t.sent_rate(42, 60) < 20e3);
  // Maps still come, fewer: layer 2 is kept, the layer does not swing.
  CHECK(t.layer_changes(42, 60) == 0);
  CHECK(t.moments[5000].layer == 2);
  CHECK(t.sent_rate(42, 60) > 5e3);
  // At 2 kbit/s the captions, all of them, and nothing else once the queue is empty.
  CHECK(t.sent_rate(70, 80) < 2e3);
  CHECK(captions_between(t, 70, 80) == 3 * 5); // and each of them twice more
  CHECK(t.moments[7900].layer == 1);
  // Back, also from nothing but captions each 2 s.
  CHECK(t.reached(3, 80, 160) < 20);
  CHECK(t.layer_changes(100, 160) == 0);
}

void test_step_back_up(bool steered) {
  Scene scene;
  scene.link = {{0, 500e3}, {20, 20e3}, {50, 500e3}};
  scene.seconds = 115;
  scene.steered = steered;
  const Trace t = run(scene);
  // From 500 to 20 at once: what was under way before the first report takes its time, nothing is added to
  // it.
  const double longest = double(t.longest_wait(20, 30)) / 1e9;
  printf(
      "500 to 20 kbit/s at %.0f%s: longest %.2f s, under 100 ms after %.2f s; top layer back after %.1f s\n",
      t.sent_rate(10, 20) / 1e3, steered ? ", steered" : "", longest, t.drained(20, 30),
      t.reached(3, 50, 115));
  CHECK(t.drained(20, 30) <= 1);
  CHECK(t.longest_packet_wait(20.35 + longest, 50) < 100 * kMs);
  CHECK(t.longest_packet_wait(26, 50) < 100 * kMs);
  CHECK(t.reached(3, 50, 115) < 5);
  CHECK(t.layer_changes(55, 115) == 0);
  CHECK(t.longest_packet_wait(55, 115) < 200 * kMs);
}

/// Wherever between two pictures, two key maps, two captions the link gets slower: a second later packets
/// wait for less than 100 ms, whatever was being sent.
void test_step_phases() {
  double worst = 0, wait = 0;
  for (bool steered : {false, true})
    for (int phase = 0; phase < 40; ++phase) {
      const double at = 20 + phase * 0.053;
      Scene scene;
      scene.link = {{0, 500e3}, {at, 20e3}};
      scene.seconds = 26;
      scene.steered = steered;
      const Trace t = run(scene);
      worst = std::max(worst, t.drained(at, at + 5));
      wait = std::max(wait, double(t.longest_wait(at, at + 5)) / 1e9);
    }
  printf("500 to 20 kbit/s at 40 moments: under 100 ms after %.2f s at most, longest %.2f s\n", worst, wait);
  CHECK(worst <= 1);
}

/// What the test clip takes (docs/live.md): a second later there is no queue, and maps come, fewer.
void test_step_down() {
  for (bool steered : {false, true}) {
    Scene scene;
    scene.link = {{0, 500e3}, {20, 20e3}};
    scene.seconds = 60;
    scene.steered = steered;
    scene.signal = 150;
    scene.map = 40;
    scene.key_map = 200;
    scene.most_signal = 1;
    const Trace t = run(scene);
    printf("500 to 20 kbit/s%s: sent %.1f, %.2f s until under 100 ms, longest %.2f s; layer %u, %.1f kbit/s "
           "after\n",
           steered ? ", steered" : "", t.sent_rate(10, 20) / 1e3, t.drained(20, 22),
           double(t.longest_wait(20, 22)) / 1e9, t.moments[4000].layer, t.sent_rate(25, 60) / 1e3);
    CHECK(t.drained(20, 22) <= 1);
    CHECK(t.longest_packet_wait(26, 60) < 100 * kMs);
    CHECK(t.moments[4000].layer >= 2 && t.sent_rate(25, 60) > 5e3);
  }
}

void test_steady_links() {
  for (double rate : {15e3, 30e3, 60e3, 100e3, 250e3})
    for (bool steered : {false, true}) {
      Scene scene;
      scene.link = {{0, rate}};
      scene.seconds = 90;
      scene.steered = steered;
      const Trace t = run(scene);
      // Where the rate lies between two rungs, trying the upper one becomes rarer: 1, 2, 4, 8, 16 s.
      CHECK(t.layer_changes(30, 90) <= 7);
      CHECK(t.longest_packet_wait(30, 90) < 400 * kMs);
      CHECK(t.sent_rate(30, 90) <= rate);
      CHECK(t.sent_rate(30, 90) > 0.3 * std::min(rate, 95e3));
    }
}

// ---- what reports take
// -----------------------------------------------------------------------------------------------

/// In both directions RTCP is to stay under a twentieth of what is sent: what reports leave of it is for
/// regular ones.
void test_report_share() {
  for (double rate : {1e3, 2e3, 5e3, 10e3, 20e3, 30e3, 40e3, 60e3, 100e3, 500e3})
    for (bool steered : {false, true}) {
      Scene scene;
      scene.link = {{0, 500e3}, {10, rate}};
      scene.seconds = 330;
      scene.steered = steered;
      const Trace t = run(scene);
      const double share = t.report_share(30, 330);
      printf("link %g kbit/s%s: sent %.2f, reports %.1f %%\n", rate / 1e3, steered ? ", steered" : "",
             t.sent_rate(30, 330) / 1e3, 100 * share);
      // Where much is on its way they come more often.
      CHECK(share <= (rate <= kManyBits ? 0.05 : 0.08));
    }
}

/// Whatever comes, and whenever: what is owed at most is all that reports take beyond their share.
void test_budget_is_kept() {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    ReportPacing pacing;
    uint64_t now = 0, sent = 0, packets = 0;
    double bytes = 0, cost = 0;
    const unsigned mean = 80 + random() % 400, gap = 80 + random() % 2000; // 60 kbit/s at most
    for (int i = 0; i < 2000; ++i) {
      ReportPacing::Packet packet;
      now += uint64_t(gap) * kMs / 2 + random() % (uint64_t(gap) * kMs);
      sent += uint64_t(gap) * kMs;
      packet.bytes = mean / 2 + random() % mean;
      packet.arrived = now + random() % (round % 3 ? 1 : kSecond);
      packet.sent = sent;
      packet.may_report = random() % 4;
      packet.numbered = packet.may_report || random() % 2;
      bytes += double(packet.bytes);
      packets += packet.numbered;
      if (pacing.take(packet)) {
        cost += report_cost(packets);
        packets = 0;
      }
    }
    CHECK(cost > 0);
    CHECK(cost <= 0.05 * bytes + 300);
  }
}

/// Receivers that report otherwise: with each unit as rtpbin does unless told otherwise, or at set times.
void test_other_receivers() {
  for (uint64_t interval : {uint64_t(0), 50 * kMs, 100 * kMs, 500 * kMs})
    for (bool steered : {false, true}) {
      Scene scene;
      scene.link = {{0, 500e3}, {20, 20e3}, {50, 500e3}};
      scene.seconds = 115;
      scene.steered = steered;
      scene.interval = interval;
      const Trace t = run(scene);
      printf("reports each %.0f ms%s: under 100 ms after %.2f s; top layer back after %.1f s\n",
             double(interval) / 1e6, steered ? ", steered" : "", t.drained(20, 25), t.reached(3, 50, 115));
      CHECK(t.drained(20, 25) <= 1);
      CHECK(t.reached(3, 50, 115) < 5);
      CHECK(t.layer_changes(55, 115) == 0);
    }
}

void test_lost_reports() {
  for (double rate : {500e3, 20e3})
    for (bool steered : {false, true}) {
      Scene scene;
      scene.link = {{0, 500e3}, {10, rate}};
      scene.seconds = 120;
      scene.report_loss = 0.1;
      scene.steered = steered;
      const Trace t = run(scene);
      printf("a tenth of the reports lost at %g kbit/s%s: sent %.1f kbit/s\n", rate / 1e3,
             steered ? ", steered" : "", t.sent_rate(20, 120) / 1e3);
      CHECK(t.sent_rate(20, 120) > 0.3 * std::min(rate, 150e3));
    }
}

// ---- what is no congestion
// -----------------------------------------------------------------------------------

void test_jitter_is_no_queue() {
  Scene scene;
  scene.link = {{0, 2e6}};
  scene.seconds = 60;
  scene.jitter = 20 * kMs;
  const Trace t = run(scene);
  CHECK(t.reached(3, 0, 60) < 0.1);
  CHECK(t.sent_rate(30, 60) > 80e3);
}

void test_little_loss_is_borne() {
  Scene scene;
  scene.link = {{0, 2e6}};
  scene.seconds = 60;
  scene.loss = 0.05;
  const Trace t = run(scene);
  CHECK(t.reached(3, 0, 60) < 0.1);
  CHECK(t.sent_rate(30, 60) > 70e3);
}

void test_much_loss_is_not() {
  Scene scene;
  scene.link = {{0, 2e6}};
  scene.seconds = 60;
  scene.loss = 0.3;
  const Trace t = run(scene);
  CHECK(t.sent_rate(30, 60) < 40e3);
  CHECK(captions_between(t, 30, 60) >= 15);
}

// ---- reports that do not come, and bad ones
// ----------------------------------------------------------------

void test_without_reports() {
  Scene scene;
  scene.link = {{0, 2e6}};
  scene.seconds = 30;
  scene.silent = true;
  Simulation simulation(scene);
  simulation.run();
  CHECK(simulation.estimator().estimate() == 300000); // the start, no more
}

void test_reports_that_stop() {
  RateEstimator estimator;
  const RateEstimator::Settings settings{5000, 2'000'000, 200'000};
  uint64_t now = kSecond;
  auto send = [&](bool reported) {
    estimator.sent(500, now);
    if (reported) {
      const RateEstimator::Packet packet{now, now + kOneWay, 500};
      estimator.feedback(std::span(&packet, 1), now + 2 * kOneWay, settings);
    }
    now += kFrame;
  };
  for (int i = 0; i < 100; ++i)
    send(true);
  const uint64_t before = estimator.rate(now, settings);
  CHECK(before >= 100000);
  CHECK(estimator.pace(now, settings) == before);
  for (int i = 0; i < 12; ++i)
    send(false);
  CHECK(estimator.pace(now, settings) < before / 2); // at once
  for (int i = 0; i < 100; ++i) {
    send(false);
    estimator.rate(now, settings);
  }
  CHECK(estimator.rate(now, settings) == 5000);
}

void test_requests_instead_of_reports() {
  const RateEstimator::Settings settings{1000, 2'000'000, 200'000};
  RateEstimator estimator;
  uint64_t now = kSecond;
  auto second = [&](int requests) {
    for (int i = 0; i < 25; ++i, now += kFrame) {
      estimator.sent(500, now);
      if (i < requests)
        estimator.retransmission_request(now, settings);
      estimator.rate(now, settings);
    }
    return estimator.rate(now, settings);
  };
  CHECK(second(0) == 200000);
  uint64_t low = 0;
  for (int i = 0; i < 5; ++i)
    low = second(10); // 40 %
  CHECK(low < 120000);
  for (int i = 0; i < 100; ++i)
    second(0);
  const uint64_t back = estimator.rate(now, settings);
  CHECK(back > low && back <= 200000); // never above the start: nobody says that it fits
}

void test_hostile_reports() {
  std::mt19937_64 random(9);
  for (int round = 0; round < 200; ++round) {
    RateEstimator estimator;
    const RateEstimator::Settings settings{1000, 2'000'000, 300'000};
    uint64_t now = round % 3 ? kSecond : random();
    for (int i = 0; i < 100; ++i) {
      std::vector<RateEstimator::Packet> packets(random() % 40);
      for (auto& packet : packets) {
        const unsigned shift = random() % 64;
        packet.sent = round % 2 ? random() >> shift : now - random() % kSecond;
        packet.arrived = random() % 4 ? random() >> shift : RateEstimator::kNever;
        packet.bytes = unsigned(random() % 70000);
      }
      estimator.sent(random() % 3000, now);
      estimator.want(random() >> 20, random() >> 20);
      estimator.feedback(packets, now, settings);
      now += random() % (2 * kSecond);
      const uint64_t rate = estimator.rate(now, settings), pace = estimator.pace(now, settings);
      CHECK(rate >= settings.min && rate <= settings.max);
      CHECK(pace >= settings.min && pace <= settings.max);
      CHECK(estimator.loss() >= 0 && estimator.loss() <= 1);
    }
  }
}

void test_limits_are_kept() {
  Scene scene;
  RateEstimator estimator;
  const RateEstimator::Settings settings{30'000, 30'000, 300'000};
  CHECK(estimator.rate(0, settings) == 30'000);
  CHECK(estimator.pace(0, settings) == 30'000);
}

/// One line each 200 ms, for plots and for finding out why: `adaptation print [steered]`.
void print(bool steered) {
  Scene scene;
  scene.link = {{0, 500e3}, {20, 60e3}, {40, 20e3}, {60, 2e3}, {80, 500e3}};
  scene.seconds = 140;
  scene.steered = steered;
  const Trace t = run(scene);
  std::printf("seconds,estimate,sent,waits_ms,layer\n");
  for (size_t i = 0; i < t.moments.size(); i += 20) {
    const Moment& m = t.moments[i];
    const double seconds = double(m.time) / 1e9;
    std::printf("%.1f,%.0f,%.0f,%.0f,%u\n", seconds, m.rate, t.sent_rate(seconds - 0.2, seconds),
                double(m.waiting) / 1e6, m.layer);
  }
}

} // namespace

int main(int argc, char** argv) {
  if (argc > 1 && !std::strcmp(argv[1], "print")) {
    print(argc > 2);
    return 0;
  }
  for (bool steered : {false, true}) {
    test_call(steered);
    test_step_back_up(steered);
  }
  test_step_phases();
  test_step_down();
  test_steady_links();
  test_report_share();
  test_budget_is_kept();
  test_other_receivers();
  test_lost_reports();
  test_jitter_is_no_queue();
  test_little_loss_is_borne();
  test_much_loss_is_not();
  test_without_reports();
  test_reports_that_stop();
  test_requests_instead_of_reports();
  test_hostile_reports();
  test_limits_are_kept();
  return check::result();
}
