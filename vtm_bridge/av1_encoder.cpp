// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/av1_encoder.hpp"

#include "gst/bitstream/stream_header.hpp"
#include "vtm_bridge/av1_payload.hpp"

#include <aom/aom_encoder.h>
#include <aom/aomcx.h>

#include <algorithm>

namespace gsem::maps {
namespace {

// libaom 3.6 crashes (SIGSEGV) in monochrome inter frames from real-time speed 7 on.
constexpr int kMaxSpeed = 6;

/// One libaom encoder of a fixed map size and mode.
class Libaom {
public:
  ~Libaom() { close(); }
  bool open(int width, int height, bool live, int speed, int quantiser, std::string& error);
  bool set_quantiser(int quantiser);
  /// `unit` is valid until the next call.
  Status encode(const MapView& map, bool key, ByteView& unit);

private:
  std::string reason() {
    const char* detail = aom_codec_error_detail(&context_);
    return std::string("libaom: ") + aom_codec_error(&context_) + (detail ? std::string(", ") + detail : "");
  }
  void close() {
    if (open_)
      aom_codec_destroy(&context_);
    open_ = false;
  }
  bool refer_to_key_only(bool key);
  template <typename T>
  bool control(int id, T value) {
    return aom_codec_control(&context_, id, value) == AOM_CODEC_OK;
  }

  aom_codec_ctx_t context_ = {};
  aom_codec_enc_cfg_t config_ = {};
  bool open_ = false, live_ = false;
  aom_codec_pts_t next_ = 0;
  Bytes chroma_, unit_;
};

bool Libaom::open(int width, int height, bool live, int speed, int quantiser, std::string& error) {
  close();
  live_ = live;
  next_ = 0;
  aom_codec_iface_t* interface = aom_codec_av1_cx();
  // All-intra usage would spend 14-18 % more bytes on a still.
  const unsigned usage = live ? AOM_USAGE_REALTIME : AOM_USAGE_GOOD_QUALITY;
  if (aom_codec_enc_config_default(interface, &config_, usage) != AOM_CODEC_OK) {
    error = "libaom was built without this mode";
    return false;
  }
  config_.g_w = static_cast<unsigned>(width);
  config_.g_h = static_cast<unsigned>(height);
  config_.g_threads = 1;
  config_.g_lag_in_frames = 0;
  config_.g_limit = live ? 0 : 1; // 1: reduced still picture header
  config_.full_still_picture_hdr = 0;
  config_.monochrome = 1;
  config_.kf_mode = AOM_KF_DISABLED;
  config_.rc_end_usage = AOM_Q;
  // Without equal bounds libaom ignores the quantiser when it may not look ahead.
  config_.rc_min_quantizer = config_.rc_max_quantizer = static_cast<unsigned>(quantiser);
  if (aom_codec_enc_init(&context_, interface, &config_, 0) != AOM_CODEC_OK) {
    error = reason();
    return false;
  }
  open_ = true;
  // Screen content tools buy nothing on soft maps and cost twice the time; deltas never need the order of
  // frames.
  const bool ok = control(AOME_SET_CPUUSED, speed) && control(AOME_SET_CQ_LEVEL, quantiser) &&
                  control(AV1E_SET_ENABLE_PALETTE, 0) && control(AV1E_SET_ENABLE_INTRABC, 0) &&
                  (!live || (control(AV1E_SET_AQ_MODE, 0) && control(AV1E_SET_ENABLE_ORDER_HINT, 0)));
  if (!ok)
    error = reason();
  const size_t chroma = static_cast<size_t>((width + 1) / 2) * static_cast<size_t>((height + 1) / 2);
  chroma_.assign(chroma, 128);
  return ok;
}

bool Libaom::set_quantiser(int quantiser) {
  config_.rc_min_quantizer = config_.rc_max_quantizer = static_cast<unsigned>(quantiser);
  return aom_codec_enc_config_set(&context_, &config_) == AOM_CODEC_OK &&
         control(AOME_SET_CQ_LEVEL, quantiser);
}

/// A delta frame sees one reference, the key frame, and changes nothing that a later frame could see.
/// libaom 3.6 ignores the frame flags for that (AOM_EFLAG_NO_UPD_*) in real-time mode: only the reference
/// configuration of scalable streams works.
bool Libaom::refer_to_key_only(bool key) {
  aom_svc_ref_frame_config_t references = {};
  references.reference[0] = 1; // LAST, in slot 0 as all others
  for (int& slot : references.refresh)
    slot = key;
  return control(AV1E_SET_SVC_REF_FRAME_CONFIG, &references);
}

Status Libaom::encode(const MapView& map, bool key, ByteView& unit) {
  aom_image_t image;
  auto* luma = const_cast<uint8_t*>(map.data); // libaom reads only
  const unsigned width = config_.g_w, height = config_.g_h;
  if (aom_img_wrap(&image, AOM_IMG_FMT_I420, width, height, 1, luma) == nullptr)
    return Status::Failed;
  image.monochrome = 1;
  image.stride[AOM_PLANE_Y] = map.stride;
  image.stride[AOM_PLANE_U] = image.stride[AOM_PLANE_V] = static_cast<int>((width + 1) / 2);
  image.planes[AOM_PLANE_U] = image.planes[AOM_PLANE_V] = chroma_.data();
  if (live_ && !refer_to_key_only(key))
    return Status::Failed;
  const aom_enc_frame_flags_t flags = key ? AOM_EFLAG_FORCE_KF : 0;
  if (aom_codec_encode(&context_, &image, next_++, 1, flags) != AOM_CODEC_OK)
    return Status::Failed;
  unit_.clear();
  aom_codec_iter_t position = nullptr;
  while (const aom_codec_cx_pkt_t* packet = aom_codec_get_cx_data(&context_, &position)) {
    if (packet->kind != AOM_CODEC_CX_FRAME_PKT)
      continue;
    const auto* bytes = static_cast<const uint8_t*>(packet->data.frame.buf);
    unit_.insert(unit_.end(), bytes, bytes + packet->data.frame.sz);
  }
  unit = unit_;
  return Status::Ok;
}

int default_speed(bool live) {
  return live ? 6 : 4;
}

/// The sequence header of one mode. libaom settles some of its flags only at the first frame, so a flat one
/// is coded.
bool probe_sequence(int width, int height, bool live, int speed, Bytes& sequence, std::string& error) {
  Libaom encoder;
  if (!encoder.open(width, height, live, speed, 63, error))
    return false;
  const Bytes flat(static_cast<size_t>(width) * static_cast<size_t>(height));
  ByteView unit, header, frame;
  if (encoder.encode({flat.data(), width, height, width}, true, unit) != Status::Ok ||
      split_temporal_unit(unit, header, frame) != Status::Ok || header.empty()) {
    error = "libaom gives no sequence header";
    return false;
  }
  sequence.assign(header.begin(), header.end());
  return true;
}

class Av1Encoder final : public MapEncoder {
public:
  bool open(const EncoderSettings& settings, std::string& error);
  Status encode(const MapView& map, bool force_key, EncodedMap& out) override;
  void discard() override;
  void set_quantiser(int quantiser) override { quantiser_ = std::clamp(quantiser, 0, 63); }
  const Bytes& codec_header() const override { return codec_header_; }

private:
  bool prepare();

  EncoderSettings settings_;
  Libaom libaom_;
  Bytes sequence_, codec_header_;
  int quantiser_ = 0, applied_quantiser_ = 0;
  int since_key_ = 0; ///< maps since and including the last key map; 0: none yet
  uint8_t key_number_ = 15;
};

bool Av1Encoder::open(const EncoderSettings& settings, std::string& error) {
  settings_ = settings;
  const int speed = settings.speed < 0 ? default_speed(settings.live) : settings.speed;
  settings_.speed = speed;
  if (speed > kMaxSpeed) {
    error = "av1 speed " + std::to_string(speed) + " is over " + std::to_string(kMaxSpeed);
    return false;
  }
  SequenceHeaders headers;
  const int still_speed = settings.live ? default_speed(false) : speed;
  const int live_speed = settings.live ? speed : default_speed(true);
  if (!probe_sequence(settings.width, settings.height, false, still_speed, headers.still, error) ||
      !probe_sequence(settings.width, settings.height, true, live_speed, headers.video, error))
    return false;
  codec_header_ = write_codec_header(headers);
  sequence_ = settings.live ? headers.video : headers.still;
  quantiser_ = applied_quantiser_ = settings.quantiser;
  return libaom_.open(settings.width, settings.height, settings.live, speed, settings.quantiser, error);
}

/// A still picture encoder is for one picture (g_limit): each map gets a new one (about 3 ms).
bool Av1Encoder::prepare() {
  if (!settings_.live) {
    std::string error;
    return libaom_.open(settings_.width, settings_.height, false, settings_.speed, quantiser_, error);
  }
  if (quantiser_ != applied_quantiser_ && !libaom_.set_quantiser(quantiser_))
    return false;
  applied_quantiser_ = quantiser_;
  return true;
}

Status Av1Encoder::encode(const MapView& map, bool force_key, EncodedMap& out) {
  if (map.data == nullptr || map.width != settings_.width || map.height != settings_.height ||
      map.stride < map.width)
    return Status::Failed;
  if (!prepare())
    return Status::Failed;
  const bool key = !settings_.live || force_key || since_key_ == 0 || since_key_ >= settings_.key_interval;
  // An attempt at a key map may have changed libaom's references even when it fails: no delta until one
  // succeeds.
  const int since_key = key ? 0 : since_key_;
  since_key_ = 0;
  ByteView unit, sequence, frame;
  if (Status status = libaom_.encode(map, key, unit); status != Status::Ok)
    return status;
  if (Status status = split_temporal_unit(unit, sequence, frame); status != Status::Ok)
    return status;
  if (!sequence.empty() && !std::equal(sequence.begin(), sequence.end(), sequence_.begin(), sequence_.end()))
    return Status::Failed; // the stream header promises another one
  if (frame.size() >= bitstream::Limits::max_structure_bytes)
    return Status::TooLarge;
  since_key_ = since_key + 1;
  PayloadType type;
  if (settings_.live) {
    key_number_ = static_cast<uint8_t>((key_number_ + key) & 15);
    type = {key ? FrameType::Key : FrameType::Delta, key_number_};
  }
  out.key = key;
  out.payload.resize(1 + frame.size());
  out.payload[0] = write_payload_type(type);
  std::copy(frame.begin(), frame.end(), out.payload.begin() + 1);
  return Status::Ok;
}

/// A delta has changed nothing. A key map has: libaom would predict from it, so only another one can follow.
void Av1Encoder::discard() {
  if (!settings_.live || since_key_ == 0)
    return;
  if (--since_key_ == 0)
    key_number_ = static_cast<uint8_t>((key_number_ + 15) & 15);
}

} // namespace

Status create_av1_encoder(const EncoderSettings& settings, std::unique_ptr<MapEncoder>& out,
                          std::string& error) {
  auto encoder = std::make_unique<Av1Encoder>();
  if (!encoder->open(settings, error))
    return Status::Failed;
  out = std::move(encoder);
  return Status::Ok;
}

} // namespace gsem::maps
