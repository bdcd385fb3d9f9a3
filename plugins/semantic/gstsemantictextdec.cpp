// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-semantictextdec
 * @title: semantictextdec
 *
 * Decodes captions (layer 1) to text with the tables of a profile, without any network: subtitles, logs, or a
 * look at what a stream says. A damaged caption becomes a GAP and a WARNING, not an error. With
 * `newline=true` each caption ends in a line break, which is what one wants on a terminal; without it the
 * text is exactly what was coded.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=out.gsem ! semanticparse ! semanticdemux name=d \
 *   d.caption ! semantictextdec newline=true ! fdsink
 * ]|
 */
#include "plugins/semantic/gstsemantictextdec.h"

#include "models/entropy/caption_coder.hpp"
#include "plugins/semantic/layer_caps.hpp"
#include "plugins/semantic/text_caps.hpp"

#include <atomic>

GST_DEBUG_CATEGORY_STATIC(gst_semantic_text_dec_debug);
#define GST_CAT_DEFAULT gst_semantic_text_dec_debug

using namespace gsem;

namespace {
struct TextDec {
  std::string profile_name; ///< under the object lock
  std::atomic<bool> newline{false};
  std::shared_ptr<const profile::Profile> profile;
  gint64 last_warning = 0;
};
} // namespace

struct _GstSemanticTextDec {
  GstBaseTransform parent;
  TextDec* priv;
};

G_DEFINE_TYPE(GstSemanticTextDec, gst_semantic_text_dec, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE(semantictextdec, "semantictextdec", GST_RANK_NONE, GST_TYPE_SEMANTIC_TEXT_DEC)

enum { PROP_0, PROP_PROFILE, PROP_NEWLINE };

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_CAPTION ", parsed = (boolean) true"));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_TEXT));

static GstCaps* transform_caps(GstBaseTransform* trans, GstPadDirection direction, GstCaps* caps,
                               GstCaps* filter) {
  Ptr<GstCaps> to(
      gst_static_pad_template_get_caps(direction == GST_PAD_SINK ? &src_template : &sink_template));
  return map_text_caps(caps, to.get(), filter);
}

static gboolean set_caps(GstBaseTransform* trans, GstCaps* in, GstCaps*) {
  auto* self = GST_SEMANTIC_TEXT_DEC(trans);
  bitstream::LayerInfo info;
  std::string error;
  if (!layer_from_caps(gst_caps_get_structure(in, 0), bitstream::LayerKind::Caption, info, error)) {
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("These captions cannot be decoded."), ("%s", error.c_str()));
    return FALSE;
  }
  const uint64_t ours = self->priv->profile->caption_coder->parse_hash();
  if (info.parse_hash && info.parse_hash != ours) {
    GST_ELEMENT_ERROR(
        self, STREAM, WRONG_TYPE, ("The captions were made with other tables."),
        ("parse-hash %s in the stream, %s in profile %s; set the profile property to the sender's",
         hash_to_string(info.parse_hash).c_str(), hash_to_string(ours).c_str(),
         self->priv->profile->name.c_str()));
    return FALSE;
  }
  return TRUE;
}

static void warn_damage(GstSemanticTextDec* self, Status status) {
  const gint64 now = g_get_monotonic_time();
  if (self->priv->last_warning && now - self->priv->last_warning < G_USEC_PER_SEC)
    return;
  self->priv->last_warning = now;
  GST_ELEMENT_WARNING(self, STREAM, DECODE, ("A caption is damaged."), ("%s", status_name(status)));
}

static GstFlowReturn prepare_output_buffer(GstBaseTransform* trans, GstBuffer* in, GstBuffer** out) {
  auto* self = GST_SEMANTIC_TEXT_DEC(trans);
  entropy::Caption caption;
  Status status = Status::Failed;
  {
    BufferMap map(in, GST_MAP_READ);
    if (map)
      status = self->priv->profile->caption_coder->decode(ByteView(map.data(), map.size()), caption);
  }
  if (status != Status::Ok) {
    warn_damage(self, status);
    GstEvent* gap = gst_event_new_gap(GST_BUFFER_PTS(in), GST_BUFFER_DURATION(in));
    gst_event_set_gap_flags(gap, GST_GAP_FLAG_MISSING_DATA);
    if (GST_BUFFER_PTS_IS_VALID(in))
      gst_pad_push_event(trans->srcpad, gap);
    else
      gst_event_unref(gap);
    *out = nullptr;
    return GST_BASE_TRANSFORM_FLOW_DROPPED;
  }
  if (self->priv->newline)
    caption.text += '\n';
  *out = new_buffer(caption.text.data(), caption.text.size());
  gst_buffer_copy_into(*out, in, GstBufferCopyFlags(GST_BUFFER_COPY_TIMESTAMPS | GST_BUFFER_COPY_FLAGS), 0,
                       gsize(-1));
  return GST_FLOW_OK;
}

/// The work is done in prepare_output_buffer, which alone may choose the size.
static GstFlowReturn transform(GstBaseTransform*, GstBuffer*, GstBuffer*) {
  return GST_FLOW_OK;
}

static gboolean start(GstBaseTransform* trans) {
  auto* self = GST_SEMANTIC_TEXT_DEC(trans);
  std::string name;
  {
    ObjectLock lock(self);
    name = self->priv->profile_name;
  }
  self->priv->last_warning = 0;
  return load_caption_profile(GST_ELEMENT(self), name, self->priv->profile);
}

static gboolean stop(GstBaseTransform* trans) {
  GST_SEMANTIC_TEXT_DEC(trans)->priv->profile.reset();
  return TRUE;
}

static void set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  TextDec& dec = *GST_SEMANTIC_TEXT_DEC(object)->priv;
  if (id == PROP_PROFILE) {
    ObjectLock lock(object);
    const gchar* name = g_value_get_string(value);
    dec.profile_name = name ? name : "";
  } else if (id == PROP_NEWLINE) {
    dec.newline = g_value_get_boolean(value);
  } else {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  TextDec& dec = *GST_SEMANTIC_TEXT_DEC(object)->priv;
  if (id == PROP_PROFILE) {
    ObjectLock lock(object);
    g_value_set_string(value, dec.profile_name.c_str());
  } else if (id == PROP_NEWLINE) {
    g_value_set_boolean(value, dec.newline);
  } else {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void finalize(GObject* object) {
  delete GST_SEMANTIC_TEXT_DEC(object)->priv;
  G_OBJECT_CLASS(gst_semantic_text_dec_parent_class)->finalize(object);
}

static void gst_semantic_text_dec_init(GstSemanticTextDec* self) {
  self->priv = new TextDec;
  self->priv->profile_name = profile::kDefaultProfile;
  gst_base_transform_set_gap_aware(GST_BASE_TRANSFORM(self), TRUE);
}

static void gst_semantic_text_dec_class_init(GstSemanticTextDecClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_semantic_text_dec_debug, "semantictextdec", 0, "caption decoder");
  auto* object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  g_object_class_install_property(
      object, PROP_PROFILE,
      g_param_spec_string(
          "profile", "Profile",
          "Name of a profile, or a path to its folder (with a '/'), whose caption tables are used",
          profile::kDefaultProfile,
          GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)));
  g_object_class_install_property(
      object, PROP_NEWLINE,
      g_param_spec_boolean(
          "newline", "Newline", "End each caption with a line break (for terminals and log files)", FALSE,
          GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)));
  auto* element = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_set_static_metadata(element, "Caption decoder", "Codec/Decoder/Text",
                                        "Decodes the semantic layer to text, without networks",
                                        "gst-semantic developers");
  auto* trans = GST_BASE_TRANSFORM_CLASS(klass);
  trans->transform_caps = transform_caps;
  trans->set_caps = set_caps;
  trans->prepare_output_buffer = prepare_output_buffer;
  trans->transform = transform;
  trans->start = start;
  trans->stop = stop;
}
