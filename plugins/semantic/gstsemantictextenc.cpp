// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-semantictextenc
 * @title: semantictextenc
 *
 * Codes texts as captions (layer 1) with the tables of a profile, without any network: one text buffer, one
 * caption. Any UTF-8 text of at most 4096 bytes is coded exactly, except that a line break at its very end is
 * taken off. Typed text has no layout hint: the receiver draws a layout that goes with the words. Text
 * without time gets that of its arrival.
 *
 * ## Example launch line
 * |[
 * echo "this bird is blue with white" | \
 *   gst-launch-1.0 fdsrc ! text/x-raw,format=utf8 ! semantictextenc ! semanticmux ! filesink location=words.gsem
 * ]|
 */
#include "plugins/semantic/gstsemantictextenc.h"

#include "gst/semantic/layer_meta.hpp"
#include "gst/semantic/segment.hpp"
#include "models/entropy/caption_coder.hpp"
#include "plugins/semantic/layer_caps.hpp"
#include "plugins/semantic/text_caps.hpp"

#include <cstring>

GST_DEBUG_CATEGORY_STATIC(gst_semantic_text_enc_debug);
#define GST_CAT_DEFAULT gst_semantic_text_enc_debug

using namespace gsem;

namespace {
struct TextEnc {
  std::string profile_name; ///< under the object lock
  std::shared_ptr<const profile::Profile> profile;
  bool markup = false;
};
} // namespace

struct _GstSemanticTextEnc {
  GstBaseTransform parent;
  TextEnc* priv;
};

G_DEFINE_TYPE(GstSemanticTextEnc, gst_semantic_text_enc, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE(semantictextenc, "semantictextenc", GST_RANK_NONE, GST_TYPE_SEMANTIC_TEXT_ENC)

enum { PROP_0, PROP_PROFILE };

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS("text/x-raw, format = (string) { utf8, pango-markup }"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_CAPTION ", parsed = (boolean) true"));

static GstCaps* transform_caps(GstBaseTransform* trans, GstPadDirection direction, GstCaps* caps,
                               GstCaps* filter) {
  auto* self = GST_SEMANTIC_TEXT_ENC(trans);
  Ptr<GstCaps> to(
      gst_static_pad_template_get_caps(direction == GST_PAD_SINK ? &src_template : &sink_template));
  if (direction == GST_PAD_SINK && self->priv->profile) {
    const auto& profile = *self->priv->profile;
    to.reset(gst_caps_make_writable(to.release()));
    gst_caps_set_simple(to.get(), "codec", G_TYPE_STRING, "trigram", "profile", G_TYPE_STRING,
                        profile.name.c_str(), "parse-hash", G_TYPE_STRING,
                        hash_to_string(profile.caption_coder->parse_hash()).c_str(), nullptr);
  }
  return map_text_caps(caps, to.get(), filter);
}

static gboolean set_caps(GstBaseTransform* trans, GstCaps* in, GstCaps*) {
  const gchar* format = gst_structure_get_string(gst_caps_get_structure(in, 0), "format");
  GST_SEMANTIC_TEXT_ENC(trans)->priv->markup = format && !strcmp(format, "pango-markup");
  return TRUE;
}

/// Text of markup: tags away, the five entities and numbers back to characters.
static std::string strip_markup(const std::string& markup) {
  std::string text;
  auto append = [&](const char* characters, size_t n) { text.append(characters, n); };
  for (size_t i = 0; i < markup.size();) {
    if (markup[i] == '<') {
      const size_t end = markup.find('>', i);
      if (end == std::string::npos)
        break;
      i = end + 1;
      continue;
    }
    if (markup[i] != '&') {
      append(&markup[i++], 1);
      continue;
    }
    static const struct {
      const char *entity, *text;
    } entities[] = {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}};
    bool known = false;
    for (const auto& e : entities)
      if (markup.compare(i, strlen(e.entity), e.entity) == 0) {
        text += e.text;
        i += strlen(e.entity);
        known = true;
        break;
      }
    const size_t end = markup.find(';', i);
    if (!known && markup.compare(i, 2, "&#") == 0 && end != std::string::npos && end - i <= 10) {
      const bool hex = markup[i + 2] == 'x' || markup[i + 2] == 'X';
      const auto code =
          gunichar(g_ascii_strtoull(markup.c_str() + i + (hex ? 3 : 2), nullptr, hex ? 16 : 10));
      gchar utf8[6];
      if (code && g_unichar_validate(code))
        append(utf8, size_t(g_unichar_to_utf8(code, utf8)));
      i = end + 1;
    } else if (!known) {
      append(&markup[i++], 1);
    }
  }
  return text;
}

static bool encode(GstSemanticTextEnc* self, GstBuffer* in, Bytes& out) {
  BufferMap map(in, GST_MAP_READ);
  if (!map)
    return false;
  // Markup may be longer than its text, but not without end.
  if (map.size() > 16 * entropy::kMaxCaptionText) {
    GST_ELEMENT_ERROR(self, STREAM, ENCODE, ("The text is too long for a caption."),
                      ("%zu bytes, at most %zu", map.size(), entropy::kMaxCaptionText));
    return false;
  }
  entropy::Caption caption;
  caption.text.assign(reinterpret_cast<const char*>(map.data()), map.size());
  // Subtitle sources often count the terminating NUL.
  while (!caption.text.empty() &&
         (caption.text.back() == '\0' || caption.text.back() == '\n' || caption.text.back() == '\r'))
    caption.text.pop_back();
  if (self->priv->markup)
    caption.text = strip_markup(caption.text);
  const Status status = self->priv->profile->caption_coder->encode(caption, out);
  if (status == Status::Ok)
    return true;
  if (status == Status::TooLarge)
    GST_ELEMENT_ERROR(self, STREAM, ENCODE, ("The text is too long for a caption."),
                      ("%zu bytes, at most %zu", caption.text.size(), entropy::kMaxCaptionText));
  else
    GST_ELEMENT_ERROR(self, STREAM, ENCODE, ("The text is not valid UTF-8."),
                      ("%s; convert it, for example with iconv", status_name(status)));
  return false;
}

/// Lines from a pipe or a terminal have no time: theirs is when they come.
static GstClockTime arrival(GstSemanticTextEnc* self) {
  Ptr<GstClock> clock(gst_element_get_clock(GST_ELEMENT(self)));
  if (!clock)
    return 0;
  const GstClockTime now = gst_clock_get_time(clock.get()), base = gst_element_get_base_time(GST_ELEMENT(self));
  return now > base && base > 0 ? now - base : 0;
}

static GstFlowReturn prepare_output_buffer(GstBaseTransform* trans, GstBuffer* in, GstBuffer** out) {
  auto* self = GST_SEMANTIC_TEXT_ENC(trans);
  Bytes bytes;
  if (!encode(self, in, bytes))
    return GST_FLOW_ERROR;
  *out = new_buffer(bytes.data(), bytes.size());
  gst_buffer_copy_into(*out, in, GstBufferCopyFlags(GST_BUFFER_COPY_TIMESTAMPS | GST_BUFFER_COPY_FLAGS), 0,
                       gsize(-1));
  if (!GST_BUFFER_PTS_IS_VALID(*out))
    GST_BUFFER_PTS(*out) = arrival(self);
  GST_BUFFER_FLAG_UNSET(*out, GST_BUFFER_FLAG_DELTA_UNIT);
  gst_buffer_add_semantic_layer_meta(*out)->layers = 1u << unsigned(bitstream::LayerKind::Caption);
  return GST_FLOW_OK;
}

/// The work is done in prepare_output_buffer, which alone may choose the size.
static GstFlowReturn transform(GstBaseTransform*, GstBuffer*, GstBuffer*) {
  return GST_FLOW_OK;
}

static gboolean sink_event(GstBaseTransform* trans, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT)
    event = as_time_segment(event);
  return GST_BASE_TRANSFORM_CLASS(gst_semantic_text_enc_parent_class)->sink_event(trans, event);
}

static gboolean start(GstBaseTransform* trans) {
  auto* self = GST_SEMANTIC_TEXT_ENC(trans);
  std::string name;
  {
    ObjectLock lock(self);
    name = self->priv->profile_name;
  }
  return load_caption_profile(GST_ELEMENT(self), name, self->priv->profile);
}

static gboolean stop(GstBaseTransform* trans) {
  GST_SEMANTIC_TEXT_ENC(trans)->priv->profile.reset();
  return TRUE;
}

static void set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  if (id != PROP_PROFILE) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    return;
  }
  ObjectLock lock(object);
  const gchar* name = g_value_get_string(value);
  GST_SEMANTIC_TEXT_ENC(object)->priv->profile_name = name ? name : "";
}

static void get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  if (id != PROP_PROFILE) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    return;
  }
  ObjectLock lock(object);
  g_value_set_string(value, GST_SEMANTIC_TEXT_ENC(object)->priv->profile_name.c_str());
}

static void finalize(GObject* object) {
  delete GST_SEMANTIC_TEXT_ENC(object)->priv;
  G_OBJECT_CLASS(gst_semantic_text_enc_parent_class)->finalize(object);
}

static void gst_semantic_text_enc_init(GstSemanticTextEnc* self) {
  self->priv = new TextEnc;
  self->priv->profile_name = profile::kDefaultProfile;
  gst_base_transform_set_gap_aware(GST_BASE_TRANSFORM(self), TRUE);
}

static void gst_semantic_text_enc_class_init(GstSemanticTextEncClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_semantic_text_enc_debug, "semantictextenc", 0, "caption coder");
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
  auto* element = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_set_static_metadata(element, "Caption coder", "Codec/Encoder/Text",
                                        "Codes texts as the semantic layer, without networks",
                                        "gst-semantic developers");
  auto* trans = GST_BASE_TRANSFORM_CLASS(klass);
  trans->transform_caps = transform_caps;
  trans->set_caps = set_caps;
  trans->prepare_output_buffer = prepare_output_buffer;
  trans->transform = transform;
  trans->sink_event = sink_event;
  trans->start = start;
  trans->stop = stop;
}
