// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/vtm_encoder.hpp"

#include "gst/bitstream/stream_header.hpp"
#include "vtm_bridge/process.hpp"
#include "vtm_bridge/vtm_folder.hpp"
#include "vtm_bridge/vtm_nal.hpp"
#include "vtm_bridge/vtm_programs.hpp"

#include <algorithm>
#include <cstring>

namespace gsem::maps {
namespace {

constexpr int kMinQp = 0, kMaxQp = 63;
constexpr char kInput[] = "map.y", kOutput[] = "map.vvc";
constexpr uint8_t kGrey = 128;

/// The map with its right column and bottom row repeated up to what VTM takes.
void pad(const MapView& map, Bytes& out) {
  const auto width = static_cast<size_t>(map.width), padded = static_cast<size_t>(padded_side(map.width));
  const int height = padded_side(map.height);
  out.resize(padded * static_cast<size_t>(height));
  uint8_t* to = out.data();
  for (int y = 0; y < height; y++, to += padded) {
    const uint8_t* row = map.data + static_cast<ptrdiff_t>(std::min(y, map.height - 1)) * map.stride;
    std::memcpy(to, row, width);
    std::fill(to + width, to + padded, row[width - 1]);
  }
}

class VtmEncoder final : public MapEncoder {
public:
  bool open(const EncoderSettings& settings);
  Status encode(const MapView& map, bool force_key, EncodedMap& out) override;
  void set_quantiser(int quantiser) override { qp_ = std::clamp(quantiser, kMinQp, kMaxQp); }
  const Bytes& codec_header() const override { return codec_header_; }
  std::string last_error() const override { return error_; }

private:
  Status fail(const std::string& error) {
    error_ = error;
    return Status::Failed;
  }
  std::vector<std::string> arguments() const;
  Status run(const MapView& map);
  Status split();
  Status choose_units(std::vector<ByteView>& units);

  EncoderSettings settings_;
  VtmPrograms programs_;
  int qp_ = 0;
  Bytes codec_header_;
  VtmHeader header_; ///< what codec_header_ says
  std::string error_;
  // Of the map under way; kept for their memory.
  Bytes padded_, stream_;
  std::vector<ByteView> parameter_sets_, picture_; ///< in stream_
};

bool VtmEncoder::open(const EncoderSettings& settings) {
  settings_ = settings;
  set_quantiser(settings.quantiser);
  if (!find_vtm(settings.programs.program_dir, VtmRole::Encode, programs_, error_))
    return false;
  const Bytes grey(static_cast<size_t>(settings.width) * static_cast<size_t>(settings.height), kGrey);
  if (run({grey.data(), settings.width, settings.height, settings.width}) != Status::Ok)
    return false;
  header_ = {settings.width, settings.height, {}};
  for (const ByteView& set : parameter_sets_)
    header_.parameter_sets.emplace_back(set.begin(), set.end());
  codec_header_ = write_vtm_header(header_);
  VtmHeader parsed;
  if (parse_vtm_header(codec_header_, parsed) == Status::Ok)
    return true;
  error_ = "VTM's encoder gives parameter sets that this version cannot carry (docs/vtm.md)";
  return false;
}

std::vector<std::string> VtmEncoder::arguments() const {
  return {"-c", programs_.intra_config,                //
          "-c", programs_.screen_config, "-i", kInput, //
          "-wdt", std::to_string(padded_side(settings_.width)), "-hgt",
          std::to_string(padded_side(settings_.height)), "-fr", "25",                //
          "-f", "1",                                                                 //
          "--InputBitDepth=8", "--InputChromaFormat=400", "-q", std::to_string(qp_), //
          "-b", kOutput,                                                             //
          // The configuration's default is a file in the working directory.
          "-o", "/dev/null"};
}

/// Codes one map; leaves its parts in parameter_sets_ and picture_.
Status VtmEncoder::run(const MapView& map) {
  PrivateFolder folder;
  if (!folder.create(error_))
    return Status::Failed;
  // VTM never ends when its input is shorter than a frame: pad() gives exactly one.
  pad(map, padded_);
  if (!folder.write(kInput, padded_, error_))
    return Status::Failed;
  ProgramCall call;
  call.program = programs_.encoder;
  call.arguments = arguments();
  call.folder = folder.path();
  call.deadline = settings_.programs.deadline;
  call.cancelled = settings_.programs.cancelled;
  const ProgramResult result = run_program(call);
  const std::string who = "VTM's encoder " + programs_.encoder + " ";
  if (!result.succeeded())
    return fail(who + describe(result, call.deadline) +
                ". Run it by hand on a picture: is it VTM 15.2 or later, whole, of this machine?");
  size_t size = 0;
  const size_t limit = bitstream::Limits::max_structure_bytes;
  if (folder.read(kOutput, 1, limit, stream_, size) != PrivateFolder::Read::Ok)
    return fail(who + "left a bitstream of " + std::to_string(size) + " bytes; 1 to " +
                std::to_string(limit) + " are right. Is the disk of $TMPDIR full?");
  return split();
}

Status VtmEncoder::split() {
  std::vector<ByteView> units;
  parameter_sets_.clear();
  picture_.clear();
  bool ok = split_byte_stream(stream_, 2 * kMaxPayloadUnits, units) == Status::Ok;
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
  if (ok && slice)
    return Status::Ok;
  return fail("VTM's encoder " + programs_.encoder +
              " wrote something else than a VVC picture. Is it VTM 15.2 or later?");
}

/// What goes into the payload: the picture, after the parameter sets that are not the codec header's. Only
/// the PPS may differ: VTM writes the QP into it, so a map of another QP brings its own (13 bytes).
Status VtmEncoder::choose_units(std::vector<ByteView>& units) {
  if (parameter_sets_.size() != header_.parameter_sets.size())
    return fail("VTM's encoder wrote other parameter sets than for the first map");
  for (size_t i = 0; i < parameter_sets_.size(); i++) {
    const ByteView& set = parameter_sets_[i];
    const Bytes& promised = header_.parameter_sets[i];
    if (std::equal(set.begin(), set.end(), promised.begin(), promised.end()))
      continue;
    if (nal_type(set) != nal::kPps || nal_type(promised) != nal::kPps)
      return fail("VTM's encoder wrote other parameter sets than for the first map: was the program replaced "
                  "meanwhile? Stop and start the pipeline");
    units.push_back(set);
  }
  units.insert(units.end(), picture_.begin(), picture_.end());
  return Status::Ok;
}

Status VtmEncoder::encode(const MapView& map, bool, EncodedMap& out) {
  error_.clear();
  if (map.data == nullptr || map.width != settings_.width || map.height != settings_.height ||
      map.stride < map.width)
    return Status::Failed;
  std::vector<ByteView> units;
  if (Status status = run(map); status != Status::Ok)
    return status;
  if (Status status = choose_units(units); status != Status::Ok)
    return status;
  out.key = true;
  return write_vtm_payload(units, out.payload);
}

} // namespace

Status create_vtm_encoder(const EncoderSettings& settings, std::unique_ptr<MapEncoder>& out,
                          std::string& error) {
  auto encoder = std::make_unique<VtmEncoder>();
  if (!encoder->open(settings)) {
    error = encoder->last_error();
    return Status::Failed;
  }
  out = std::move(encoder);
  return Status::Ok;
}

} // namespace gsem::maps
