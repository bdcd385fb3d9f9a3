// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/report_pacing.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <span>

/// How much the network carries, from what receivers report of each packet (transport-wide congestion control
/// feedback). After "A Google Congestion Control Algorithm for Real-Time Communication"
/// (draft-ietf-rmcat-gcc-02), with the changes that rates of a few kbit/s need: docs/adaptation.md, "The
/// estimate". No GStreamer in here; time is what the caller says, ns. Not thread-safe.
namespace gsem {

class RateEstimator {
public:
  static constexpr uint64_t kNever = UINT64_MAX;

  struct Settings {
    uint64_t min = 1000, max = 10'000'000; ///< bits a second
    uint64_t start = 300'000;              ///< before anything is known
    uint64_t window = 0;                   ///< bytes that may be unreported; 0: any number
  };
  struct Packet {
    uint64_t sent = 0;         ///< by the sender's clock
    uint64_t arrived = kNever; ///< by the receiver's clock, of any offset; kNever: lost
    unsigned bytes = 0;        ///< on the wire
  };

  /// Everything but the settings is forgotten.
  void reset();

  /// A unit of `bytes` on the wire goes out.
  void sent(uint64_t bytes, uint64_t now);
  /// A report, packets in the order in which they were sent.
  void feedback(std::span<const Packet> packets, uint64_t now, const Settings& settings);
  /// A receiver asked for a packet again. Counts only while there are no reports.
  void retransmission_request(uint64_t now, const Settings& settings);
  /// Bits a second that the next rung and that everything would take: the estimate does not grow far beyond
  /// what was tried or is wanted.
  void want(uint64_t next, uint64_t full);

  /// The estimate, also when reports stay away.
  uint64_t rate(uint64_t now, const Settings& settings);
  /// What may be sent now: less than the estimate while a queue drains.
  uint64_t pace(uint64_t now, const Settings& settings) const;
  /// Bytes that may still go before something is reported; kNever: any number.
  uint64_t room(uint64_t now, const Settings& settings) const;
  uint64_t estimate() const { return uint64_t(rate_); } ///< 0 before anything was asked
  /// Time that a packet sent now would wait in the network, ns.
  uint64_t queue_delay(uint64_t now) const;
  /// Bits a second that arrived lately.
  uint64_t received() const { return uint64_t(received_); }
  /// Part of the packets lost lately, 0..1.
  double loss() const { return loss_; }
  bool overused() const { return overused_; }

private:
  /// Packets sent in one go.
  struct Group {
    uint64_t first_sent = kNever, last_sent = 0, arrived = 0, bytes = 0;
  };
  struct Sample {
    double time, delay; ///< ms
  };
  struct Arrival {
    uint64_t time, bytes;
  };
  struct Sending {
    uint64_t time, bytes;
  };
  struct Least {
    double delay; ///< ms
    uint64_t bytes;
  };

  void take_group(const Group& group, uint64_t now);
  void take_least(double delay, uint64_t bytes, uint64_t sent);
  const Least* least() const;
  double queued() const;
  void find_trend(double time, double delay);
  void measure_received();
  void count_losses(std::span<const Packet> packets, uint64_t now);
  double capacity_hint(uint64_t now) const;
  double best_hint(uint64_t now) const;
  void drop_sending();
  void take_age(std::span<const Packet> packets, uint64_t now);
  void note_report(uint64_t bytes, size_t packets);
  uint64_t expected_report() const;
  uint64_t due_since() const;
  double report_rate() const; ///< what a receiver takes the rate for
  double packet_bytes() const;
  double overdue(uint64_t now) const;
  bool trial(uint64_t now) const;
  void decrease(uint64_t now);
  bool probe_due(uint64_t now) const;
  void increase(uint64_t now);
  void limit(const Settings& settings);

  double rate_ = 0;
  bool started_ = false, reported_ = false;
  double next_ = 0, full_ = 0;

  // Delay
  static constexpr uint64_t kLeastSlot = 2'000'000'000, kLeastSlots = 5;
  struct Slot {
    uint64_t number = kNever;
    Least least{};
  };
  std::array<Slot, kLeastSlots> least_{}; ///< shortest delays, 2 s a slot
  std::deque<Sample> samples_;
  double threshold_ = 12.5, trend_ = 0, last_trend_time_ = 0; ///< ms
  unsigned rising_ = 0;                                       ///< groups in a row over the threshold
  std::array<double, 2> queued_{};                            ///< ms, the last two groups
  /// Ms from when a report was due to when it came, the longest of this and the last slot.
  std::array<double, 2> report_age_{};
  uint64_t report_slot_ = 0;
  uint64_t seen_sent_ = kNever; ///< sending time of the last group reported
  bool overused_ = false, long_queue_ = false, faster_ = false;
  bool early_ = false;     ///< the last report came before it was due, which is rare
  double early_share_ = 0; ///< of the last reports

  // Rates
  std::deque<Arrival> arrivals_;
  std::deque<Sending> sendings_;           ///< after seen_sent_
  uint64_t unreported_ = 0;                ///< their bytes
  double sent_rate_ = 0, sent_slowly_ = 0; ///< bits a second, smoothed over 1 s and 8 s
  ReportBudget budget_;                    ///< receivers'
  double unit_bytes_ = 100;                ///< the mean
  uint64_t last_sent_ = kNever;
  double received_ = 0;
  double busy_bytes_ = 0, busy_time_ = 0; ///< of what came while there was a queue; ns
  double capacity_ = 0;                   ///< what arrived at the last overuse; 0: not known
  std::deque<Sample> hints_;              ///< capacity seen by single groups, bit/s in `delay`

  // Losses
  std::deque<std::pair<uint64_t, bool>> fates_; ///< time, lost
  double loss_ = 0;
  uint64_t requests_ = 0, sent_units_ = 0, requests_since_ = kNever;

  uint64_t last_update_ = kNever, last_decrease_ = kNever, last_loss_decrease_ = kNever;
  uint64_t last_report_ = 0, last_silence_ = kNever, last_probe_ = kNever;
  uint64_t probe_wait_ = 4'000'000'000;
};

} // namespace gsem
