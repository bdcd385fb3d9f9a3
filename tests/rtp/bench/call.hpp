// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/access_unit.hpp"
#include "tests/rtp/bench/network.hpp"

#include <string>
#include <vector>

namespace bench {

using gsem::Bytes;

/// Raw pictures, I420 256x256, and how they are coded by semanticencodebin as a whole.
struct Clip {
  double rate = 0;
  int width = 0, height = 0;
  std::vector<Bytes> pictures;
  Bytes stream_header; ///< of docs/bitstream.md
  struct Coded {
    Bytes caption, signal; ///< empty: not sent with this picture
  };
  std::vector<Coded> coded;
  double frame() const { return 1 / rate; }
};

/// Reads a YUV4MPEG2 file and codes its captions and signals, which no feedback changes. Ends the program
/// with a message when that fails.
Clip read_clip(const std::string& path, int most_pictures);

struct SemanticResult {
  double rate = 0;    ///< bit/s on the wire
  double caption = 0; ///< part of all frame times, 0..1
  // Of the pictures for which one was sent: parts, 0..1
  double told = 0; ///< a unit came, or the receiver knew in time that one was lost
  double map_fresh = 0, map_recent = 0, signal_fresh = 0;
  int maps_sent = 0, signals_sent = 0, key_requests = 0;
  Freezes freezes;
};

/// rtpsemanticpay, the network, a jitter buffer, rtpsemanticdepay. Maps are coded by structenc on the way, so
/// that requests for key maps are answered. `target`: of semanticlayerfilter in bit/s, 0: none. `nack`: lost
/// packets are sent again, as for the codecs.
SemanticResult semantic_call(const Clip& clip, const Network& network, unsigned seed, double target,
                             bool nack);

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
