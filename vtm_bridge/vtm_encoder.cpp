// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/vtm_encoder.hpp"

#include "gst/bitstream/stream_header.hpp"
#include "vtm_bridge/process.hpp"
#include "vtm_bridge/vtm_folder.hpp"
#include "vtm_bridge/vtm_programs.hpp"
#include "vtm_bridge/vvc_picture.hpp"

#include <algorithm>

namespace gsem::maps {
namespace {

constexpr int kMinQp = 0, kMaxQp = 63;
constexpr char kInput[] = "map.y", kOutput[] = "map.vvc";
constexpr uint8_t kGrey = 128;

class VtmEncoder final : public MapEncoder {
public:
  bool open(const EncoderSettings& settings);
  Status encode(const MapView& map, bool force_key, EncodedMap& out) override;
  void set_quantiser(int quantiser) override { qp_ = std::clamp(quantiser, kMinQp, kMaxQp); }
  const Bytes& codec_header() const override { return splitter_.codec_header(); }
  std::string last_error() const override { return error_; }

private:
  Status fail(const std::string& error) {
    error_ = error;
    return Status::Failed;
  }
  bool blame_splitter() {
    error_ = splitter_.error() + ". Is it VTM 15.2 or later?";
    return false;
  }
  std::vector<std::string> arguments() const;
  Status run(const MapView& map);

  EncoderSettings settings_;
  VtmPrograms programs_;
  int qp_ = 0;
  VvcSplitter splitter_;
  std::string error_;
  Bytes padded_, stream_; ///< of the map under way; kept for their memory
};

bool VtmEncoder::open(const EncoderSettings& settings) {
  settings_ = settings;
  set_quantiser(settings.quantiser);
  if (!find_vtm(settings.programs.program_dir, VtmRole::Encode, programs_, error_))
    return false;
  const Bytes grey(static_cast<size_t>(settings.width) * static_cast<size_t>(settings.height), kGrey);
  if (run({grey.data(), settings.width, settings.height, settings.width}) != Status::Ok)
    return false;
  splitter_ = VvcSplitter("VTM's encoder " + programs_.encoder);
  return splitter_.learn(stream_, settings.width, settings.height) == Status::Ok || blame_splitter();
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

/// Codes one map; leaves it in stream_.
Status VtmEncoder::run(const MapView& map) {
  PrivateFolder folder;
  if (!folder.create(error_))
    return Status::Failed;
  // VTM never ends when its input is shorter than a frame: pad_map() gives exactly one.
  pad_map(map, padded_);
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
  return Status::Ok;
}

Status VtmEncoder::encode(const MapView& map, bool, EncodedMap& out) {
  error_.clear();
  if (map.data == nullptr || map.width != settings_.width || map.height != settings_.height ||
      map.stride < map.width)
    return Status::Failed;
  if (Status status = run(map); status != Status::Ok)
    return status;
  out.key = true;
  const Status status = splitter_.split(stream_, out.payload);
  if (status == Status::Failed)
    blame_splitter();
  return status;
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
