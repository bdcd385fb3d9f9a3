// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/signal_payload.hpp"

#include "gst/bitstream/stream_header.hpp"

namespace gsem::codec {

namespace {
constexpr uint8_t kIntra = 0;
constexpr size_t kHeader = 2;
} // namespace

Status write_signal_payload(const entropy::LatentCoder& coder, int width, int height,
                            const entropy::Latents& latents, Bytes& out) {
  if (latents.quality < 0 || latents.quality >= entropy::kQualities)
    return Status::Failed;
  out.push_back(kIntra);
  out.push_back(uint8_t(latents.quality));
  Status status = coder.encode(coder.shape(width, height), latents, out);
  return status == Status::Ok && out.size() > bitstream::Limits::max_signal_bytes ? Status::TooLarge : status;
}

Status read_signal_payload(const entropy::LatentCoder& coder, int width, int height, ByteView data,
                           entropy::Latents& latents) {
  if (data.size() > bitstream::Limits::max_signal_bytes)
    return Status::TooLarge;
  if (data.size() < kHeader)
    return Status::Corrupt;
  if (data[0] != kIntra)
    return Status::Unsupported;
  if (data[1] >= entropy::kQualities)
    return Status::Corrupt;
  latents.quality = data[1];
  return coder.decode(coder.shape(width, height), data.subspan(kHeader), latents);
}

} // namespace gsem::codec
