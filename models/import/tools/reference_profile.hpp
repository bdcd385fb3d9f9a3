// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/import/checkpoint.hpp"
#include "models/import/vocabulary.hpp"
#include "models/profile/manifest.hpp"
#include "models/profile/safetensors_stream.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

/// Writes a profile of kind "reference" (docs/reference.md). The same input gives the same bytes.
namespace gsem::checkpoint {

/// Tensors of one network by the profile's names, as 32-bit floats. They are read when they are written: a
/// network is never in memory a second time.
using NetworkTensors = std::map<std::string, profile::TensorStream>;

/// Takes a checkpoint's tensors under `prefix` into `out`, which keeps it open. Constants that the code
/// computes itself are left out (entropy coder tables, GDN's bounds, batch counters, the perceptual loss's
/// network), CompressAI's newer names of the factorised prior become the published ones. What is no tensor of
/// floating-point numbers goes to `others`, with the reason.
void collect_tensors(const std::shared_ptr<const Checkpoint>& checkpoint, const std::string& prefix,
                     NetworkTensors& out, std::map<std::string, std::string>& others);
/// What gst-semantic-train exports: all of a safetensors file.
void collect_tensors(const std::shared_ptr<const profile::SafetensorsFile>& file, NetworkTensors& out);

class ReferenceProfile {
public:
  /// `folder` is made if it is not there.
  ReferenceProfile(std::string folder, profile::Manifest manifest);

  /// Checks `tensors` against the network of `role`, strictly, and writes its file. "captioner", "text",
  /// "generator", "ranker", "edges", "structure", or "signal-0", "signal-1", ... in ascending order.
  bool add_network(const std::string& role, NetworkTensors&& tensors, std::string& error);
  /// The vocabulary and, from its captions, the caption table.
  bool add_words(const WordList& words, std::string& error);
  /// A word list of the captioner alone.
  bool add_captioner_words(const WordList& words, std::string& error);
  /// Signal table, structure header, profile.json.
  bool finish(std::string& error);

private:
  bool add_signal_table(std::string& error);
  bool add_structure_header(std::string& error);
  bool add_file(const std::string& role, const std::string& name, ByteView bytes, std::string& error);
  bool note_file(const std::string& role, const std::string& name, std::string& error);
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  const std::string folder_;
  profile::Manifest manifest_;
};

} // namespace gsem::checkpoint
