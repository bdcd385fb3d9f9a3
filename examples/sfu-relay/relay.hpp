// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <string>
#include <vector>

namespace sfu {

struct Address {
  std::string host;
  unsigned port = 0;
};

/// Where the stream comes from.
struct Input {
  unsigned port = 0; ///< 0: any free one
  Address rtcp; ///< the source's, with a port: the relay asks it for key units, and listens on `port` + 1
};

/// One receiver.
struct Output : Address {
  unsigned layers = 3, bitrate = 0;
  unsigned rtcp = 0; ///< port for what this receiver reports; its own is `port` + 1. 0: no RTCP
  bool adaptive = false;
};

/// For gst_parse_launch.
std::string relay_line(const Input& input, const std::vector<Output>& outputs);

/// Plays a line; null, and said why on stderr, when that cannot be.
GstElement* start(const std::string& line);
void stop(GstElement* pipeline);

/// Until a signal comes, or for so many seconds. Exit status of the program.
int relay(const Input& input, const std::vector<Output>& outputs, unsigned seconds);

int bench(unsigned streams, unsigned outputs, unsigned seconds);

} // namespace sfu
