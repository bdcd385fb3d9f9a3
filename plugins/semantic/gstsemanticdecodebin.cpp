// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-semanticdecodebin
 * @title: semanticdecodebin
 *
 * A layered stream to video, with any subset of the layers: `semanticdemux` -> `semanticdec` -> `structdec`
 * -> `signaldec`. The children have these names. Only decoders for layers that the stream header lists are
 * started. Output is RGB video of the stream's size, one picture for each access unit, whatever arrives.
 * `max-layer` leaves out upper layers at any time, without a stall or new caps.
 *
 * Layers that are lost from a video are concealed, unless `conceal` is false: the last caption and, for half
 * a second, the last map go on to serve, and the last decoder cross-fades to what is left over four pictures.
 * The times are properties of the children: `structdec::hold-time`, `signaldec::fade`.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=out.gsem ! semanticparse ! semanticdecodebin max-layer=2 ! \
 *   videoconvert ! pngenc ! filesink location=out.png
 * ]|
 */
#include "plugins/semantic/gstsemanticdecodebin.h"

#include "gst/semantic/max_layer.hpp"
#include "models/profile/profile.hpp"
#include "plugins/semantic/bin_children.hpp"
#include "plugins/semantic/layer_caps.hpp"

#include <array>
#include <atomic>
#include <vector>

GST_DEBUG_CATEGORY_STATIC(gst_semantic_decode_bin_debug);
#define GST_CAT_DEFAULT gst_semantic_decode_bin_debug

using namespace gsem;

namespace {

constexpr int kLayers = int(kLayerNames.size());
enum { kCaption, kStructure, kSignal };
constexpr guint kFade = 4; ///< pictures; once, at the last decoder
constexpr const char* kDecoders[kLayers] = {"semanticdec", "structdec", "signaldec"};

struct DecodeBin {
  GstElement *demux = nullptr, *tee = nullptr; ///< owned by the bin
  GstElement* decoders[kLayers] = {};
  GstElement *caption_queue = nullptr, *structure_queue = nullptr, *side_queue = nullptr,
             *signal_queue = nullptr;
  std::string missing;
  std::atomic<int> max_layer{kLayers};
  std::array<int, kLayers> told_max_layer{kLayers, kLayers, kLayers}; ///< each in its pad's streaming thread
  bool plumbed = false; ///< streaming thread; state change thread when that has ended
  // under the object lock
  int threads = 0;
  bool conceal = true;
  std::string profile = profile::kDefaultProfile, device = "cpu";
};

} // namespace

struct _GstSemanticDecodeBin {
  GstBin parent;
  DecodeBin* priv;
};

G_DEFINE_TYPE(GstSemanticDecodeBin, gst_semantic_decode_bin, GST_TYPE_BIN)
GST_ELEMENT_REGISTER_DEFINE(semanticdecodebin, "semanticdecodebin", GST_RANK_PRIMARY,
                            GST_TYPE_SEMANTIC_DECODE_BIN)

enum { PROP_0, PROP_MAX_LAYER, PROP_PROFILE, PROP_DEVICE, PROP_THREADS, PROP_CONCEAL };

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_STREAM_PARSED_TEMPLATE));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_RAW_RGB));

// ---- probes -------------------------------------------------------------------------------------------

/// The joins are to know that a layer is not wanted: then nothing stands in for it.
static void tell_max_layer(GstSemanticDecodeBin* self, GstPad* pad, int index) {
  DecodeBin& bin = *self->priv;
  const int most = bin.max_layer;
  Ptr<GstPad> peer(gst_pad_get_peer(pad));
  if (bin.told_max_layer[size_t(index)] == most || !peer)
    return;
  bin.told_max_layer[size_t(index)] = most;
  GstStructure* s = gst_structure_new(GSEM_EVENT_MAX_LAYER, "max-layer", G_TYPE_UINT, guint(most), nullptr);
  gst_pad_send_event(peer.get(), gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, s));
}

/// Over `max-layer` a layer counts as not sent: its buffers become GAPs, so that the joins above go on
/// without waiting.
static GstPadProbeReturn drop_layer(GstPad* pad, GstPadProbeInfo* info, gpointer object) {
  auto* self = GST_SEMANTIC_DECODE_BIN(object);
  const bool picture = (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) ||
                       GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_GAP;
  if (picture && layer_index(GST_PAD_NAME(pad)) >= 0)
    tell_max_layer(self, pad, layer_index(GST_PAD_NAME(pad)));
  if (layer_index(GST_PAD_NAME(pad)) < self->priv->max_layer)
    return GST_PAD_PROBE_OK;
  GstClockTime pts = GST_CLOCK_TIME_NONE, duration = GST_CLOCK_TIME_NONE;
  if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) {
    GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    pts = GST_BUFFER_PTS(buffer);
    duration = GST_BUFFER_DURATION(buffer);
    Ptr<GstPad> peer(gst_pad_get_peer(pad));
    if (peer && GST_CLOCK_TIME_IS_VALID(pts))
      gst_pad_send_event(peer.get(), gst_event_new_gap(pts, duration));
    return GST_PAD_PROBE_DROP;
  }
  GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
  if (GST_EVENT_TYPE(event) == GST_EVENT_GAP) {
    gst_event_parse_gap(event, &pts, &duration);
    GstEvent* plain = gst_event_new_gap(pts, duration);
    gst_event_unref(event);
    GST_PAD_PROBE_INFO_DATA(info) = plain;
  }
  return GST_PAD_PROBE_OK;
}

/// Outside, this is one decoder of one stream: its output keeps the input's stream id, and the layers inside
/// are nobody's business.
static GstPadProbeReturn keep_stream(GstPad*, GstPadProbeInfo* info, gpointer object) {
  GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
  if (GST_EVENT_TYPE(event) == GST_EVENT_STREAM_COLLECTION)
    return GST_PAD_PROBE_DROP;
  if (GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START) {
    Ptr<GstPad> sink(gst_element_get_static_pad(GST_ELEMENT(object), "sink"));
    if (GstEvent* start = gst_pad_get_sticky_event(sink.get(), GST_EVENT_STREAM_START, 0)) {
      gst_event_unref(event);
      GST_PAD_PROBE_INFO_DATA(info) = start;
    }
  }
  return GST_PAD_PROBE_OK;
}

static void handle_message(GstBin* bin, GstMessage* message) {
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_STREAM_COLLECTION)
    gst_message_unref(message);
  else
    GST_BIN_CLASS(gst_semantic_decode_bin_parent_class)->handle_message(bin, message);
}

// ---- plumbing -----------------------------------------------------------------------------------------

static bool has_layer(DecodeBin& bin, int layer) {
  return bool(Ptr<GstPad>(gst_element_get_static_pad(bin.demux, kLayerNames[layer].pad)));
}

static bool start_children(std::initializer_list<GstElement*> children) {
  for (GstElement* child : children) {
    gst_element_set_locked_state(child, FALSE);
    if (!gst_element_sync_state_with_parent(child))
      return false;
  }
  return true;
}

/// Links the decoders of the layers there are, the last first, so that nothing flows into a chain that is not
/// complete.
static bool plumb_layers(GstSemanticDecodeBin* self) {
  DecodeBin& bin = *self->priv;
  const bool structure = has_layer(bin, kStructure), signal = has_layer(bin, kSignal);
  // A caption pad of GAPs is there always. It is needed under a map (which is painted on a base), not under
  // signal alone.
  Ptr<GstPad> caption_pad(gst_element_get_static_pad(bin.demux, GSEM_PAD_CAPTION));
  Ptr<GstCaps> caption_caps(caption_pad ? gst_pad_get_current_caps(caption_pad.get()) : nullptr);
  const bool captions =
      caption_caps && gst_structure_has_field(gst_caps_get_structure(caption_caps.get(), 0), "codec");
  const bool base = captions || structure || !signal;

  GstElement* last = signal      ? bin.decoders[kSignal]
                     : structure ? bin.decoders[kStructure]
                                 : bin.decoders[kCaption];
  GValue fade = G_VALUE_INIT;
  g_value_init(&fade, G_TYPE_UINT);
  g_value_set_uint(&fade, signal ? 0 : kFade); // signaldec does by itself
  pass_on(bin.decoders[kStructure], "fade", &fade);
  g_value_unset(&fade);
  Ptr<GstPad> end(gst_element_get_static_pad(last, "src"));
  Ptr<GstPad> ghost(gst_element_get_static_pad(GST_ELEMENT(self), "src"));
  gst_pad_add_probe(end.get(), GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, keep_stream, self, nullptr);
  bool ok = end && gst_ghost_pad_set_target(GST_GHOST_PAD(ghost.get()), end.get());

  GstElement* below = nullptr; // what gives the picture for the next decoder
  if (ok && base) {
    ok = gst_element_link_pads(bin.caption_queue, "src", bin.decoders[kCaption], "sink");
    below = bin.decoders[kCaption];
  }
  if (ok && structure) {
    ok = gst_element_link_pads(bin.structure_queue, "src", bin.decoders[kStructure], GSEM_PAD_STRUCTURE) &&
         (!below || gst_element_link_pads(below, "src", bin.decoders[kStructure], "sink")) &&
         gst_element_link_pads(bin.tee, "src_%u", bin.structure_queue, "sink");
    below = bin.decoders[kStructure];
  }
  if (ok && signal) {
    ok = gst_element_link_pads(bin.signal_queue, "src", bin.decoders[kSignal], GSEM_PAD_SIGNAL) &&
         (!below || gst_element_link_pads(below, "src", bin.decoders[kSignal], "sink")) &&
         (!structure ||
          (gst_element_link_pads(bin.side_queue, "src", bin.decoders[kSignal], GSEM_PAD_STRUCTURE) &&
           gst_element_link_pads(bin.tee, "src_%u", bin.side_queue, "sink")));
  }
  if (ok && signal)
    ok = start_children({bin.decoders[kSignal], bin.signal_queue});
  if (ok && structure)
    ok = start_children({bin.decoders[kStructure], bin.structure_queue}) &&
         (!signal || start_children({bin.side_queue})) && start_children({bin.tee});
  if (ok && base)
    ok = start_children({bin.decoders[kCaption], bin.caption_queue});
  return ok && (!base || gst_element_link_pads(bin.demux, GSEM_PAD_CAPTION, bin.caption_queue, "sink")) &&
         (!structure || gst_element_link_pads(bin.demux, GSEM_PAD_STRUCTURE, bin.tee, "sink")) &&
         (!signal || gst_element_link_pads(bin.demux, GSEM_PAD_SIGNAL, bin.signal_queue, "sink"));
}

static void on_pad_added(GstElement*, GstPad* pad, gpointer object) {
  gst_pad_add_probe(pad, GstPadProbeType(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
                    drop_layer, object, nullptr);
}

static void on_no_more_pads(GstElement*, gpointer object) {
  auto* self = GST_SEMANTIC_DECODE_BIN(object);
  if (self->priv->plumbed) {
    GST_ELEMENT_WARNING(self, STREAM, DEMUX, ("The stream got a new layer, which is not shown."),
                        ("set the pipeline to READY and back to show it"));
    return;
  }
  self->priv->plumbed = true;
  if (!plumb_layers(self)) {
    // A decoder that did not start has said why; this is for links.
    GST_ELEMENT_ERROR(self, CORE, FAILED, ("The decoding chain cannot be set up."),
                      ("a decoder did not start or did not link"));
    return;
  }
  gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
}

static void unlink_all(GstElement* child) {
  std::vector<Ptr<GstPad>> pads;
  {
    ObjectLock lock(child);
    for (GList* l = child->pads; l; l = l->next)
      pads.emplace_back(GST_PAD(gst_object_ref(l->data)));
  }
  for (const auto& owned : pads) {
    GstPad* pad = owned.get();
    if (Ptr<GstPad> peer{gst_pad_get_peer(pad)}) {
      if (GST_PAD_IS_SRC(pad))
        gst_pad_unlink(pad, peer.get());
      else
        gst_pad_unlink(peer.get(), pad);
    }
    GstPadTemplate* templ = GST_PAD_PAD_TEMPLATE(pad);
    if (templ && GST_PAD_TEMPLATE_PRESENCE(templ) == GST_PAD_REQUEST)
      gst_element_release_request_pad(child, pad);
  }
}

/// Back to the unlinked state, every decoder in NULL: the next stream may have other layers.
static void tear_down(GstSemanticDecodeBin* self) {
  DecodeBin& bin = *self->priv;
  Ptr<GstPad> ghost(gst_element_get_static_pad(GST_ELEMENT(self), "src"));
  gst_ghost_pad_set_target(GST_GHOST_PAD(ghost.get()), nullptr);
  for (GstElement* child : {bin.decoders[kCaption], bin.decoders[kStructure], bin.decoders[kSignal], bin.tee,
                            bin.caption_queue, bin.structure_queue, bin.side_queue, bin.signal_queue}) {
    if (!child)
      continue;
    gst_element_set_locked_state(child, TRUE);
    gst_element_set_state(child, GST_STATE_NULL);
    unlink_all(child);
  }
  bin.plumbed = false;
}

static GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  auto* self = GST_SEMANTIC_DECODE_BIN(element);
  if (transition == GST_STATE_CHANGE_NULL_TO_READY && !self->priv->missing.empty()) {
    post_missing(element, self->priv->missing);
    return GST_STATE_CHANGE_FAILURE;
  }
  const auto result =
      GST_ELEMENT_CLASS(gst_semantic_decode_bin_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    tear_down(self);
    self->priv->told_max_layer.fill(kLayers);
  }
  return result;
}

// ---- properties ---------------------------------------------------------------------------------------

static void forward(GstSemanticDecodeBin* self, const char* property, const GValue* value) {
  for (auto* decoder : self->priv->decoders)
    pass_on(decoder, property, value);
}

static void set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  auto* self = GST_SEMANTIC_DECODE_BIN(object);
  DecodeBin& bin = *self->priv;
  auto text = [value] { return g_value_get_string(value) ? g_value_get_string(value) : ""; };
  switch (id) {
  case PROP_MAX_LAYER:
    bin.max_layer = g_value_get_int(value);
    return;
  case PROP_PROFILE: {
    ObjectLock lock(self);
    bin.profile = text();
    break;
  }
  case PROP_DEVICE: {
    ObjectLock lock(self);
    bin.device = text();
    break;
  }
  case PROP_THREADS: {
    ObjectLock lock(self);
    bin.threads = g_value_get_int(value);
    break;
  }
  case PROP_CONCEAL: {
    ObjectLock lock(self);
    bin.conceal = g_value_get_boolean(value);
    break;
  }
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    return;
  }
  forward(self, pspec->name, value);
}

static void get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  ObjectLock lock(object);
  const DecodeBin& bin = *GST_SEMANTIC_DECODE_BIN(object)->priv;
  switch (id) {
  case PROP_MAX_LAYER:
    g_value_set_int(value, bin.max_layer);
    break;
  case PROP_PROFILE:
    g_value_set_string(value, bin.profile.c_str());
    break;
  case PROP_DEVICE:
    g_value_set_string(value, bin.device.c_str());
    break;
  case PROP_THREADS:
    g_value_set_int(value, bin.threads);
    break;
  case PROP_CONCEAL:
    g_value_set_boolean(value, bin.conceal);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void make_children(GstSemanticDecodeBin* self) {
  DecodeBin& bin = *self->priv;
  auto* gbin = GST_BIN(self);
  bin.demux = add_child(gbin, "semanticdemux", "semanticdemux", bin.missing);
  bin.tee = add_child(gbin, "tee", "tee", bin.missing);
  bin.caption_queue = add_queue(gbin, "caption-queue", 1, bin.missing);
  bin.structure_queue = add_queue(gbin, "structure-queue", 1, bin.missing);
  bin.side_queue =
      add_queue(gbin, "side-queue", 2, bin.missing); // waits while structdec works on the same map
  bin.signal_queue = add_queue(gbin, "signal-queue", 2, bin.missing);
  for (int i = 0; i < kLayers; ++i) {
    bin.decoders[i] = add_child(gbin, kDecoders[i], kDecoders[i], bin.missing);
    GValue no = G_VALUE_INIT;
    g_value_init(&no, G_TYPE_BOOLEAN);
    pass_on(bin.decoders[i], "qos",
            &no); // a picture dropped in one chain would leave the others without its pair
    g_value_unset(&no);
  }
}

static void constructed(GObject* object) {
  G_OBJECT_CLASS(gst_semantic_decode_bin_parent_class)->constructed(object);
  auto* self = GST_SEMANTIC_DECODE_BIN(object);
  DecodeBin& bin = *self->priv;
  auto* klass = GST_ELEMENT_GET_CLASS(object);
  for (const char* name : {"sink", "src"})
    gst_element_add_pad(GST_ELEMENT(object), gst_ghost_pad_new_no_target_from_template(
                                                 name, gst_element_class_get_pad_template(klass, name)));
  make_children(self);
  tear_down(self);
  if (bin.demux) {
    g_object_set(bin.demux, "always-caption", TRUE, nullptr);
    g_signal_connect(bin.demux, "pad-added", G_CALLBACK(on_pad_added), self);
    g_signal_connect(bin.demux, "no-more-pads", G_CALLBACK(on_no_more_pads), self);
    Ptr<GstPad> ghost(gst_element_get_static_pad(GST_ELEMENT(object), "sink"));
    Ptr<GstPad> target(gst_element_get_static_pad(bin.demux, "sink"));
    gst_ghost_pad_set_target(GST_GHOST_PAD(ghost.get()), target.get());
  }
  GValue value = G_VALUE_INIT;
  g_value_init(&value, G_TYPE_STRING);
  g_value_set_string(&value, bin.profile.c_str());
  forward(self, "profile", &value);
  g_value_set_string(&value, bin.device.c_str());
  forward(self, "device", &value);
  g_value_unset(&value);
}

static void finalize(GObject* object) {
  delete GST_SEMANTIC_DECODE_BIN(object)->priv;
  G_OBJECT_CLASS(gst_semantic_decode_bin_parent_class)->finalize(object);
}

static void gst_semantic_decode_bin_init(GstSemanticDecodeBin* self) {
  self->priv = new DecodeBin;
}

static void install_properties(GObjectClass* object) {
  const auto flags = [](int extra) {
    return GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | extra);
  };
  g_object_class_install_property(
      object, PROP_MAX_LAYER,
      g_param_spec_int(
          "max-layer", "Highest layer",
          "Highest layer shown: 1 caption, 2 and structure, 3 and signal; what is above counts as not sent",
          1, kLayers, kLayers, flags(GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      object, PROP_PROFILE,
      g_param_spec_string(
          "profile", "Profile",
          "Networks and tables of all layers: the name of a profile, or a path to its folder (with a '/')",
          profile::kDefaultProfile, flags(GST_PARAM_MUTABLE_READY)));
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
      object, PROP_CONCEAL,
      g_param_spec_boolean(
          "conceal", "Conceal",
          "Whether what was there before stands in, for a while, for layers missing of a video", TRUE,
          flags(GST_PARAM_MUTABLE_PLAYING)));
}

static void gst_semantic_decode_bin_class_init(GstSemanticDecodeBinClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_semantic_decode_bin_debug, "semanticdecodebin", 0, "layered semantic decoder");
  auto* object = G_OBJECT_CLASS(klass);
  object->constructed = constructed;
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  install_properties(object);
  auto* element = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_set_static_metadata(element, "Layered semantic decoder", "Codec/Decoder/Video",
                                        "A stream of caption, structure and signal layers to video",
                                        "gst-semantic developers");
  element->change_state = change_state;
  GST_BIN_CLASS(klass)->handle_message = handle_message;
}
