// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/eval/layer_chain.hpp"
#include "models/train/eval/reference_codec.hpp"

#include <memory>

namespace gsem::eval {

/// Payload bytes of the columns.
inline constexpr int kEqualBytes[4] = {10, 200, 600, 2000};

/// One page a source (8-bit BGR, 256 square): ours with all layers and the signal layer alone, then each
/// codec, at about equal payload bytes; an empty cell names the codec's smallest. Writes STEM-1.jpg,
/// STEM-2.jpg and so on, and returns their names. std::runtime_error with a reason.
std::vector<std::string> write_equal_bytes(const std::vector<cv::Mat>& sources, const ChainSettings& chain,
                                           const std::vector<std::unique_ptr<ReferenceCodec>>& codecs,
                                           const std::string& stem);

} // namespace gsem::eval
