// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/map_input.hpp"

#include "gst/bitstream/stream_header.hpp"

#include <gst/video/video.h>

namespace gsem::codec {

std::string MapInput::set_caps(const GstCaps* caps, CancelSwitch& cancel) {
  geometry_ = read_geometry(caps);
  LayerIdentity id = read_identity(caps);
  if (id.codec.empty())
    id.codec = "av1";
  if (decoder_ && id.codec == identity_.codec && id.codec_data == identity_.codec_data)
    return {}; // the same stream goes on: its key map is still good
  decoder_.reset();
  last_ = {};
  identity_ = id;
  maps::ExternalPrograms programs;
  programs.cancelled = [&cancel] { return cancel.token().cancelled(); };
  std::string error;
  Status status = maps::MapDecoder::create(id.codec, id.codec_data, decoder_, error, programs);
  if (status == Status::Ok && decoder_)
    return {};
  decoder_.reset();
  return "map codec \"" + id.codec + "\": " + (error.empty() ? status_name(status) : error);
}

const maps::Map* MapInput::decode(GstElement* element, GstBuffer* buffer, GstClockTime now) {
  if (!decoder_)
    return nullptr;
  Status status = Status::TooLarge;
  if (gst_buffer_get_size(buffer) <= bitstream::Limits::max_structure_bytes) {
    BufferMap data(buffer, GST_MAP_READ);
    if (!data)
      return nullptr;
    status = decoder_->decode({data.data(), data.size()}, scratch_);
  }
  // A map that refers to another one and cannot be decoded misses that one, or is damaged itself.
  key_missing_ = status != Status::Ok && GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  if (status == Status::Ok) {
    std::swap(last_, scratch_);
    last_time_ = now;
    return &last_;
  }
  std::string why = decoder_->last_error();
  if (warn_())
    GST_ELEMENT_WARNING(
        element, STREAM, DECODE, ("A damaged edge map was dropped."),
        ("%s; the picture from below is shown (said once a second at most, all are counted in stats)",
         why.empty() ? status_name(status) : why.c_str()));
  return nullptr;
}

const maps::Map* MapInput::held(GstClockTime now, GstClockTime hold) const {
  bool fresh = hold > 0 && !last_.data.empty() && GST_CLOCK_TIME_IS_VALID(last_time_) &&
               GST_CLOCK_TIME_IS_VALID(now) && now <= last_time_ + hold;
  return fresh ? &last_ : nullptr;
}

bool MapInput::ask_for_key(GstPad* pad, GstClockTime now) {
  bool asked_lately =
      GST_CLOCK_TIME_IS_VALID(asked_) && GST_CLOCK_TIME_IS_VALID(now) && now < asked_ + GST_SECOND;
  if (!key_missing_ || asked_lately)
    return false;
  asked_ = now;
  return gst_pad_push_event(
      pad, gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, FALSE, ++requests_));
}

void MapInput::flush() {
  last_ = {};
  asked_ = GST_CLOCK_TIME_NONE;
  key_missing_ = false;
  if (decoder_)
    decoder_->reset();
}

} // namespace gsem::codec
