// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <vector>

/// A network and a jitter buffer in simulated time: the same on every machine, however busy it is. Times in
/// seconds.
namespace bench {

struct Network {
  double loss = 0; ///< part of the packets, 0..1
  double burst =
      1; ///< mean length of a burst; 1: independent losses, more: Gilbert-Elliott, lossless between bursts
  double delay = 0.025;    ///< one way
  double jitter = 0;       ///< on top, uniform from 0
  bool reorder = false;    ///< packets may overtake each other
  double rate = 0;         ///< bit/s, 0: no limit
  double most_queued = .3; ///< what would wait longer is dropped
};

/// One direction of it.
class Link {
public:
  Link(const Network& network, unsigned seed) : network_(network), random_(seed) {}

  /// When a packet of so many bytes, IP header included, arrives; nothing when it does not.
  std::optional<double> send(double now, size_t bytes) {
    bytes_ += bytes;
    const bool lost = loses();
    double arrival = now;
    if (network_.rate > 0) {
      const double begins = std::max(now, free_at_);
      if (begins - now > network_.most_queued)
        return std::nullopt;
      arrival = free_at_ = begins + 8.0 * double(bytes) / network_.rate;
    }
    arrival += network_.delay + network_.jitter * uniform();
    if (!network_.reorder)
      arrival = last_arrival_ = std::max(arrival, last_arrival_);
    return lost ? std::nullopt : std::optional(arrival);
  }
  uint64_t bytes() const { return bytes_; }

private:
  double uniform() { return double(random_()) / 4294967296.0; }

  bool loses() {
    if (network_.burst <= 1 || network_.loss <= 0)
      return uniform() < network_.loss;
    // Stationary part of the bad state = loss; all is lost in it, nothing in the other (Gilbert 1960).
    const double leave_bad = 1 / network_.burst;
    const double leave_good = leave_bad * network_.loss / (1 - network_.loss);
    bad_ = bad_ ? uniform() >= leave_bad : uniform() < leave_good;
    return bad_;
  }

  Network network_;
  std::mt19937 random_;
  bool bad_ = false;
  double free_at_ = 0, last_arrival_ = 0;
  uint64_t bytes_ = 0;
};

/// Gives packets in order: at once while none is missing. A missing one is given up `latency` after the time
/// at which it would have come without jitter, as rtpjitterbuffer estimates it; what comes later than that is
/// dropped.
template <class Packet>
class JitterBuffer {
public:
  explicit JitterBuffer(double latency) : latency_(latency) {}

  /// The next packet was sent, whether it comes or not.
  void sent(double expected) { expected_.push_back(expected); }
  void insert(uint64_t sequence, Packet packet) {
    if (sequence >= next_)
      waiting_.try_emplace(sequence, std::move(packet));
  }
  /// Missing in front of what came, for NACK.
  std::vector<uint64_t> missing() const {
    std::vector<uint64_t> all;
    if (!waiting_.empty())
      for (uint64_t s = next_; s < waiting_.rbegin()->first; ++s)
        if (!waiting_.count(s))
          all.push_back(s);
    return all;
  }
  template <class Take>
  void release(double now, Take take) {
    while (!waiting_.empty()) {
      auto first = waiting_.begin();
      if (first->first != next_) {
        if (now < expected_[next_] + latency_)
          return;
        ++next_;
        continue;
      }
      ++next_;
      Packet packet = std::move(first->second);
      waiting_.erase(first);
      take(packet);
    }
  }

private:
  double latency_;
  uint64_t next_ = 0;
  std::vector<double> expected_; ///< by sequence number
  std::map<uint64_t, Packet> waiting_;
};

/// Things that happen at a time, in order of time.
template <class Thing>
class Agenda {
public:
  void add(double time, Thing thing) { things_.emplace(time, std::move(thing)); }
  template <class Take>
  void until(double now, Take take) {
    while (!things_.empty() && things_.begin()->first <= now) {
      Thing thing = std::move(things_.begin()->second);
      things_.erase(things_.begin());
      take(thing);
    }
  }

private:
  std::multimap<double, Thing> things_;
};

constexpr double kLatency = 0.2; ///< of the jitter buffers: a picture is due so long after it could come
constexpr double kStep = 0.005;  ///< of simulated time
constexpr size_t kIpUdp = 28;
constexpr size_t kFeedback = 80; ///< bytes of a NACK or PLI on the wire

/// What a receiver asks for again: each missing packet, and once more when a round trip and a bit have
/// passed.
class Nacks {
public:
  explicit Nacks(const Network& network) : again_(2 * network.delay + network.jitter + 0.02) {}
  template <class Ask>
  void ask(double now, const std::vector<uint64_t>& missing, Ask ask) {
    for (uint64_t sequence : missing) {
      const auto before = asked_.find(sequence);
      if (before != asked_.end() && now - before->second < again_)
        continue;
      asked_[sequence] = now;
      ++count;
      ask(sequence);
    }
  }
  int count = 0;

private:
  double again_;
  std::map<uint64_t, double> asked_;
};

/// Times without anything new, apart from the usual time between pictures.
class Freezes {
public:
  void picture(double time, bool fresh, double frame) {
    if (!fresh)
      return;
    end(time, frame);
    last_ = time;
  }
  /// The call is over, at the time of the picture that would come next.
  void end(double time, double frame) {
    const double still = time - std::max(last_, -frame) - frame;
    if (still > 0.2 + 1e-6) {
      ++count;
      longest = std::max(longest, still);
    }
  }
  int count = 0;
  double longest = 0;

private:
  double last_ = -1e9; ///< before the first: as if one had come just in time
};

} // namespace bench
