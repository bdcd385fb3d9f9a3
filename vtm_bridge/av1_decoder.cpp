// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/av1_decoder.hpp"

#include "gst/bitstream/stream_header.hpp"
#include "vtm_bridge/av1_payload.hpp"
#include "vtm_bridge/codec.hpp"

#include <dav1d/dav1d.h>

#include <cerrno>
#include <cstring>

namespace gsem::maps {
namespace {

struct Picture {
  Dav1dPicture p = {};
  ~Picture() { dav1d_picture_unref(&p); }
};

struct Input {
  Dav1dData data = {};
  ~Input() { dav1d_data_unref(&data); }
};

/// Size of the maps that a sequence header declares; refuses all but 8-bit grey of an allowed size.
Status read_sequence(ByteView sequence, int& width, int& height, std::string& error) {
  Bytes obu;
  append_sequence_obu(sequence, obu);
  Dav1dSequenceHeader header;
  if (dav1d_parse_sequence_header(&header, obu.data(), obu.size()) != 0) {
    error = "not an AV1 sequence header";
    return Status::Corrupt;
  }
  if (header.max_width < kMinSide || header.max_width > kMaxSide || header.max_height < kMinSide ||
      header.max_height > kMaxSide) {
    error = "maps of " + std::to_string(header.max_width) + "x" + std::to_string(header.max_height);
    return Status::TooLarge;
  }
  if (header.layout != DAV1D_PIXEL_LAYOUT_I400 || header.hbd != 0 || header.film_grain_present != 0) {
    error = "AV1 other than 8-bit grey";
    return Status::Unsupported;
  }
  width = header.max_width;
  height = header.max_height;
  return Status::Ok;
}

class Av1Decoder final : public MapDecoder {
public:
  ~Av1Decoder() override {
    if (context_ != nullptr)
      dav1d_close(&context_);
  }
  Status open(ByteView codec_header, std::string& error);
  Status decode(ByteView payload, Map& out) override;
  void reset() override {
    key_.clear();
    loaded_ = false;
    dav1d_flush(context_);
  }

private:
  Status decode_delta(PayloadType type, ByteView frame, Map& out);
  Status run(FrameType type, ByteView frame, Map* out);
  Status check_picture(FrameType type, const Dav1dPicture& picture) const;

  Dav1dContext* context_ = nullptr;
  SequenceHeaders headers_;
  int width_ = 0, height_ = 0;
  Bytes unit_; ///< temporal unit under construction
  Bytes key_;  ///< frame OBU of the last key map of a video; empty: none
  uint8_t key_number_ = 0;
  bool loaded_ = false; ///< dav1d's references are key_
};

Status Av1Decoder::open(ByteView codec_header, std::string& error) {
  if (Status status = parse_codec_header(codec_header, headers_); status != Status::Ok) {
    error = "av1 codec header is damaged";
    return status;
  }
  int still_width = 0, still_height = 0;
  if (Status status = read_sequence(headers_.still, still_width, still_height, error); status != Status::Ok)
    return status;
  if (Status status = read_sequence(headers_.video, width_, height_, error); status != Status::Ok)
    return status;
  if (still_width != width_ || still_height != height_) {
    error = "stills and video of different size";
    return Status::Corrupt;
  }
  Dav1dSettings settings;
  dav1d_default_settings(&settings);
  settings.n_threads = 1;
  settings.max_frame_delay = 1;
  settings.apply_grain = 0;
  settings.all_layers = 0;
  settings.frame_size_limit = kMaxSide * kMaxSide;
  settings.strict_std_compliance = 1;
  settings.logger = {nullptr, nullptr};
  if (dav1d_open(&context_, &settings) == 0)
    return Status::Ok;
  error = "dav1d does not open";
  return Status::Failed;
}

Status Av1Decoder::decode(ByteView payload, Map& out) {
  if (payload.size() < 2)
    return Status::Corrupt;
  if (payload.size() > bitstream::Limits::max_structure_bytes)
    return Status::TooLarge;
  PayloadType type;
  if (Status status = parse_payload_type(payload[0], type); status != Status::Ok)
    return status;
  const ByteView frame = payload.subspan(1);
  if (type.type == FrameType::Delta)
    return decode_delta(type, frame, out);
  const Status status = run(type.type, frame, &out);
  if (type.type == FrameType::Key) {
    // A key map that does not decode still ends the life of the one before: deltas that follow mean this one.
    key_.clear();
    if (status == Status::Ok)
      key_.assign(frame.begin(), frame.end());
    key_number_ = type.key_number;
    loaded_ = status == Status::Ok;
  }
  return status;
}

Status Av1Decoder::decode_delta(PayloadType type, ByteView frame, Map& out) {
  if (key_.empty() || key_number_ != type.key_number)
    return Status::Corrupt;
  // After a damaged delta or a still in between, dav1d's references are gone, but the key map is at hand.
  if (!loaded_ && run(FrameType::Key, key_, nullptr) != Status::Ok) {
    key_.clear();
    return Status::Corrupt;
  }
  loaded_ = true;
  return run(FrameType::Delta, frame, &out);
}

Status Av1Decoder::check_picture(FrameType type, const Dav1dPicture& picture) const {
  const Dav1dFrameHeader& header = *picture.frame_hdr;
  const bool delta = type == FrameType::Delta;
  if (picture.p.w != width_ || picture.p.h != height_ || picture.p.bpc != 8 ||
      picture.p.layout != DAV1D_PIXEL_LAYOUT_I400)
    return Status::Corrupt;
  if (delta ? header.frame_type != DAV1D_FRAME_TYPE_INTER || header.refresh_frame_flags != 0
            : header.frame_type != DAV1D_FRAME_TYPE_KEY)
    return Status::Corrupt;
  return Status::Ok;
}

/// Decodes one frame; copies the map when `out` is given. Any failure leaves the references unloaded.
Status Av1Decoder::run(FrameType type, ByteView frame, Map* out) {
  if (type != FrameType::Delta)
    loaded_ = false;
  unit_.clear();
  append_temporal_unit(type == FrameType::Still ? headers_.still : headers_.video, frame, unit_);
  Input input;
  uint8_t* bytes = dav1d_data_create(&input.data, unit_.size());
  if (bytes == nullptr)
    return Status::Failed;
  std::memcpy(bytes, unit_.data(), unit_.size());
  Picture picture;
  Status status = Status::Corrupt;
  // One thread and no delay: the frame comes out at once or never.
  if (dav1d_send_data(context_, &input.data) == 0 && input.data.sz == 0 &&
      dav1d_get_picture(context_, &picture.p) == 0)
    status = check_picture(type, picture.p);
  if (status != Status::Ok) {
    loaded_ = false;
    dav1d_flush(context_);
    return status;
  }
  if (out == nullptr)
    return status;
  out->width = width_;
  out->height = height_;
  const auto width = static_cast<size_t>(width_);
  out->data.resize(width * static_cast<size_t>(height_));
  const auto* row = static_cast<const uint8_t*>(picture.p.data[0]);
  for (size_t y = 0; y < static_cast<size_t>(height_); y++, row += picture.p.stride[0])
    std::memcpy(out->data.data() + y * width, row, width);
  return status;
}

} // namespace

Status create_av1_decoder(ByteView codec_header, std::unique_ptr<MapDecoder>& out, std::string& error) {
  auto decoder = std::make_unique<Av1Decoder>();
  if (Status status = decoder->open(codec_header, error); status != Status::Ok)
    return status;
  out = std::move(decoder);
  return Status::Ok;
}

} // namespace gsem::maps
