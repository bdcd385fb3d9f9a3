// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/rtp_descriptor.hpp"
#include "tests/element/leaks.hpp"
#include "tests/element/stream.hpp"

#include <gst/rtp/rtp.h>

#include <functional>
#include <map>

/// Packets as plain values: made by the payloader or by hand, lost at will, fed to the depayloader.
namespace rtp_test {

using gsem::Bytes;
using gsem::ByteView;
using gsem::Ptr;
using namespace gsem::bitstream;

constexpr GstClockTime kFrame = 40 * GST_MSECOND; ///< stream::header's 25 fps
constexpr uint32_t kFrameRtp = 3600;

struct Packet {
  Bytes payload;
  uint16_t sequence = 0;
  uint32_t time = 0, ssrc = 0;
  bool marker = false;
  GstClockTime pts = GST_CLOCK_TIME_NONE;
  size_t size = 0; ///< with the RTP header
};

Packet read_packet(GstBuffer* buffer);
GstBuffer* make_buffer(const Packet& packet);

/// What the payload is, read with the descriptor library.
struct Contents {
  RtpDescriptor descriptor;
  std::vector<RtpEntry> entries;
  std::vector<unsigned> kinds() const; ///< layers of which something is in it, repeats apart
  bool has(RtpEntry::Type type) const;
};
Contents contents(const Packet& packet);

/// A payloader with units of a stream::Writer pushed into it.
class Sender {
public:
  /// `properties`: as in a launch line. The stream header is in the caps, not in-band; the first unit goes
  /// once unless they say otherwise.
  Sender(const StreamHeader& header, const std::string& properties);
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;
  ~Sender();
  /// One access unit at picture `tick`; what was sent for it.
  std::vector<Packet> send(uint64_t tick, const std::vector<stream::Piece>& pieces, const Bytes& before = {});
  GstHarness* harness() { return harness_; }
  std::string caps();

private:
  GstHarness* harness_;
  stream::Writer writer_;
};

/// An access unit from the depayloader.
struct Received {
  AccessUnitHeader unit;
  bool header = false; ///< a stream header is in front
  std::map<unsigned, Bytes> layers;
  std::vector<unsigned> lost;
  GstClockTime pts = GST_CLOCK_TIME_NONE;
  bool delta = false, discont = false;
  Bytes bytes;
};

/// Reads the access units that come out of a harness. Fails when one does not read.
class UnitReader {
public:
  std::vector<Received> take(GstHarness* harness);

private:
  TimestampState timestamps_;
};

class Receiver {
public:
  explicit Receiver(const std::string& caps, const std::string& properties = "");
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  ~Receiver();
  void push(const Packet& packet);
  void end();
  /// Since the last call.
  std::vector<Received> take() { return reader_.take(harness_); }
  /// GAP events since the last call; each must say that data is missing.
  int gaps();
  int key_requests();
  guint64 counter(const char* name);
  GstHarness* harness() { return harness_; }

private:
  GstHarness* harness_;
  UnitReader reader_;
};

/// `application/x-rtp` without a config.
extern const char* const kBareCaps;

} // namespace rtp_test
