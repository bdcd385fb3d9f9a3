// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"

#include <opencv2/core.hpp>

#include <memory>
#include <string>
#include <vector>

/// The codecs that the signal layer is compared with.
namespace gsem::eval {

struct CodedPicture {
  Bytes file;         ///< everything a file of it has
  size_t payload = 0; ///< bytes without the container: see ReferenceCodec::payload_rule
};

class ReferenceCodec {
public:
  virtual ~ReferenceCodec() = default;
  std::string name;          ///< "jpeg"
  std::string title;         ///< "JPEG (libjpeg-turbo 2.1, 4:2:0, optimised tables)"
  std::string payload_rule;  ///< what is not counted as payload
  bool program = false;      ///< a process a picture: slow
  std::vector<int> settings; ///< from few bytes to many
  /// Pictures are 8-bit BGR. False when the codec fails.
  virtual bool encode(const cv::Mat& picture, int setting, CodedPicture& coded) const = 0;
  virtual bool decode(const CodedPicture& coded, cv::Mat& picture) const = 0;
};

/// Those of `names` (jpeg, webp, avif, jxl) that are installed, in this order; `missing` gets the others.
std::vector<std::unique_ptr<ReferenceCodec>> reference_codecs(const std::vector<std::string>& names,
                                                              std::vector<std::string>& missing);

/// Payload of a JPEG file: without APPn and COM segments. Of WebP: the VP8, VP8L and ALPH chunks. Of AVIF:
/// the mdat box. The whole size when the file is not such a file. Never reads outside `file`.
size_t jpeg_payload(ByteView file);
size_t webp_payload(ByteView file);
size_t avif_payload(ByteView file);

} // namespace gsem::eval
