// SPDX-License-Identifier: LGPL-2.1-or-later
// A relay: one layered stream comes in over RTP/UDP, each receiver gets as many layers as it asked for, or as
// its network carries. It never looks into a payload and needs neither networks nor LibTorch.
//
//   sfu-relay [--seconds N] [--source-rtcp HOST:PORT] PORT RECEIVER ...
//   sfu-relay --bench STREAMS [--outputs N] [--seconds N]
//
// RECEIVER is HOST:PORT and, behind commas:
//   layers=1..3   at most so many layers
//   bitrate=N     at most so many bits a second, all headers counted
//   rtcp=PORT     an RTP session with this receiver: it takes RTCP on the port after its own, and sends its
//                 RTCP to this port of the relay. It may then ask for key units
//   adaptive      layers by what it reports of its network (transport-wide feedback, header extension 1);
//                 bitrate= is then the start and the upper bound. Needs rtcp=
//
// --source-rtcp: an RTP session with the source, too, over its RTCP port and the relay's PORT + 1. Requests
// for key units, of all receivers together, then go there once a second at most, and reports of what came
// (transport-wide, when the source numbers its packets in header extension 1).
//
// With examples/rtp-send at one end and examples/rtp-receive at the others:
//
//   sfu-relay 5004 127.0.0.1:6000 127.0.0.1:6010,layers=2 127.0.0.1:6020,bitrate=20000
//
// --bench sends STREAMS streams of 25 pictures a second to itself, trims each for N receivers (1), and prints
// what that costs: streams a core = 1 / (processor time a stream and second), the sender's own time taken
// off.
#include "examples/sfu-relay/relay.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <set>
#include <string_view>

namespace {

using namespace sfu;

bool number(std::string_view text, unsigned least, unsigned most, unsigned& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= least && value <= most;
}

/// Host names are letters, digits and what addresses have: nothing that a launch line would read otherwise.
bool host_name(std::string_view text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                 "0123456789.-:") == std::string_view::npos;
}

bool parse_address(std::string_view text, Address& address) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !host_name(text.substr(0, colon)) ||
      !number(text.substr(colon + 1), 1, 65535, address.port))
    return false;
  address.host = text.substr(0, colon);
  return true;
}

bool parse_option(std::string_view text, Output& output) {
  if (text == "adaptive")
    return output.adaptive = true;
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos)
    return false;
  const std::string_view name = text.substr(0, equals), value = text.substr(equals + 1);
  return (name == "layers" && number(value, 1, 3, output.layers)) ||
         (name == "bitrate" && number(value, 1, 1000000000, output.bitrate)) ||
         (name == "rtcp" && number(value, 1, 65535, output.rtcp));
}

bool parse_output(std::string_view text, Output& output) {
  const size_t options = std::min(text.find(','), text.size());
  if (!parse_address(text.substr(0, options), output))
    return false;
  for (std::string_view rest = text.substr(options); !rest.empty();) {
    rest.remove_prefix(1);
    const size_t end = std::min(rest.find(','), rest.size());
    if (!parse_option(rest.substr(0, end), output))
      return false;
    rest.remove_prefix(end);
  }
  return true;
}

/// Each RTCP port is there and is nobody else's.
bool ports_fit(const Input& input, const std::vector<Output>& outputs) {
  std::set<unsigned> taken{input.port};
  if (input.rtcp.port && (input.port == 65535 || !taken.insert(input.port + 1).second))
    return false;
  return std::all_of(outputs.begin(), outputs.end(), [&](const Output& output) {
    if (!output.rtcp)
      return !output.adaptive;
    return output.port < 65535 && taken.insert(output.rtcp).second;
  });
}

int usage() {
  std::fprintf(stderr, "usage: sfu-relay [--seconds N] [--source-rtcp HOST:PORT] PORT "
                       "HOST:PORT[,layers=1..3][,bitrate=BITS][,rtcp=PORT[,adaptive]] ...\n"
                       "       sfu-relay --bench STREAMS [--outputs N] [--seconds N]\n");
  return 2;
}

} // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  unsigned seconds = 0, streams = 0, outputs = 1;
  Input input;
  std::vector<Output> receivers;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i], next = i + 1 < argc ? argv[i + 1] : "";
    bool good = true;
    if (argument == "--seconds")
      good = number(next, 1, 86400, seconds), ++i;
    else if (argument == "--bench")
      good = number(next, 1, 10000, streams), ++i;
    else if (argument == "--outputs")
      good = number(next, 1, 1000, outputs), ++i;
    else if (argument == "--source-rtcp")
      good = parse_address(next, input.rtcp), ++i;
    else if (input.port == 0)
      good = number(argument, 1, 65535, input.port);
    else
      good = parse_output(argument, receivers.emplace_back());
    if (!good)
      return usage();
  }
  if (streams)
    return bench(streams, outputs, seconds ? seconds : 5);
  if (input.port == 0 || receivers.empty() || !ports_fit(input, receivers))
    return usage();
  return relay(input, receivers, seconds);
}
