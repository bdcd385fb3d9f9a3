// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/vtm_decoder.hpp"

#include "vtm_bridge/process.hpp"
#include "vtm_bridge/vtm_folder.hpp"
#include "vtm_bridge/vtm_programs.hpp"
#include "vtm_bridge/vvc_picture.hpp"

namespace gsem::maps {
namespace {

constexpr char kInput[] = "map.vvc", kOutput[] = "map.y";
/// Parameter sets come from the network and may ask for pictures of any size.
constexpr size_t kMaxMemory = size_t{2} << 30;

class VtmDecoder final : public MapDecoder {
public:
  Status open(ByteView codec_header, const ExternalPrograms& programs, std::string& error);
  Status decode(ByteView payload, Map& out) override;
  void reset() override {}
  std::string last_error() const override { return error_; }

private:
  Status run(Bytes& decoded);

  ExternalPrograms settings_;
  VtmPrograms programs_;
  VvcHeader header_;
  std::string error_;
  Bytes stream_;
};

Status VtmDecoder::open(ByteView codec_header, const ExternalPrograms& programs, std::string& error) {
  if (Status status = parse_vvc_header(codec_header, header_); status != Status::Ok) {
    error = "vvc codec header is damaged";
    return status;
  }
  settings_ = programs;
  return find_vtm(programs.program_dir, VtmRole::Decode, programs_, error) ? Status::Ok : Status::Failed;
}

Status VtmDecoder::run(Bytes& decoded) {
  PrivateFolder folder;
  if (!folder.create(error_) || !folder.write(kInput, stream_, error_))
    return Status::Failed;
  ProgramCall call;
  call.program = programs_.decoder;
  call.arguments = {"-b", kInput, "-o", kOutput, "-d", "8"}; // without -d: 16 bits a sample
  call.folder = folder.path();
  call.deadline = settings_.deadline;
  call.cancelled = settings_.cancelled;
  call.max_memory = kMaxMemory;
  const ProgramResult result = run_program(call);
  const std::string who = "VTM's decoder " + programs_.decoder + " ";
  if (!result.succeeded()) {
    error_ = who + describe(result, call.deadline) +
             ". Either the map is damaged, or the program is: is it VTM 15.2 or later?";
    return Status::Failed;
  }
  const size_t right =
      static_cast<size_t>(padded_side(header_.width)) * static_cast<size_t>(padded_side(header_.height));
  size_t size = 0;
  if (folder.read(kOutput, right, right, decoded, size) == PrivateFolder::Read::Ok)
    return Status::Ok;
  error_ = who + "left a picture of " + std::to_string(size) + " bytes instead of " + std::to_string(right) +
           ": the map is damaged or of another size than its stream says";
  return Status::Failed;
}

Status VtmDecoder::decode(ByteView payload, Map& out) {
  error_.clear();
  std::vector<ByteView> units;
  if (Status status = parse_vvc_payload(payload, units); status != Status::Ok)
    return status;
  join_vvc(header_, units, stream_);
  Bytes decoded;
  if (Status status = run(decoded); status != Status::Ok)
    return status;
  crop_map(decoded.data(), static_cast<size_t>(padded_side(header_.width)), header_.width, header_.height,
           out);
  return Status::Ok;
}

} // namespace

Status create_vtm_decoder(ByteView codec_header, const ExternalPrograms& programs,
                          std::unique_ptr<MapDecoder>& out, std::string& error) {
  auto decoder = std::make_unique<VtmDecoder>();
  if (Status status = decoder->open(codec_header, programs, error); status != Status::Ok)
    return status;
  out = std::move(decoder);
  return Status::Ok;
}

} // namespace gsem::maps
