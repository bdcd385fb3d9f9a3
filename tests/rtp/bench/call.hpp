// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/access_unit.hpp"
#include "tests/rtp/bench/network.hpp"
#include "vtm_bridge/map_codec.hpp"

#include <array>
#include <string>
#include <vector>

namespace bench {

using gsem::Bytes;

/// Of signalenc, in which signals are at hand; the last one is its default.
inline constexpr std::array<int, 4> kSignalQualities = {0, 8, 16, 32};

/// Raw pictures, I420 256x256, and what of their coding no feedback changes.
struct Clip {
  double rate = 0;
  int width = 0, height = 0;
  std::vector<Bytes> pictures;
  Bytes stream_header; ///< of docs/bitstream.md
  struct Coded {
    Bytes caption; ///< empty: not sent with this picture
    std::array<Bytes, kSignalQualities.size()> signals;
    gsem::maps::Map edges; ///< as structenc finds them
  };
  std::vector<Coded> coded;
  double frame() const { return 1 / rate; }
};

/// Reads a YUV4MPEG2 file, codes its captions and signals, and finds its edges. Ends the program
/// with a message when that fails.
/// `coded_file`: where the coded layers are kept for the next time; empty: nowhere.
Clip read_clip(const std::string& path, int most_pictures, const std::string& coded_file);

struct SemanticResult {
  double rate = 0; ///< bit/s on the wire
  // Of all frame times: parts, 0..1
  double caption = 0; ///< the right one
  double told = 0;    ///< from the first packet on: in time a unit came, or the receiver knew that none would
  int before_anything = 0; ///< pictures before that packet
  // Of the pictures for which one was sent: parts, 0..1
  double map_fresh = 0, map_recent = 0, signal_fresh = 0;
  int maps_sent = 0, signals_sent = 0, key_requests = 0;
  Freezes freezes;
};

struct SemanticOptions {
  double target = 0;      ///< of semanticlayerfilter in bit/s, 0: none
  bool steered = false;   ///< the encoders follow semanticlayerfilter's semantic-rate
  bool nack = false;      ///< lost packets are sent again, as for the codecs
  std::string payloader;  ///< properties of rtpsemanticpay
  double patience = 0.02; ///< `latency` of rtpsemanticdepay, s; its default
};

/// rtpsemanticpay, the network, a jitter buffer, rtpsemanticdepay. Maps are coded on the way, so that
/// requests for key maps are answered.
SemanticResult semantic_call(const Clip& clip, const Network& network, unsigned seed,
                             const SemanticOptions& options);

struct CodecResult {
  double rate = 0; ///< bit/s on the wire, retransmissions included
  double right = 0,
         shown = 0; ///< parts of all frame times: decoded as sent; decoded, maybe from damaged references
  int nacks = 0, key_requests = 0;
  Freezes freezes;
};

/// An encoder's launch line under a receiver that asks for lost packets again (NACK), and for a key picture
/// where that fails (PLI). `refresh`: pictures after which an intra refresh has replaced everything, 0: only
/// key pictures do.
CodecResult codec_call(const Clip& clip, const Network& network, unsigned seed, const std::string& encoder,
                       int refresh);

} // namespace bench
