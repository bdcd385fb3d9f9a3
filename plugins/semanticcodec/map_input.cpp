// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/map_input.hpp"

#include "gst/bitstream/stream_header.hpp"

namespace gsem::codec {

std::string MapInput::set_caps(const GstCaps* caps, CancelSwitch& cancel) {
  geometry_ = read_geometry(caps);
  LayerIdentity id = read_identity(caps);
  if (id.codec.empty())
    id.codec = "av1";
  if (decoder_ && id.codec == identity_.codec && id.codec_data == identity_.codec_data)
    return {}; // the same stream goes on: its key map is still good
  decoder_.reset();
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

bool MapInput::decode(GstElement* element, GstBuffer* buffer, maps::Map& map) {
  if (!decoder_)
    return false;
  Status status = Status::TooLarge;
  if (gst_buffer_get_size(buffer) <= bitstream::Limits::max_structure_bytes) {
    BufferMap data(buffer, GST_MAP_READ);
    if (!data)
      return false;
    status = decoder_->decode({data.data(), data.size()}, map);
  }
  if (status == Status::Ok)
    return true;
  std::string why = decoder_->last_error();
  if (warn_())
    GST_ELEMENT_WARNING(
        element, STREAM, DECODE, ("A damaged edge map was dropped."),
        ("%s; the picture from below is shown (said once a second at most, all are counted in stats)",
         why.empty() ? status_name(status) : why.c_str()));
  return false;
}

void MapInput::flush() {
  if (decoder_)
    decoder_->reset();
}

} // namespace gsem::codec
