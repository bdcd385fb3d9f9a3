// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-semanticencodebin
 * @title: semanticencodebin
 *
 * Video to a layered stream: `tee` -> {`semanticenc`, `structenc`, `signalenc`} -> `semanticmux` ->
 * `semanticlayerfilter`, a queue before each encoder. The children have these names, and their properties can
 * be set through the bin: `semanticencodebin structenc::quality=40`. `layers` says how many of the encoders
 * run; the others are not started and load nothing. `structure=false` leaves the map out below the signal
 * layer: caption and signal. For whoever gets the signal layer anyway this costs fewer bytes (docs/results.md
 * has the numbers); a receiver that gets no further than layer 2 then sees layer 1.
 *
 * `bitrate` keeps a video to a rate as it will be on the wire (packets over RTP, with their headers):
 * encoders are steered, pictures' upper layers thinned, layers given up (docs/adaptation.md).
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=in.png ! pngdec ! videoconvert ! semanticencodebin quality=40 ! \
 *   filesink location=out.gsem
 * ]|
 */
#include "plugins/semantic/gstsemanticencodebin.h"

#include "models/profile/profile.hpp"
#include "plugins/semantic/bin_children.hpp"
#include "plugins/semantic/layer_caps.hpp"

GST_DEBUG_CATEGORY_STATIC(gst_semantic_encode_bin_debug);
#define GST_CAT_DEFAULT gst_semantic_encode_bin_debug

using namespace gsem;

namespace {

constexpr int kLayers = int(kLayerNames.size()), kDefaultQuality = 32, kStructure = 1;
constexpr const char* kEncoders[kLayers] = {"semanticenc", "structenc", "signalenc"};
constexpr const char* kQueues[kLayers] = {"caption-queue", "structure-queue", "signal-queue"};

struct EncodeBin {
  GstElement *tee = nullptr, *mux = nullptr, *filter = nullptr; ///< owned by the bin
  GstElement *encoders[kLayers] = {}, *queues[kLayers] = {};
  std::string missing[kLayers + 1]; ///< factory a layer lacks; the last: what all need
  Ptr<GstPad> sink, src;
  // under the object lock
  int layers = kLayers, quality = kDefaultQuality, threads = 0;
  guint bitrate = 0;
  bool structure = true;
  std::string profile = profile::kDefaultProfile, device = "cpu";
};

} // namespace

struct _GstSemanticEncodeBin {
  GstBin parent;
  EncodeBin* priv;
};

G_DEFINE_TYPE(GstSemanticEncodeBin, gst_semantic_encode_bin, GST_TYPE_BIN)
GST_ELEMENT_REGISTER_DEFINE(semanticencodebin, "semanticencodebin", GST_RANK_NONE,
                            GST_TYPE_SEMANTIC_ENCODE_BIN)

enum {
  PROP_0,
  PROP_LAYERS,
  PROP_PROFILE,
  PROP_QUALITY,
  PROP_DEVICE,
  PROP_THREADS,
  PROP_STRUCTURE,
  PROP_BITRATE
};

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_RAW_RGB));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS(GSEM_STREAM_PARSED_TEMPLATE ", " GSEM_CAPS_GEOMETRY ", layers = (int) [ 1, 3 ]"));

static void unlink_layer(EncodeBin& bin, int layer) {
  gst_element_unlink(bin.queues[layer], bin.encoders[layer]);
  if (Ptr<GstPad> in{gst_element_get_static_pad(bin.queues[layer], "sink")})
    if (Ptr<GstPad> from{gst_pad_get_peer(in.get())}) {
      gst_pad_unlink(from.get(), in.get());
      gst_element_release_request_pad(bin.tee, from.get());
    }
  if (Ptr<GstPad> into{gst_element_get_static_pad(bin.mux, kLayerNames[layer].pad)}) {
    gst_element_unlink(bin.encoders[layer], bin.mux);
    gst_element_release_request_pad(bin.mux, into.get());
  }
}

static bool link_layer(EncodeBin& bin, int layer) {
  return gst_element_link_pads(bin.tee, "src_%u", bin.queues[layer], "sink") &&
         gst_element_link(bin.queues[layer], bin.encoders[layer]) &&
         gst_element_link_pads(bin.encoders[layer], "src", bin.mux, kLayerNames[layer].pad);
}

/// Links the layers that `layers` and `structure` ask for; the other encoders stay in NULL and load nothing.
static bool plumb(GstSemanticEncodeBin* self) {
  EncodeBin& bin = *self->priv;
  bool wants[kLayers];
  {
    ObjectLock lock(self);
    for (int i = 0; i < kLayers; ++i)
      wants[i] = i < bin.layers && (i != kStructure || bin.structure);
  }
  for (int i = kLayers; i-- > 0;)
    if (wants[i] && !bin.missing[i].empty())
      bin.missing[kLayers] = bin.missing[i];
  if (!bin.missing[kLayers].empty()) {
    post_missing(GST_ELEMENT(self), bin.missing[kLayers]);
    return false;
  }
  for (int i = 0; i < kLayers; ++i) {
    if (!bin.encoders[i] || !bin.queues[i])
      continue;
    unlink_layer(bin, i);
    const bool wanted = wants[i];
    for (GstElement* child : {bin.encoders[i], bin.queues[i]})
      gst_element_set_locked_state(child, !wanted);
    if (wanted && !link_layer(bin, i)) {
      GST_ELEMENT_ERROR(self, CORE, NEGOTIATION, (nullptr), ("cannot link %s into the chain", kEncoders[i]));
      return false;
    }
  }
  return true;
}

static GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_NULL_TO_READY && !plumb(GST_SEMANTIC_ENCODE_BIN(element)))
    return GST_STATE_CHANGE_FAILURE;
  return GST_ELEMENT_CLASS(gst_semantic_encode_bin_parent_class)->change_state(element, transition);
}

static void forward(GstSemanticEncodeBin* self, guint id, const GValue* value) {
  EncodeBin& bin = *self->priv;
  switch (id) {
  case PROP_PROFILE:
    for (auto* encoder : bin.encoders)
      pass_on(encoder, "profile", value);
    break;
  case PROP_DEVICE:
    for (auto* encoder : bin.encoders)
      pass_on(encoder, "device", value);
    break;
  case PROP_THREADS:
    for (auto* encoder : bin.encoders)
      pass_on(encoder, "threads", value);
    break;
  case PROP_QUALITY:
    pass_on(bin.encoders[2], "quality", value);
    break;
  case PROP_BITRATE:
    pass_on(bin.filter, "target-bitrate", value);
    break;
  default:
    break;
  }
}

static void set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  auto* self = GST_SEMANTIC_ENCODE_BIN(object);
  EncodeBin& bin = *self->priv;
  auto text = [value] { return g_value_get_string(value) ? g_value_get_string(value) : ""; };
  {
    ObjectLock lock(self);
    switch (id) {
    case PROP_LAYERS:
      bin.layers = g_value_get_int(value);
      break;
    case PROP_QUALITY:
      bin.quality = g_value_get_int(value);
      break;
    case PROP_THREADS:
      bin.threads = g_value_get_int(value);
      break;
    case PROP_STRUCTURE:
      bin.structure = g_value_get_boolean(value);
      break;
    case PROP_BITRATE:
      bin.bitrate = g_value_get_uint(value);
      break;
    case PROP_PROFILE:
      bin.profile = text();
      break;
    case PROP_DEVICE:
      bin.device = text();
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
      return;
    }
  }
  forward(self, id, value);
}

static void get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  ObjectLock lock(object);
  const EncodeBin& bin = *GST_SEMANTIC_ENCODE_BIN(object)->priv;
  switch (id) {
  case PROP_LAYERS:
    g_value_set_int(value, bin.layers);
    break;
  case PROP_QUALITY:
    g_value_set_int(value, bin.quality);
    break;
  case PROP_THREADS:
    g_value_set_int(value, bin.threads);
    break;
  case PROP_STRUCTURE:
    g_value_set_boolean(value, bin.structure);
    break;
  case PROP_BITRATE:
    g_value_set_uint(value, bin.bitrate);
    break;
  case PROP_PROFILE:
    g_value_set_string(value, bin.profile.c_str());
    break;
  case PROP_DEVICE:
    g_value_set_string(value, bin.device.c_str());
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void constructed(GObject* object) {
  G_OBJECT_CLASS(gst_semantic_encode_bin_parent_class)->constructed(object);
  auto* self = GST_SEMANTIC_ENCODE_BIN(object);
  auto* gbin = GST_BIN(object);
  EncodeBin& bin = *self->priv;
  auto* klass = GST_ELEMENT_GET_CLASS(object);
  for (const char* name : {"sink", "src"})
    gst_element_add_pad(GST_ELEMENT(object), gst_ghost_pad_new_no_target_from_template(
                                                 name, gst_element_class_get_pad_template(klass, name)));
  bin.tee = add_child(gbin, "tee", "tee", bin.missing[kLayers]);
  bin.mux = add_child(gbin, "semanticmux", "semanticmux", bin.missing[kLayers]);
  bin.filter = add_child(gbin, "semanticlayerfilter", "semanticlayerfilter", bin.missing[kLayers]);
  if (bin.mux && bin.filter)
    gst_element_link(bin.mux, bin.filter);
  for (int i = 0; i < kLayers; ++i) {
    bin.queues[i] = add_queue(gbin, kQueues[i], 1, bin.missing[i]);
    bin.encoders[i] = add_child(gbin, kEncoders[i], kEncoders[i], bin.missing[i]);
  }
  const struct {
    const char* ghost;
    GstElement* child;
  } ends[] = {{"sink", bin.tee}, {"src", bin.filter}};
  for (const auto& end : ends) {
    if (!end.child)
      continue;
    Ptr<GstPad> ghost(gst_element_get_static_pad(GST_ELEMENT(object), end.ghost));
    Ptr<GstPad> target(gst_element_get_static_pad(end.child, end.ghost));
    gst_ghost_pad_set_target(GST_GHOST_PAD(ghost.get()), target.get());
  }
  // The bin's own values count from the start, whatever the children's defaults are.
  GValue value = G_VALUE_INIT;
  g_value_init(&value, G_TYPE_STRING);
  g_value_set_string(&value, bin.profile.c_str());
  forward(self, PROP_PROFILE, &value);
  g_value_set_string(&value, bin.device.c_str());
  forward(self, PROP_DEVICE, &value);
  g_value_unset(&value);
  g_value_init(&value, G_TYPE_INT);
  g_value_set_int(&value, bin.quality);
  forward(self, PROP_QUALITY, &value);
  g_value_unset(&value);
}

static void finalize(GObject* object) {
  delete GST_SEMANTIC_ENCODE_BIN(object)->priv;
  G_OBJECT_CLASS(gst_semantic_encode_bin_parent_class)->finalize(object);
}

static void gst_semantic_encode_bin_init(GstSemanticEncodeBin* self) {
  self->priv = new EncodeBin;
}

static void install_properties(GObjectClass* object) {
  const auto flags = [](int extra) {
    return GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | extra);
  };
  g_object_class_install_property(
      object, PROP_LAYERS,
      g_param_spec_int("layers", "Layers", "Highest layer made: 1 caption, 2 and structure, 3 and signal", 1,
                       kLayers, kLayers, flags(GST_PARAM_MUTABLE_READY)));
  g_object_class_install_property(
      object, PROP_PROFILE,
      g_param_spec_string(
          "profile", "Profile",
          "Networks and tables of all layers: the name of a profile, or a path to its folder (with a '/')",
          profile::kDefaultProfile, flags(GST_PARAM_MUTABLE_READY)));
  g_object_class_install_property(
      object, PROP_QUALITY,
      g_param_spec_int("quality", "Quality",
                       "Quality of the signal layer, 63 the best (structenc::quality is the map's)", 0, 63,
                       kDefaultQuality, flags(GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(object, PROP_DEVICE,
                                  g_param_spec_string("device", "Device",
                                                      "Where the networks run: cpu or cuda", "cpu",
                                                      flags(GST_PARAM_MUTABLE_READY)));
  g_object_class_install_property(
      object, PROP_THREADS,
      g_param_spec_int("threads", "Threads",
                       "Threads of the networks, shared by the whole process (0: automatic)", 0, 256, 0,
                       flags(GST_PARAM_MUTABLE_READY)));
  g_object_class_install_property(
      object, PROP_STRUCTURE,
      g_param_spec_boolean("structure", "Structure",
                           "Make the structure layer where `layers` is over 1; without it the signal layer "
                           "lies on the caption alone",
                           TRUE, flags(GST_PARAM_MUTABLE_READY)));
  g_object_class_install_property(
      object, PROP_BITRATE,
      g_param_spec_uint("bitrate", "Bit rate",
                        "Bits a second of a video as sent over RTP, packet headers included (0: no limit)", 0,
                        G_MAXUINT, 0, flags(GST_PARAM_MUTABLE_PLAYING)));
}

static void gst_semantic_encode_bin_class_init(GstSemanticEncodeBinClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_semantic_encode_bin_debug, "semanticencodebin", 0, "layered semantic encoder");
  auto* object = G_OBJECT_CLASS(klass);
  object->constructed = constructed;
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  install_properties(object);
  auto* element = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_set_static_metadata(element, "Layered semantic encoder", "Codec/Encoder/Video",
                                        "Video to a stream of caption, structure and signal layers",
                                        "gst-semantic developers");
  element->change_state = change_state;
}
