// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/vvc_still_encoder.hpp"

#include <algorithm>

namespace gsem::maps {

constexpr uint8_t kGrey = 128;

void VvcStillEncoder::set_quantiser(int quantiser) {
  qp_ = std::clamp(quantiser, kMinQp, kMaxQp);
}

bool VvcStillEncoder::open(const EncoderSettings& settings) {
  settings_ = settings;
  set_quantiser(settings.quantiser);
  if (!prepare())
    return false;
  const Bytes grey(static_cast<size_t>(settings.width) * static_cast<size_t>(settings.height), kGrey);
  ByteView stream;
  if (code({grey.data(), settings.width, settings.height, settings.width}, stream) != Status::Ok)
    return false;
  splitter_ = VvcSplitter(coder());
  if (splitter_.learn(stream, settings.width, settings.height) == Status::Ok)
    return true;
  error_ = splitter_.error() + remedy();
  return false;
}

Status VvcStillEncoder::encode(const MapView& map, bool, EncodedMap& out) {
  error_.clear();
  if (map.data == nullptr || map.width != settings_.width || map.height != settings_.height ||
      map.stride < map.width)
    return Status::Failed;
  ByteView stream;
  if (Status status = code(map, stream); status != Status::Ok)
    return status;
  out.key = true;
  const Status status = splitter_.split(stream, out.payload);
  if (status == Status::Failed)
    error_ = splitter_.error() + remedy();
  return status;
}

Status open_still_encoder(std::unique_ptr<VvcStillEncoder> encoder, const EncoderSettings& settings,
                          std::unique_ptr<MapEncoder>& out, std::string& error) {
  if (!encoder->open(settings)) {
    error = encoder->last_error();
    return Status::Failed;
  }
  out = std::move(encoder);
  return Status::Ok;
}

} // namespace gsem::maps
