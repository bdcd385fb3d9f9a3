// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/structenc_settings.hpp"

#include "gst/semantic/ptr.hpp"

#include <algorithm>

namespace gsem::codec {
namespace {

enum {
  PROP_MODEL = 1,
  PROP_DETECTOR = PROP_MODEL + kModelProperties,
  PROP_CODEC,
  PROP_QUALITY,
  PROP_QUANTISER,
  PROP_QP,
  PROP_BITRATE,
  PROP_MAX_BYTES,
  PROP_VTM_DIR,
  PROP_LIVE,
  PROP_KEY_INTERVAL,
  PROP_STATS
};

constexpr int kMaxQuantiser = 63;

GType detector_type() {
  static const GType type = [] {
    static const GEnumValue values[] = {
        {StructEncSettings::DETECTOR_NETWORK, "The profile's edge network", "network"},
        {StructEncSettings::DETECTOR_CANNY, "Canny, needs no weights", "canny"},
        {0, nullptr, nullptr}};
    GType made = g_enum_register_static("GstStructEncDetector", values);
    gst_type_mark_as_plugin_api(made, GstPluginAPIFlags(0));
    return made;
  }();
  return type;
}

GType live_type() {
  static const GType type = [] {
    static const GEnumValue values[] = {
        {StructEncSettings::LIVE_AUTO, "Delta maps when upstream is live", "auto"},
        {StructEncSettings::LIVE_OFF, "Every map alone, highest efficiency", "off"},
        {StructEncSettings::LIVE_ON, "Delta maps, real time", "on"},
        {0, nullptr, nullptr}};
    GType made = g_enum_register_static("GstStructEncLive", values);
    gst_type_mark_as_plugin_api(made, GstPluginAPIFlags(0));
    return made;
  }();
  return type;
}

/// Quantiser of a quality: 63 (the floor) up to 15, 62 (as VTM at QP 50, what the networks were trained on)
/// around the default, 40 at 63, where a map is nearly as it was.
int quantiser_of(int quality) {
  if (quality < 16)
    return 63;
  if (quality < 36)
    return 62;
  return 62 - (quality - 35) * 22 / 28;
}

/// VVC's QP of a quality: 50 around the default, as SCMC's; a step of 6 halves or doubles its quantiser.
int qp_of(int quality) {
  if (quality < 16)
    return 53;
  if (quality < 36)
    return 50;
  return 50 - (quality - 35) * 18 / 28;
}

/// What the best quality gives: finer maps would only cost more.
int finest(bool vvc) {
  return vvc ? qp_of(63) : quantiser_of(63);
}

} // namespace

const guint kStructEncStats = PROP_STATS;

int StructEncSettings::effective_quantiser() const {
  if (vvc())
    return qp >= 0 ? qp : qp_of(quality);
  return quantiser >= 0 ? quantiser : quantiser_of(quality);
}

/// Under a bit rate of the user's own, quality has no say: the rate is what they want spent.
maps::RateLimits StructEncSettings::limits(guint steered) const {
  maps::RateLimits limits;
  limits.max_bytes = max_bytes;
  limits.bitrate = bitrate && steered ? std::min(bitrate, steered) : std::max(bitrate, steered);
  const bool fixed = vvc() ? qp >= 0 : quantiser >= 0;
  limits.finest = bitrate && !fixed ? finest(vvc()) : effective_quantiser();
  limits.coarsest = kMaxQuantiser;
  return limits;
}

bool set_structenc_property(GObject* object, StructEncSettings& settings, guint id, const GValue* value) {
  if (id < PROP_DETECTOR) {
    set_model_property(object, settings.model, id - PROP_MODEL, value);
    return true;
  }
  ObjectLock lock(object);
  switch (id) {
  case PROP_DETECTOR:
    settings.detector = g_value_get_enum(value);
    break;
  case PROP_CODEC:
    settings.codec = g_value_get_string(value) ? g_value_get_string(value) : "av1";
    break;
  case PROP_QUALITY:
    settings.quality = g_value_get_int(value);
    break;
  case PROP_QUANTISER:
    settings.quantiser = g_value_get_int(value);
    break;
  case PROP_QP:
    settings.qp = g_value_get_int(value);
    break;
  case PROP_BITRATE:
    settings.bitrate = g_value_get_uint(value);
    break;
  case PROP_MAX_BYTES:
    settings.max_bytes = g_value_get_uint(value);
    break;
  case PROP_VTM_DIR:
    settings.vtm_dir = g_value_get_string(value) ? g_value_get_string(value) : "";
    break;
  case PROP_LIVE:
    settings.live = g_value_get_enum(value);
    break;
  case PROP_KEY_INTERVAL:
    settings.key_interval = g_value_get_int(value);
    break;
  default:
    return false;
  }
  return true;
}

bool get_structenc_property(GObject* object, const StructEncSettings& settings, guint id, GValue* value) {
  if (id < PROP_DETECTOR) {
    get_model_property(object, settings.model, id - PROP_MODEL, value);
    return true;
  }
  ObjectLock lock(object);
  switch (id) {
  case PROP_DETECTOR:
    g_value_set_enum(value, settings.detector);
    break;
  case PROP_CODEC:
    g_value_set_string(value, settings.codec.c_str());
    break;
  case PROP_QUALITY:
    g_value_set_int(value, settings.quality);
    break;
  case PROP_QUANTISER:
    g_value_set_int(value, settings.quantiser);
    break;
  case PROP_QP:
    g_value_set_int(value, settings.qp);
    break;
  case PROP_BITRATE:
    g_value_set_uint(value, settings.bitrate);
    break;
  case PROP_MAX_BYTES:
    g_value_set_uint(value, settings.max_bytes);
    break;
  case PROP_VTM_DIR:
    g_value_set_string(value, settings.vtm_dir.empty() ? nullptr : settings.vtm_dir.c_str());
    break;
  case PROP_LIVE:
    g_value_set_enum(value, settings.live);
    break;
  case PROP_KEY_INTERVAL:
    g_value_set_int(value, settings.key_interval);
    break;
  default:
    return false;
  }
  return true;
}

void install_structenc_properties(GObjectClass* klass) {
  constexpr auto kReady = GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  constexpr auto kPlaying =
      GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  install_model_properties(klass, PROP_MODEL);
  g_object_class_install_property(
      klass, PROP_DETECTOR,
      g_param_spec_enum("detector", "Detector", "What finds the edges; canny needs no weights",
                        detector_type(), StructEncSettings::DETECTOR_NETWORK, kReady));
  g_object_class_install_property(
      klass, PROP_CODEC,
      g_param_spec_string(
          "codec", "Codec",
          "What codes the maps: av1, vvc (where built with VVenC), or vtm (external programs)", "av1",
          kReady));
  g_object_class_install_property(klass, PROP_QUALITY,
                                  g_param_spec_int("quality", "Quality",
                                                   "Quality of the maps, 63 the best; sets the quantiser "
                                                   "(0-15 give 63, 16-35 give 62, above it falls to 40) "
                                                   "or the QP (53, 50, falling to 32)",
                                                   0, 63, StructEncSettings::kDefaultQuality, kPlaying));
  g_object_class_install_property(
      klass, PROP_QUANTISER,
      g_param_spec_int("quantiser", "Quantiser",
                       "Quantiser of codec=av1, 0 (finest) to 63 (-1 = from quality)", -1, kMaxQuantiser, -1,
                       kPlaying));
  g_object_class_install_property(
      klass, PROP_QP,
      g_param_spec_int("qp", "QP", "QP of codec=vvc and vtm, 0 (finest) to 63 (-1 = from quality)", -1,
                       kMaxQuantiser, -1, kPlaying));
  g_object_class_install_property(
      klass, PROP_BITRATE,
      g_param_spec_uint(
          "bitrate", "Bit rate",
          "Bits a second that the maps may take, 0 = off. The quantiser follows, from what quality "
          "63 gives (or quantiser, or qp, if set) to 63; under a rate too small for that, maps are "
          "left out",
          0, 100000000, 0, kPlaying));
  g_object_class_install_property(
      klass, PROP_MAX_BYTES,
      g_param_spec_uint(
          "max-bytes", "Largest map",
          "Bytes that no map exceeds, 0 = off: a larger one is coded more coarsely, and left out "
          "where that is not enough",
          0, 1000000, 0, kPlaying));
  g_object_class_install_property(
      klass, PROP_VTM_DIR,
      g_param_spec_string("vtm-dir", "VTM folder",
                          "Folder of VTM 15.2 or later, for codec=vtm (unset = $GST_SEMANTIC_VTM_DIR)",
                          nullptr, kReady));
  g_object_class_install_property(klass, PROP_LIVE,
                                  g_param_spec_enum("live", "Live",
                                                    "Whether maps may be deltas from the last key map",
                                                    live_type(), StructEncSettings::LIVE_AUTO, kReady));
  g_object_class_install_property(
      klass, PROP_KEY_INTERVAL,
      g_param_spec_int("key-interval", "Key interval",
                       "Maps from one key map to the next, when they may be deltas", 1, 10000,
                       StructEncSettings::kDefaultKeyInterval, kReady));
}

} // namespace gsem::codec
