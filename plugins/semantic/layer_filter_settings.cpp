// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/layer_filter_settings.hpp"

#include "gst/semantic/ptr.hpp"

#include <algorithm>

namespace gsem {

namespace {

constexpr guint kStart = 300000; ///< bit/s, before the network is known
const LayerFilterSettings kDefault;

enum {
  PROP_0,
  PROP_MAX_LAYER,
  PROP_TARGET_BITRATE,
  PROP_ADAPTIVE,
  PROP_MIN_BITRATE,
  PROP_MAX_BITRATE,
  PROP_HOLD_TIME,
  PROP_OVERHEAD,
  PROP_MTU,
  PROP_FEC_PERCENTAGE,
  PROP_STEER,
  PROP_WINDOW,
};
static_assert(PROP_WINDOW + 1 == kLayerFilterSettings);

} // namespace

RateFeedback::Limits LayerFilterSettings::limits() const {
  const uint64_t most = bitrate ? std::min<uint64_t>(bitrate, max) : max;
  return {min, most, bitrate ? most : std::min<uint64_t>(kStart, most), cost.overhead, window};
}

bool set_layer_filter_property(GObject* object, LayerFilterSettings& settings, guint id,
                               const GValue* value) {
  ObjectLock lock(object);
  switch (id) {
  case PROP_MAX_LAYER:
    settings.max_layer = unsigned(g_value_get_int(value));
    return true;
  case PROP_TARGET_BITRATE:
    settings.bitrate = g_value_get_uint(value);
    return true;
  case PROP_ADAPTIVE:
    settings.adaptive = g_value_get_boolean(value);
    return true;
  case PROP_MIN_BITRATE:
    settings.min = g_value_get_uint(value);
    return true;
  case PROP_MAX_BITRATE:
    settings.max = g_value_get_uint(value);
    return true;
  case PROP_HOLD_TIME:
    settings.hold_time = g_value_get_uint(value) * GST_MSECOND;
    return true;
  case PROP_OVERHEAD:
    settings.cost.overhead = g_value_get_uint(value);
    return true;
  case PROP_MTU:
    settings.cost.mtu = g_value_get_uint(value);
    return true;
  case PROP_FEC_PERCENTAGE:
    settings.cost.fec_percent = g_value_get_uint(value);
    return true;
  case PROP_STEER:
    settings.steer = g_value_get_boolean(value);
    return true;
  case PROP_WINDOW:
    settings.window = g_value_get_uint(value);
    return true;
  default:
    return false;
  }
}

bool get_layer_filter_property(GObject* object, const LayerFilterSettings& settings, guint id,
                               GValue* value) {
  ObjectLock lock(object);
  switch (id) {
  case PROP_MAX_LAYER:
    g_value_set_int(value, int(settings.max_layer));
    return true;
  case PROP_TARGET_BITRATE:
    g_value_set_uint(value, guint(settings.bitrate));
    return true;
  case PROP_ADAPTIVE:
    g_value_set_boolean(value, settings.adaptive);
    return true;
  case PROP_MIN_BITRATE:
    g_value_set_uint(value, settings.min);
    return true;
  case PROP_MAX_BITRATE:
    g_value_set_uint(value, settings.max);
    return true;
  case PROP_HOLD_TIME:
    g_value_set_uint(value, guint(settings.hold_time / GST_MSECOND));
    return true;
  case PROP_OVERHEAD:
    g_value_set_uint(value, settings.cost.overhead);
    return true;
  case PROP_MTU:
    g_value_set_uint(value, settings.cost.mtu);
    return true;
  case PROP_FEC_PERCENTAGE:
    g_value_set_uint(value, settings.cost.fec_percent);
    return true;
  case PROP_STEER:
    g_value_set_boolean(value, settings.steer);
    return true;
  case PROP_WINDOW:
    g_value_set_uint(value, settings.window);
    return true;
  default:
    return false;
  }
}

void install_layer_filter_properties(GObjectClass* klass) {
  const auto flags = GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  GParamSpec* specs[kLayerFilterSettings] = {};
  specs[PROP_MAX_LAYER] =
      g_param_spec_int("max-layer", "Highest layer",
                       "Highest layer sent: 1 caption, 2 and structure, 3 and signal", 1, 3, 3, flags);
  specs[PROP_TARGET_BITRATE] = g_param_spec_uint(
      "target-bitrate", "Target bit rate",
      "Bits a second on the wire, all headers and FEC included (0: no limit)", 0, G_MAXUINT, 0, flags);
  specs[PROP_ADAPTIVE] = g_param_spec_boolean(
      "adaptive", "Adaptive",
      "Follow the network by the transport-wide feedback of receivers (TWCC); target-bitrate "
      "is then the start and an upper bound",
      FALSE, flags);
  specs[PROP_MIN_BITRATE] =
      g_param_spec_uint("min-bitrate", "Least bit rate", "Bits a second below which the estimate never goes",
                        0, G_MAXUINT, kDefault.min, flags);
  specs[PROP_MAX_BITRATE] =
      g_param_spec_uint("max-bitrate", "Most bit rate", "Bits a second above which the estimate never goes",
                        1, G_MAXUINT, kDefault.max, flags);
  specs[PROP_HOLD_TIME] = g_param_spec_uint(
      "hold-time", "Hold time", "Milliseconds for which more must fit into the bit rate before more is sent",
      0, 60000, guint(kDefault.hold_time / GST_MSECOND), flags);
  specs[PROP_OVERHEAD] = g_param_spec_uint(
      "overhead", "Overhead",
      "Bytes a packet outside the RTP payload. 40: IPv4, UDP, RTP; 20 more for IPv6, 10 for SRTP, 8 for the "
      "transport-wide sequence number",
      0, 1000, kDefault.cost.overhead, flags);
  specs[PROP_MTU] = g_param_spec_uint("mtu", "MTU", "Largest RTP packet: the payloader's mtu", 64, 65535,
                                      kDefault.cost.mtu, flags);
  specs[PROP_FEC_PERCENTAGE] = g_param_spec_uint(
      "fec-percentage", "FEC percentage",
      "Redundancy that is added behind this element, per cent of what it sends", 0, 500, 0, flags);
  specs[PROP_STEER] = g_param_spec_boolean(
      "steer-encoders", "Steer encoders",
      "Tell the encoders upstream what rate they may use (not where several filters share one encoder)", TRUE,
      flags);
  specs[PROP_WINDOW] = g_param_spec_uint(
      "max-unreported", "Most unreported bytes",
      "With adaptive: bytes on the wire that may be on their way without a report; when the network gets "
      "slower, no more than that waits in it. Captions go anyway (0: any number)",
      0, G_MAXUINT, kDefault.window, flags);
  g_object_class_install_properties(klass, kLayerFilterSettings, specs);
}

} // namespace gsem
