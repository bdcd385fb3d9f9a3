// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/vtm_encoder.hpp"

#include "gst/bitstream/stream_header.hpp"
#include "vtm_bridge/process.hpp"
#include "vtm_bridge/vtm_folder.hpp"
#include "vtm_bridge/vtm_programs.hpp"
#include "vtm_bridge/vvc_still_encoder.hpp"

namespace gsem::maps {
namespace {

constexpr char kInput[] = "map.y", kOutput[] = "map.vvc";

class VtmEncoder final : public VvcStillEncoder {
private:
  bool prepare() override {
    return find_vtm(settings_.programs.program_dir, VtmRole::Encode, programs_, error_);
  }
  std::string coder() const override { return "VTM's encoder " + programs_.encoder; }
  std::string remedy() const override { return ". Is it VTM 15.2 or later?"; }
  Status code(const MapView& map, ByteView& stream) override;
  Status fail(const std::string& error) {
    error_ = error;
    return Status::Failed;
  }
  std::vector<std::string> arguments() const;

  VtmPrograms programs_;
  Bytes padded_, stream_; ///< of the map under way; kept for their memory
};

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

Status VtmEncoder::code(const MapView& map, ByteView& stream) {
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
  const std::string who = coder() + " ";
  if (!result.succeeded())
    return fail(who + describe(result, call.deadline) +
                ". Run it by hand on a picture: is it VTM 15.2 or later, whole, of this machine?");
  size_t size = 0;
  const size_t limit = bitstream::Limits::max_structure_bytes;
  if (folder.read(kOutput, 1, limit, stream_, size) != PrivateFolder::Read::Ok)
    return fail(who + "left a bitstream of " + std::to_string(size) + " bytes; 1 to " +
                std::to_string(limit) + " are right. Is the disk of $TMPDIR full?");
  stream = stream_;
  return Status::Ok;
}

} // namespace

Status create_vtm_encoder(const EncoderSettings& settings, std::unique_ptr<MapEncoder>& out,
                          std::string& error) {
  return open_still_encoder(std::make_unique<VtmEncoder>(), settings, out, error);
}

} // namespace gsem::maps
