// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/export.h"

#include <algorithm>
#include <array>
#include <cstdint>

/// When a receiver reports what came (transport-wide congestion control feedback), so that RTCP stays under a
/// twentieth of what is sent and yet is there when it matters: docs/adaptation.md, "Reports". The sender's
/// estimator keeps the same books. No GStreamer in here; time in ns, by the caller's clock.
namespace gsem {

inline constexpr uint64_t kReportBytes = 50;   ///< of a report on the wire, IP and UDP headers included
inline constexpr uint64_t kReportedPacket = 2; ///< and so many for each packet in it
inline constexpr uint64_t kRegularBytes = 80;  ///< of RTCP's regular reports, with a short CNAME
inline constexpr double kReportShare = 0.044;  ///< of what comes
inline constexpr double kRegularShare = 0.003; ///< for regular reports, each direction
inline constexpr double kManyBits = 60'000;    ///< a second; above, reports may take more
inline constexpr uint64_t kOftenReported = 50'000'000; ///< ns; not more often than that
/// Packets may be so small that their marks in the report alone would take the share.
inline constexpr uint64_t kMostUnreported = 8000;
inline constexpr uint64_t kLeastRegular = 5'000'000'000, kMostRegular = 240'000'000'000; ///< ns

inline double report_cost(uint64_t packets) {
  return double(kReportBytes + kReportedPacket * packets);
}

/// Of a stream of so many bits a second. With many, much is on its way that nobody has heard of.
inline double report_share(double rate) {
  return kReportShare * std::clamp(1 + (rate - kManyBits) / (kManyBits / 2), 1.0, 2.5);
}

/// What reports may take: a share of what comes. One that cannot wait may owe some of it, which is paid back
/// bit by bit. Not thread-safe.
class ReportBudget {
public:
  /// Bytes in packets of `packet` bytes that are worth the next report.
  double due_bytes(double packet, double rate) const {
    const double left = report_share(rate) - double(kReportedPacket) / std::max(packet, 1.0);
    const double bytes = left > 0 ? (double(kReportBytes) + repaid(1)) / left : double(kMostUnreported);
    return std::min(bytes, double(kMostUnreported));
  }
  /// Of what has come since the last report the next one can be paid.
  bool pays(uint64_t bytes, uint64_t packets, double rate) const {
    return bytes >= kMostUnreported ||
           report_share(rate) * double(bytes) >= report_cost(packets) + repaid(packets);
  }
  /// Or nearly: `part` of two reports, or of what half a second brings, may be owed.
  bool lends(uint64_t bytes, uint64_t packets, double rate, double part) const {
    const double most = std::clamp(report_share(rate) * rate / 8 / 2, 2 * report_cost(1), kMostOwed);
    return part > 0 && owed_ + report_cost(packets) - report_share(rate) * double(bytes) <= part * most;
  }
  void reported(uint64_t bytes, uint64_t packets, double rate) {
    owed_ = std::clamp(owed_ + report_cost(packets) - report_share(rate) * double(bytes), 0.0, kMostOwed);
  }

private:
  static constexpr double kMostOwed = 300;
  double repaid(uint64_t packets) const { return std::min(owed_, report_cost(packets) / 4); }
  double owed_ = 0; ///< bytes
};

/// When RTCP's regular reports, of senders or receivers, are due: seldom where little is sent. Not
/// thread-safe.
class RegularPacing {
public:
  /// So many bytes came, or went. True: a report is to go now.
  bool take(bool came, uint64_t bytes, uint64_t now) {
    begun_ = begun_ ? begun_ : now;
    const uint64_t waited = now - begun_;
    bytes_[came] += bytes;
    const double most = kRegularShare * double(std::max(bytes_[0], bytes_[1]));
    if (waited < kLeastRegular || (most < double(kRegularBytes) && waited < kMostRegular))
      return false;
    begun_ = now;
    bytes_ = {};
    return true;
  }

private:
  uint64_t begun_ = 0; ///< the last one, or the first packet
  std::array<uint64_t, 2> bytes_{};
};

/// A receiver's decision, packet by packet. Not thread-safe.
class ReportPacing {
public:
  struct Packet {
    uint64_t arrived = 0; ///< by the receiver's clock
    uint64_t sent = 0;    ///< by the sender's, of any offset
    uint64_t bytes = 0;   ///< on the wire
    /// The first of its time: later ones may have waited at the sender, copies for long.
    bool first = true;
    bool numbered = true;   ///< reports tell of it
    bool may_report = true; ///< a report can be made with this one
  };

  /// True: this packet and all since the last report are to be reported now.
  GST_SEMANTIC_API bool take(const Packet& packet);
  /// Bits a second that came, at once more when more comes, by and by less when less does.
  double rate() const { return std::max(quick_, slow_); }

private:
  static constexpr uint64_t kNever = UINT64_MAX;
  static constexpr double kAnyDelay = -1e300;
  /// Shortest or longest of the last seconds, ms.
  class Extreme {
  public:
    explicit Extreme(double sign) : sign_(sign) {}
    void add(double delay, uint64_t now);
    double value(uint64_t now, double otherwise) const;

  private:
    static constexpr uint64_t kSlot = 2'000'000'000, kSlots = 8; // a queue that drains is no faster link
    struct Slot {
      uint64_t number = kNever;
      double delay = 0;
    };
    double sign_; ///< 1: the longest
    std::array<Slot, kSlots> slots_{};
  };

  void measure(const Packet& packet);
  void note_delay(const Packet& packet);
  void note_size(const Packet& packet);

  bool urgent_ = true; ///< a report cannot wait: the first one, too
  uint64_t last_report_ = kNever;
  uint64_t bytes_ = 0, packets_ = 0, largest_ = 0; ///< since the last report
  double quick_ = 0, slow_ = 0;                    ///< bits a second, smoothed
  uint64_t last_ = 0;                              ///< arrival
  ReportBudget budget_;
  double late_after_ = 0; ///< ns after the last report
  Extreme shortest_{-1}, longest_{1};
  double slower_than_ = kAnyDelay; ///< ms; with less again nothing is urgent any more
};

} // namespace gsem
