// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "vtm_bridge/map_codec.hpp"
#include "vtm_bridge/vvc_picture.hpp"

namespace gsem::maps {

/// VVC stills, whoever codes them: every map becomes a byte stream of its own, of which the first, of a grey
/// map, gives the codec header.
class VvcStillEncoder : public MapEncoder {
public:
  static constexpr int kMinQp = 0, kMaxQp = 63;

  /// A grey map is coded, so it takes about as long as a map. False: last_error() says why.
  bool open(const EncoderSettings& settings);
  Status encode(const MapView& map, bool force_key, EncodedMap& out) final;
  void set_quantiser(int quantiser) final;
  const Bytes& codec_header() const final { return splitter_.codec_header(); }
  std::string last_error() const final { return error_; }

protected:
  /// Looks at settings_; false with error_.
  virtual bool prepare() = 0;
  /// Who codes, for errors; asked after prepare().
  virtual std::string coder() const = 0;
  /// What to do when the coder's streams cannot be taken apart; follows the cause.
  virtual std::string remedy() const { return {}; }
  /// Codes a map of the settings' size with qp_. `stream`: until the next call. Failed with error_.
  virtual Status code(const MapView& map, ByteView& stream) = 0;

  EncoderSettings settings_;
  int qp_ = 0;
  std::string error_;

private:
  VvcSplitter splitter_;
};

/// Opened; Failed with `error`.
Status open_still_encoder(std::unique_ptr<VvcStillEncoder> encoder, const EncoderSettings& settings,
                          std::unique_ptr<MapEncoder>& out, std::string& error);

} // namespace gsem::maps
