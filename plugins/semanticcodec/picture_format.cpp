// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/picture_format.hpp"

#include "gst/bitstream/stream_header.hpp"

#include <cstring>

namespace gsem::codec {

namespace {

constexpr int kMinSide = int(bitstream::Limits::min_side), kMaxSide = int(bitstream::Limits::max_side);

std::string refuse_colour(const GstVideoColorimetry& c) {
  if (c.range != GST_VIDEO_COLOR_RANGE_UNKNOWN && c.range != GST_VIDEO_COLOR_RANGE_0_255)
    return "its range is limited, full range is needed";
  if (c.matrix != GST_VIDEO_COLOR_MATRIX_UNKNOWN && c.matrix != GST_VIDEO_COLOR_MATRIX_RGB)
    return "its colour matrix is not RGB";
  switch (c.primaries) {
  case GST_VIDEO_COLOR_PRIMARIES_UNKNOWN:
  case GST_VIDEO_COLOR_PRIMARIES_BT709:
  case GST_VIDEO_COLOR_PRIMARIES_BT470BG:
  case GST_VIDEO_COLOR_PRIMARIES_SMPTE170M:
  case GST_VIDEO_COLOR_PRIMARIES_SMPTE240M:
    break;
  default:
    return "its colour primaries are not those of sRGB";
  }
  switch (c.transfer) {
  case GST_VIDEO_TRANSFER_UNKNOWN:
  case GST_VIDEO_TRANSFER_SRGB:
  case GST_VIDEO_TRANSFER_BT709:
  case GST_VIDEO_TRANSFER_BT601:
  case GST_VIDEO_TRANSFER_SMPTE240M:
    break;
  default:
    return "its transfer function is not that of sRGB";
  }
  return {};
}

} // namespace

std::string refuse_reason(const GstCaps* caps, const GstVideoInfo* info) {
  const GstStructure* s = gst_caps_get_structure(caps, 0);
  const char* format = gst_structure_get_string(s, "format");
  if (!gst_structure_has_name(s, "video/x-raw") || !format)
    return "it is not raw video";
  bool grey = GST_VIDEO_INFO_FORMAT(info) == GST_VIDEO_FORMAT_GRAY8;
  if (!grey && GST_VIDEO_INFO_FORMAT(info) != GST_VIDEO_FORMAT_RGB)
    return std::string("its format is ") + format + ", RGB is needed";
  if (GST_VIDEO_INFO_IS_INTERLACED(info))
    return "it is interlaced";
  int width = GST_VIDEO_INFO_WIDTH(info), height = GST_VIDEO_INFO_HEIGHT(info);
  if (width < kMinSide || height < kMinSide || width > kMaxSide || height > kMaxSide)
    return "its size is " + std::to_string(width) + "x" + std::to_string(height) +
           ", 16x16 to 4096x4096 is possible";
  if (gst_structure_has_field(s, "colorimetry") && !grey)
    return refuse_colour(info->colorimetry);
  return {};
}

gboolean check_raw_caps(GstElement* element, const GstCaps* caps, const GstVideoInfo* info) {
  std::string reason = refuse_reason(caps, info);
  if (reason.empty())
    return TRUE;
  GST_ELEMENT_ERROR(
      element, STREAM, FORMAT, ("This video cannot be used: %s.", reason.c_str()),
      ("caps %" GST_PTR_FORMAT ". Put videoconvert (and deinterlace, videoscale) in front", caps));
  return FALSE;
}

bool answer_accept_raw(GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_ACCEPT_CAPS)
    return false;
  GstCaps* caps = nullptr;
  gst_query_parse_accept_caps(query, &caps);
  if (!caps || gst_caps_get_size(caps) != 1 ||
      !gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw"))
    return false;
  gst_query_set_accept_caps_result(query, TRUE);
  return true;
}

GstVideoInfo make_info(GstVideoFormat format, int width, int height, const GstVideoInfo* timing) {
  GstVideoInfo info;
  gst_video_info_init(&info);
  gst_video_info_set_format(&info, format, guint(width), guint(height));
  if (format == GST_VIDEO_FORMAT_RGB)
    gst_video_colorimetry_from_string(&info.colorimetry, GST_VIDEO_COLORIMETRY_SRGB);
  GST_VIDEO_INFO_FPS_N(&info) = timing ? GST_VIDEO_INFO_FPS_N(timing) : 0;
  GST_VIDEO_INFO_FPS_D(&info) = timing && GST_VIDEO_INFO_FPS_D(timing) > 0 ? GST_VIDEO_INFO_FPS_D(timing) : 1;
  if (timing && GST_VIDEO_INFO_PAR_N(timing) > 0 && GST_VIDEO_INFO_PAR_D(timing) > 0) {
    GST_VIDEO_INFO_PAR_N(&info) = GST_VIDEO_INFO_PAR_N(timing);
    GST_VIDEO_INFO_PAR_D(&info) = GST_VIDEO_INFO_PAR_D(timing);
  }
  return info;
}

bool stretch(const runtime::PictureView& source, VideoMap& target) {
  GstVideoInfo out = target.frame()->info;
  if (source.width == target.width() && source.height == target.height()) {
    size_t row = size_t(source.width) * GST_VIDEO_INFO_COMP_PSTRIDE(&out, 0);
    for (int y = 0; y < source.height; y++)
      std::memcpy(target.data() + size_t(y) * target.stride(), source.data + size_t(y) * source.stride, row);
    return true;
  }
  // The converter wants everything but the size to agree.
  GstVideoInfo in = make_info(GST_VIDEO_INFO_FORMAT(&out), source.width, source.height, &out);
  in.colorimetry = out.colorimetry;
  GstStructure* config = gst_structure_new("config", GST_VIDEO_CONVERTER_OPT_RESAMPLER_METHOD,
                                           GST_TYPE_VIDEO_RESAMPLER_METHOD, GST_VIDEO_RESAMPLER_METHOD_LINEAR,
                                           GST_VIDEO_CONVERTER_OPT_THREADS, G_TYPE_UINT, 1u, nullptr);
  GstVideoConverter* converter = gst_video_converter_new(&in, &out, config);
  if (!converter)
    return false;
  GstVideoFrame frame{};
  frame.info = in;
  frame.data[0] = const_cast<uint8_t*>(source.data);
  frame.info.stride[0] = source.stride;
  gst_video_converter_frame(converter, &frame, target.frame());
  gst_video_converter_free(converter);
  return true;
}

void fill_grey(VideoMap& target, guint8 level) {
  size_t row = size_t(target.width()) * GST_VIDEO_FRAME_COMP_PSTRIDE(target.frame(), 0);
  for (int y = 0; y < target.height(); y++)
    std::memset(target.data() + size_t(y) * target.stride(), level, row);
}

} // namespace gsem::codec
