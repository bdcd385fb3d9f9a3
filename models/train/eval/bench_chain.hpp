// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"

#include <string>
#include <vector>

/// The whole chain through the elements, on a moving synthetic picture of 256x256. Errors are
/// std::runtime_error.
namespace gsem::eval {

struct ChainCost {
  int threads = 1, frames = 0;
  double seconds = 0, cpu_seconds = 0; ///< start-up left out
  double first_frame = 0;              ///< seconds from PLAYING to the first picture out
};

/// `semanticencodebin ! semanticdecodebin`, with the default profile or that of a name or folder.
ChainCost time_both(int threads, int frames, const std::string& profile = {});
/// `semanticencodebin` alone; `units`: the access units that came out.
ChainCost time_encode(int threads, int frames, std::vector<Bytes>* units);
/// `semanticparse ! semanticdecodebin` alone.
ChainCost time_decode(int threads, const std::vector<Bytes>& units);

struct MemoryPoint {
  int frames = 0;
  double megabytes = 0; ///< resident
};
/// Resident memory while `frames` pictures go through the decoding chain, at eleven moments from one tenth
/// to the end, and before the first. The pictures of `units` come again and again, renumbered as one stream.
std::vector<MemoryPoint> watch_memory(int threads, const std::vector<Bytes>& units, int frames);

/// Decodes a file's first picture, then returns: run in a process of its own to time all of a start.
void show_first(const std::string& file);

} // namespace gsem::eval
