// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/vvc_library.hpp"
#include "vtm_bridge/vvc_picture.hpp"

#include <vvdec/vvdec.h>

namespace gsem::maps {
namespace {

/// A decoder and the picture it lends.
class Vvdec {
public:
  ~Vvdec() {
    if (context_ == nullptr)
      return;
    if (frame != nullptr)
      vvdec_frame_unref(context_, frame);
    vvdec_decoder_close(context_);
  }
  bool open() {
    vvdecParams params;
    vvdec_params_default(&params);
    params.threads = 0;
    params.parseDelay = 0;
    params.logLevel = VVDEC_SILENT;
    params.verifyPictureHash = false;
    params.filmGrainSynthesis = false;
    context_ = vvdec_decoder_open(&params);
    return context_ != nullptr;
  }
  /// One whole stream; true with `frame` when it is a picture.
  bool decode(Bytes& stream) {
    return feed(stream) &&
           (frame != nullptr || (vvdec_flush(context_, &frame) == VVDEC_OK && frame != nullptr));
  }
  /// Whether it could decode pictures of these parameter sets.
  bool takes(Bytes& parameter_sets) { return feed(parameter_sets); }

  vvdecFrame* frame = nullptr;

private:
  bool feed(Bytes& stream) {
    vvdecAccessUnit unit;
    vvdec_accessUnit_default(&unit);
    unit.payload = stream.data();
    unit.payloadSize = unit.payloadUsedSize = static_cast<int>(stream.size());
    const int result = vvdec_decode(context_, &unit, &frame);
    return result == VVDEC_OK || result == VVDEC_TRY_AGAIN;
  }

  vvdecDecoder* context_ = nullptr;
};

class VvcDecoder final : public MapDecoder {
public:
  Status open(ByteView codec_header, std::string& error);
  Status check_sizes(std::string& error) const;
  Status decode(ByteView payload, Map& out) override;
  void reset() override {}

private:
  VvcHeader header_;
  Bytes stream_;
};

/// Before the library sees any of it.
Status VvcDecoder::check_sizes(std::string& error) const {
  for (const Bytes& set : header_.parameter_sets) {
    SpsPicture picture;
    if (nal_type(set) != nal::kSps)
      continue;
    if (Status status = parse_sps(set, picture); status != Status::Ok) {
      error = "vvc sequence parameters are damaged";
      return status;
    }
    if (picture.width != padded_side(header_.width) || picture.height != padded_side(header_.height)) {
      error = "vvc pictures of another size than the stream says";
      return Status::Corrupt;
    }
    if (picture.chroma_format != 0) {
      error = "VVC other than grey";
      return Status::Unsupported;
    }
  }
  return Status::Ok;
}

Status VvcDecoder::open(ByteView codec_header, std::string& error) {
  if (Status status = parse_vvc_header(codec_header, header_); status != Status::Ok) {
    error = "vvc codec header is damaged";
    return status;
  }
  if (Status status = check_sizes(error); status != Status::Ok)
    return status;
  join_vvc(header_, {}, stream_);
  Vvdec vvdec;
  if (vvdec.open() && vvdec.takes(stream_))
    return Status::Ok;
  error = "vvdec does not take these vvc parameter sets. VTM's own (codec=vtm, with the palette tool) need "
          "VTM to "
          "decode: set GST_SEMANTIC_VTM_DIR (docs/vtm.md)";
  return Status::Unsupported;
}

/// A decoder of its own for each map: it refers to no other, and what a damaged one does ends with it.
Status VvcDecoder::decode(ByteView payload, Map& out) {
  std::vector<ByteView> units;
  if (Status status = parse_vvc_payload(payload, units); status != Status::Ok)
    return status;
  join_vvc(header_, units, stream_);
  Vvdec vvdec;
  if (!vvdec.open())
    return Status::Failed;
  if (!vvdec.decode(stream_))
    return Status::Corrupt;
  const vvdecFrame& frame = *vvdec.frame;
  const vvdecPlane& plane = frame.planes[0];
  if (frame.bitDepth != 8 || plane.ptr == nullptr ||
      plane.width != static_cast<uint32_t>(padded_side(header_.width)) ||
      plane.height != static_cast<uint32_t>(padded_side(header_.height)))
    return Status::Corrupt;
  if (plane.bytesPerSample == 1)
    return crop_map(plane.ptr, plane.stride, header_.width, header_.height, out) ? Status::Ok
                                                                                 : Status::Corrupt;
  const auto* samples = reinterpret_cast<const uint16_t*>(plane.ptr);
  return plane.bytesPerSample == 2 && crop_map(samples, plane.stride / 2, header_.width, header_.height, out)
             ? Status::Ok
             : Status::Corrupt;
}

} // namespace

Status create_vvc_decoder(ByteView codec_header, const ExternalPrograms&, std::unique_ptr<MapDecoder>& out,
                          std::string& error) {
  auto decoder = std::make_unique<VvcDecoder>();
  if (Status status = decoder->open(codec_header, error); status != Status::Ok)
    return status;
  out = std::move(decoder);
  return Status::Ok;
}

} // namespace gsem::maps
