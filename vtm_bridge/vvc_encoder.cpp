// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/bitstream/stream_header.hpp"
#include "vtm_bridge/vvc_library.hpp"
#include "vtm_bridge/vvc_still_encoder.hpp"

#include <vvenc/vvenc.h>

namespace gsem::maps {
namespace {

constexpr int kMaxSpeed = 4, kStillSpeed = 2, kLiveSpeed = 3;

/// Messages are found in vvenc_get_last_error().
void say_nothing(void*, int, const char*, va_list) {}

class VvcEncoder final : public VvcStillEncoder {
private:
  bool prepare() override;
  std::string coder() const override { return "VVenC"; }
  Status code(const MapView& map, ByteView& stream) override;
  bool configure(vvenc_config& config) const;
  Status run(vvencEncoder* encoder);

  std::vector<int16_t> padded_; ///< of the map under way; kept for its memory, as is stream_
  Bytes stream_;
  size_t used_ = 0; ///< of stream_
};

bool VvcEncoder::prepare() {
  if (settings_.speed < 0)
    settings_.speed = settings_.live ? kLiveSpeed : kStillSpeed;
  if (settings_.speed > kMaxSpeed) {
    error_ = "vvc speed " + std::to_string(settings_.speed) + " is over " + std::to_string(kMaxSpeed);
    return false;
  }
  stream_.resize(bitstream::Limits::max_structure_bytes);
  return true;
}

bool VvcEncoder::configure(vvenc_config& config) const {
  const int width = padded_side(settings_.width), height = padded_side(settings_.height);
  const auto preset = static_cast<vvencPresetMode>(VVENC_SLOWER - settings_.speed);
  if (vvenc_init_default(&config, width, height, 25, 0, qp_, preset) != VVENC_OK)
    return false;
  config.m_internChromaFormat = VVENC_CHROMA_400;
  config.m_inputBitDepth[0] = config.m_internalBitDepth[0] = config.m_outputBitDepth[0] = 8;
  config.m_framesToBeEncoded = 1;
  config.m_IntraPeriod = config.m_GOPSize = 1;
  config.m_poc0idr = true; // a still is a whole stream
  config.m_numThreads = 0;
  config.m_LookAhead = 0;
  config.m_usePerceptQPA = false; // the quantiser is the caller's
  config.m_intraQPOffset = 0;     // as VTM: the preset's is -3
  config.m_decodedPictureHashSEIType = VVENC_HASHTYPE_NONE;
  config.m_AccessUnitDelimiter = 0;
  config.m_vuiParametersPresent = 0;
  config.m_hrdParametersPresent = false;
  config.m_verbosity = VVENC_SILENT;
  vvenc_set_msg_callback(&config, nullptr, say_nothing);
  return true;
}

/// An encoder is for one picture, as each is a stream of its own: a new one costs about a millisecond.
Status VvcEncoder::code(const MapView& map, ByteView& stream) {
  pad_map(map, padded_);
  vvenc_config config;
  if (!configure(config)) {
    error_ = "VVenC refuses the size of the map";
    return Status::Failed;
  }
  vvencEncoder* encoder = vvenc_encoder_create();
  if (encoder == nullptr)
    return Status::Failed;
  const Status status = vvenc_encoder_open(encoder, &config) == VVENC_OK ? run(encoder) : Status::Failed;
  if (status == Status::Failed)
    error_ = std::string("VVenC failed: ") + vvenc_get_last_error(encoder);
  vvenc_encoder_close(encoder);
  stream = ByteView(stream_).first(used_);
  return status;
}

/// Codes padded_ to the first used_ bytes of stream_.
Status VvcEncoder::run(vvencEncoder* encoder) {
  const int width = padded_side(settings_.width), height = padded_side(settings_.height);
  vvencYUVBuffer picture;
  vvenc_YUVBuffer_default(&picture);
  picture.planes[0] = {padded_.data(), width, height, width};
  picture.ctsValid = true;
  bool done = false;
  used_ = 0;
  for (vvencYUVBuffer* input = &picture; !done; input = nullptr) { // without input: what it still holds
    vvencAccessUnit unit;
    vvenc_accessUnit_default(&unit);
    unit.payload = stream_.data() + used_;
    unit.payloadSize = static_cast<int>(stream_.size() - used_);
    if (vvenc_encode(encoder, input, &unit, &done) != VVENC_OK)
      return Status::Failed;
    used_ += static_cast<size_t>(unit.payloadUsedSize);
  }
  return Status::Ok;
}

} // namespace

Status create_vvc_encoder(const EncoderSettings& settings, std::unique_ptr<MapEncoder>& out,
                          std::string& error) {
  return open_still_encoder(std::make_unique<VvcEncoder>(), settings, out, error);
}

} // namespace gsem::maps
