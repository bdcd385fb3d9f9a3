// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"

#include <opencv2/core.hpp>

#include <array>
#include <string>
#include <vector>

/// The plugins' elements at work on a batch of pictures: what is measured are the bytes of real files and the
/// pictures that came back from them.
namespace gsem::eval {

/// One picture's files, each of them decodable alone (stream header and one access unit).
struct CodedLayers {
  Bytes words, shapes;       ///< the caption alone; caption and edge map
  std::vector<Bytes> all;    ///< three layers, one file a quality
  std::vector<Bytes> no_map; ///< caption and signal, one file a quality
  std::vector<Bytes> alone;  ///< the signal layer alone, one file a quality
};

/// One picture as shown by a receiver. 8-bit BGR; the map 8-bit grey.
struct ShownLayers {
  cv::Mat words, shapes, map;
  std::vector<cv::Mat> all, no_map, alone;
};

struct ChainSettings {
  std::string profile;        ///< name or folder; empty: the default
  std::vector<int> qualities; ///< of signalenc, 0..63
  int map_quality = -1;       ///< of structenc, 0..63; -1: its own default
  int effort = 1;             ///< of semanticenc
  bool below = true;          ///< false: the signal layer alone, everything else stays empty
  bool shapes = true;         ///< false: the caption alone below, and no files with a map
  int threads = 1;
};

/// The layers a file carries.
struct FileParts {
  size_t size = 0;                 ///< of the file
  std::array<size_t, 4> payload{}; ///< by layer kind: 1 caption, 2 structure, 3 signal
  Bytes caption;                   ///< payload of the caption
};
/// Reads a file of one access unit. std::runtime_error when it is none.
FileParts read_parts(const Bytes& file);

/// Runs `appsrc ! tee` into one semanticenc, one structenc and a signalenc for each quality, and a
/// semanticmux for every file: a header before each access unit, a caption and a key map with each picture.
/// All pictures have the same size. std::runtime_error with the element's own message.
std::vector<CodedLayers> encode_layers(const std::vector<cv::Mat>& pictures, const ChainSettings& settings);

/// The way back: one semanticdec and one structdec for all qualities, whose pictures go to a signaldec for
/// each, as in semanticdecodebin.
std::vector<ShownLayers> decode_layers(const std::vector<CodedLayers>& coded, const ChainSettings& settings);

/// One file through `semanticparse ! semanticdecodebin`.
cv::Mat decode_file(const Bytes& file, const ChainSettings& settings, int max_layer = 3);

} // namespace gsem::eval
