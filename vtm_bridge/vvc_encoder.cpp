// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/bitstream/stream_header.hpp"
#include "vtm_bridge/vvc_library.hpp"
#include "vtm_bridge/vvc_picture.hpp"

#include <vvenc/vvenc.h>

#include <algorithm>

namespace gsem::maps {
namespace {

constexpr int kMaxSpeed = 4, kStillSpeed = 2, kLiveSpeed = 3;
constexpr uint8_t kGrey = 128;

/// Messages are found in vvenc_get_last_error().
void say_nothing(void*, int, const char*, va_list) {}

class VvcEncoder final : public MapEncoder {
public:
  bool open(const EncoderSettings& settings);
  Status encode(const MapView& map, bool force_key, EncodedMap& out) override;
  void set_quantiser(int quantiser) override { qp_ = std::clamp(quantiser, 0, 63); }
  const Bytes& codec_header() const override { return splitter_.codec_header(); }
  std::string last_error() const override { return error_; }

private:
  bool configure(vvenc_config& config) const;
  Status run(const MapView& map);
  Status run(vvencEncoder* encoder);

  EncoderSettings settings_;
  int qp_ = 0;
  VvcSplitter splitter_{"VVenC"};
  std::string error_;
  std::vector<int16_t> padded_; ///< of the map under way; kept for its memory, as is stream_
  Bytes stream_;
  size_t used_ = 0; ///< of stream_
};

bool VvcEncoder::open(const EncoderSettings& settings) {
  settings_ = settings;
  if (settings_.speed < 0)
    settings_.speed = settings.live ? kLiveSpeed : kStillSpeed;
  if (settings_.speed > kMaxSpeed) {
    error_ = "vvc speed " + std::to_string(settings_.speed) + " is over " + std::to_string(kMaxSpeed);
    return false;
  }
  set_quantiser(settings.quantiser);
  stream_.resize(bitstream::Limits::max_structure_bytes);
  const Bytes grey(static_cast<size_t>(settings.width) * static_cast<size_t>(settings.height), kGrey);
  if (run({grey.data(), settings.width, settings.height, settings.width}) != Status::Ok)
    return false;
  if (splitter_.learn(ByteView(stream_).first(used_), settings.width, settings.height) == Status::Ok)
    return true;
  error_ = splitter_.error();
  return false;
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
Status VvcEncoder::run(const MapView& map) {
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

Status VvcEncoder::encode(const MapView& map, bool, EncodedMap& out) {
  error_.clear();
  if (map.data == nullptr || map.width != settings_.width || map.height != settings_.height ||
      map.stride < map.width)
    return Status::Failed;
  if (Status status = run(map); status != Status::Ok)
    return status;
  out.key = true;
  const Status status = splitter_.split(ByteView(stream_).first(used_), out.payload);
  if (status == Status::Failed)
    error_ = splitter_.error();
  return status;
}

} // namespace

Status create_vvc_encoder(const EncoderSettings& settings, std::unique_ptr<MapEncoder>& out,
                          std::string& error) {
  auto encoder = std::make_unique<VvcEncoder>();
  if (!encoder->open(settings)) {
    error = encoder->last_error();
    return Status::Failed;
  }
  out = std::move(encoder);
  return Status::Ok;
}

} // namespace gsem::maps
