// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/vvc_picture.hpp"

#include <algorithm>

namespace gsem::maps {

/// Leaves the parts of a stream in parameter_sets_ and picture_.
Status VvcSplitter::take_apart(ByteView stream) {
  std::vector<ByteView> units;
  parameter_sets_.clear();
  picture_.clear();
  bool ok = split_byte_stream(stream, 2 * kMaxPayloadUnits, units) == Status::Ok;
  for (const ByteView& unit : units) {
    const int type = nal_type(unit);
    if (is_parameter_set(type))
      parameter_sets_.push_back(unit);
    else if (type <= nal::kPictureHeader)
      picture_.push_back(unit);
    else
      ok &= type >= nal::kFirstDispensable && type <= nal::kLastDispensable;
  }
  const bool slice = std::any_of(picture_.begin(), picture_.end(),
                                 [](const ByteView& unit) { return nal_type(unit) <= nal::kLastSlice; });
  return ok && slice ? Status::Ok : fail(" wrote something else than a VVC picture");
}

Status VvcSplitter::learn(ByteView stream, int width, int height) {
  if (Status status = take_apart(stream); status != Status::Ok)
    return status;
  header_ = {width, height, {}};
  for (const ByteView& set : parameter_sets_)
    header_.parameter_sets.emplace_back(set.begin(), set.end());
  codec_header_ = write_vvc_header(header_);
  VvcHeader parsed;
  return parse_vvc_header(codec_header_, parsed) == Status::Ok
             ? Status::Ok
             : fail(" gives parameter sets that this version cannot carry (docs/vtm.md)");
}

/// The picture goes after the parameter sets that are not the codec header's. Only the PPS may differ:
/// encoders write the QP into it, so a map of another QP brings its own (13 bytes).
Status VvcSplitter::split(ByteView stream, Bytes& payload) {
  if (Status status = take_apart(stream); status != Status::Ok)
    return status;
  if (parameter_sets_.size() != header_.parameter_sets.size())
    return fail(" wrote other parameter sets than for the first map");
  std::vector<ByteView> units;
  for (size_t i = 0; i < parameter_sets_.size(); i++) {
    const ByteView& set = parameter_sets_[i];
    const Bytes& promised = header_.parameter_sets[i];
    if (std::equal(set.begin(), set.end(), promised.begin(), promised.end()))
      continue;
    if (nal_type(set) != nal::kPps || nal_type(promised) != nal::kPps)
      return fail(" wrote other parameter sets than for the first map: was it replaced meanwhile? Stop and "
                  "start the pipeline");
    units.push_back(set);
  }
  units.insert(units.end(), picture_.begin(), picture_.end());
  return write_vvc_payload(units, payload);
}

void join_vvc(const VvcHeader& header, const std::vector<ByteView>& units, Bytes& stream) {
  stream.clear();
  const auto replaced = [&](const Bytes& set) {
    return std::any_of(units.begin(), units.end(),
                       [&](const ByteView& unit) { return nal_type(unit) == nal_type(set); });
  };
  for (const Bytes& set : header.parameter_sets)
    if (!replaced(set))
      append_to_byte_stream(set, stream);
  for (const ByteView& unit : units)
    append_to_byte_stream(unit, stream);
}

} // namespace gsem::maps
