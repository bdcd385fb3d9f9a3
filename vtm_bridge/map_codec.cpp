// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/map_codec.hpp"

#include "vtm_bridge/codec.hpp"

#include <cstdlib>

namespace gsem::maps {
namespace {

const Codec* const kCodecs[] = {&kAv1Codec,
#if GSEM_WITH_VVC
                                &kVvcCodec,
#endif
#if GSEM_WITH_VTM
                                &kVtmCodec
#endif
};

const Codec* codec_of_name(const std::string& name) {
  for (const Codec* codec : kCodecs)
    if (name == codec->name)
      return codec;
  return nullptr;
}

/// The libraries decode VVC, unless the user has named VTM's folder: then VTM does.
const Codec* codec_of_format(const std::string& format, const ExternalPrograms& programs) {
  const char* folder = std::getenv("GST_SEMANTIC_VTM_DIR");
  const bool named = !programs.program_dir.empty() || (folder != nullptr && *folder != '\0');
  const Codec* found = nullptr;
  for (const Codec* codec : kCodecs)
    if (format == codec->format && (found == nullptr || named))
      found = codec;
  return found;
}

Status unknown_codec(const std::string& name, std::string& error) {
  error = "no structure codec \"" + name.substr(0, 32) + "\" here; usable are:";
  for (const std::string& usable : available_codecs())
    error += " " + usable;
  if (name == "vvc")
    error += ". It needs VVenC and vvdec when gst-semantic is built, or use vtm (docs/vtm.md)";
  return Status::Failed;
}

bool in_range(int value, int low, int high, const char* what, std::string& error) {
  if (value >= low && value <= high)
    return true;
  error = std::string(what) + " " + std::to_string(value) + " is not in " + std::to_string(low) + ".." +
          std::to_string(high);
  return false;
}

} // namespace

Status MapEncoder::create(const EncoderSettings& settings, std::unique_ptr<MapEncoder>& out,
                          std::string& error) {
  const Codec* codec = codec_of_name(settings.codec);
  if (codec == nullptr)
    return unknown_codec(settings.codec, error);
  if (!in_range(settings.width, kMinSide, kMaxSide, "map width", error) ||
      !in_range(settings.height, kMinSide, kMaxSide, "map height", error) ||
      !in_range(settings.quantiser, codec->min_quantiser, codec->max_quantiser, "quantiser", error) ||
      !in_range(settings.key_interval, 1, kMaxKeyInterval, "key interval", error))
    return Status::Failed;
  return codec->create_encoder(settings, out, error);
}

Status MapDecoder::create(const std::string& name, ByteView codec_header, std::unique_ptr<MapDecoder>& out,
                          std::string& error, const ExternalPrograms& programs) {
  const Codec* codec = codec_of_format(name, programs);
  if (codec == nullptr)
    codec = codec_of_name(name);
  if (codec == nullptr)
    return unknown_codec(name, error);
  return codec->create_decoder(codec_header, programs, out, error);
}

std::vector<std::string> available_codecs() {
  std::vector<std::string> names;
  for (const Codec* codec : kCodecs)
    if (codec->available())
      names.emplace_back(codec->name);
  return names;
}

std::string coded_format(const std::string& name) {
  const Codec* codec = codec_of_name(name);
  return codec == nullptr ? "" : codec->format;
}

} // namespace gsem::maps
