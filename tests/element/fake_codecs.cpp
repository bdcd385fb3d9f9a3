// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/element/fake_codecs.hpp"

#include "gst/semantic/caps.hpp"
#include "gst/semantic/layer_join.hpp"
#include "tests/element/stream.hpp"

#include <cstring>

// ---- one input, one output: the three encoders and semanticdec --------------------------------------------

G_BEGIN_DECLS
G_DECLARE_FINAL_TYPE(FakeCodec, fake_codec, FAKE, CODEC, GstElement)
G_DECLARE_DERIVABLE_TYPE(FakeJoin, fake_join, FAKE, JOIN, GstSemanticLayerJoin)
G_END_DECLS

struct _FakeCodec {
  GstElement parent;
  GstPad *sink, *src;
  gchar* profile;
  gint quality;
};
G_DEFINE_TYPE(FakeCodec, fake_codec, GST_TYPE_ELEMENT)

static GstStaticPadTemplate any_sink =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate any_src =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static std::string factory_of(gpointer self) {
  return GST_OBJECT_NAME(gst_element_get_factory(GST_ELEMENT(self)));
}

static GstCaps* out_caps(gpointer self, GstCaps* in) {
  const std::string name = factory_of(self);
  GstCaps* out = gst_caps_copy(in);
  GstStructure* s = gst_caps_get_structure(out, 0);
  for (const char* field :
       {"format", "interlace-mode", "codec", "codec_data", "parse-hash", "latent-id", "parsed"})
    gst_structure_remove_field(s, field);
  if (name == "semanticdec") {
    gst_structure_set_name(s, "video/x-raw");
    gst_structure_set(s, "format", G_TYPE_STRING, "RGB", "interlace-mode", G_TYPE_STRING, "progressive",
                      nullptr);
  } else {
    gst_structure_set_name(s, name == "semanticenc" ? GSEM_CAPS_CAPTION
                              : name == "structenc" ? GSEM_CAPS_STRUCTURE
                                                    : GSEM_CAPS_SIGNAL);
    gst_structure_set(s, "parsed", G_TYPE_BOOLEAN, TRUE, nullptr);
  }
  return out;
}

static GstFlowReturn push_text(FakeCodec* self, const std::string& text, GstClockTime pts,
                               GstClockTime duration) {
  GstBuffer* out = stream::buffer(gsem::Bytes(text.begin(), text.end()), pts);
  GST_BUFFER_DURATION(out) = duration;
  return gst_pad_push(self->src, out);
}

static GstFlowReturn codec_chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
  auto* self = FAKE_CODEC(parent);
  const GstClockTime pts = GST_BUFFER_PTS(buffer), duration = GST_BUFFER_DURATION(buffer);
  gst_buffer_unref(buffer);
  return push_text(self, factory_of(self) == "semanticdec" ? "c" : "coded", pts, duration);
}

static gboolean codec_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  auto* self = FAKE_CODEC(parent);
  if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
    GstCaps* in = nullptr;
    gst_event_parse_caps(event, &in);
    GstCaps* out = out_caps(self, in);
    const gboolean ok = gst_pad_push_event(self->src, gst_event_new_caps(out));
    gst_caps_unref(out);
    gst_event_unref(event);
    return ok;
  }
  if (GST_EVENT_TYPE(event) == GST_EVENT_GAP && factory_of(self) == "semanticdec") {
    GstClockTime pts = 0, duration = 0;
    gst_event_parse_gap(event, &pts, &duration);
    gst_event_unref(event);
    return push_text(self, ".", pts, duration) == GST_FLOW_OK;
  }
  return gst_pad_event_default(pad, parent, event);
}

static gboolean codec_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_ACCEPT_CAPS) {
    gst_query_set_accept_caps_result(query, TRUE);
    return TRUE;
  }
  if (GST_QUERY_TYPE(query) == GST_QUERY_CAPS) {
    GstCaps* any = gst_caps_new_any();
    gst_query_set_caps_result(query, any);
    gst_caps_unref(any);
    return TRUE;
  }
  return gst_pad_query_default(pad, parent, query);
}

static void codec_set(GObject* object, guint id, const GValue* value, GParamSpec*) {
  auto* self = FAKE_CODEC(object);
  if (id == 1) {
    g_free(self->profile);
    self->profile = g_value_dup_string(value);
  } else {
    self->quality = g_value_get_int(value);
  }
}
static void codec_get(GObject* object, guint id, GValue* value, GParamSpec*) {
  auto* self = FAKE_CODEC(object);
  if (id == 1)
    g_value_set_string(value, self->profile);
  else
    g_value_set_int(value, self->quality);
}
static void codec_finalize(GObject* object) {
  g_free(FAKE_CODEC(object)->profile);
  G_OBJECT_CLASS(fake_codec_parent_class)->finalize(object);
}

static void fake_codec_init(FakeCodec* self) {
  self->sink = gst_pad_new_from_static_template(&any_sink, "sink");
  self->src = gst_pad_new_from_static_template(&any_src, "src");
  gst_pad_set_chain_function(self->sink, codec_chain);
  gst_pad_set_event_function(self->sink, codec_event);
  gst_pad_set_query_function(self->sink, codec_query);
  gst_element_add_pad(GST_ELEMENT(self), self->sink);
  gst_element_add_pad(GST_ELEMENT(self), self->src);
}
static void fake_codec_class_init(FakeCodecClass* klass) {
  auto* object = G_OBJECT_CLASS(klass);
  object->set_property = codec_set;
  object->get_property = codec_get;
  object->finalize = codec_finalize;
  g_object_class_install_property(object, 1,
                                  g_param_spec_string("profile", "p", "p", nullptr, G_PARAM_READWRITE));
  g_object_class_install_property(object, 2,
                                  g_param_spec_int("quality", "q", "q", 0, 63, 0, G_PARAM_READWRITE));
  gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(klass), &any_sink);
  gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(klass), &any_src);
  gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "fake codec", "Test", "test", "test");
}

// ---- joins: structdec and signaldec
// ------------------------------------------------------------------------

struct _FakeJoinClass {
  GstSemanticLayerJoinClass parent_class;
};
G_DEFINE_ABSTRACT_TYPE(FakeJoin, fake_join, GST_TYPE_SEMANTIC_LAYER_JOIN)

static GstStaticPadTemplate join_sink =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS(GSEM_CAPS_RAW_RGB));
static GstStaticPadTemplate join_map =
    GST_STATIC_PAD_TEMPLATE("structure", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_STRUCTURE));
static GstStaticPadTemplate join_map_request =
    GST_STATIC_PAD_TEMPLATE("structure", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS(GSEM_CAPS_STRUCTURE));
static GstStaticPadTemplate join_signal =
    GST_STATIC_PAD_TEMPLATE("signal", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_SIGNAL));
static GstStaticPadTemplate join_src =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GSEM_CAPS_RAW_RGB));

static GstFlowReturn write_down(GstSemanticLayerJoin* self, GstSemanticJoinSet* set) {
  const char letters[] = "PNLTEUO";
  std::string text = "-";
  if (set->pads[0].buffer) {
    const gsem::Bytes below = stream::bytes_of(set->pads[0].buffer);
    text.assign(below.begin(), below.end());
  }
  text += ':';
  for (int i = 1; i < GST_SEMANTIC_JOIN_MAX_PADS; ++i)
    if (GST_SEMANTIC_LAYER_JOIN_GET_CLASS(self)->pad_names[i])
      text += letters[set->pads[i].state];
  return gst_semantic_layer_join_finish(self, set, stream::buffer(gsem::Bytes(text.begin(), text.end())));
}

static gboolean join_caps(GstSemanticLayerJoin* self, GstAggregatorPad*, const gchar*, GstCaps* in) {
  const GstStructure* s = gst_caps_get_structure(in, 0);
  GstCaps* out = gst_caps_from_string("video/x-raw, format=(string)RGB, interlace-mode=(string)progressive");
  for (const char* field : {"width", "height", "framerate", "pixel-aspect-ratio"})
    if (const GValue* value = gst_structure_get_value(s, field))
      gst_caps_set_value(out, field, value);
  gst_aggregator_set_src_caps(GST_AGGREGATOR(self), out);
  gst_caps_unref(out);
  return TRUE;
}

static gboolean join_negotiate(GstAggregator*) {
  return TRUE;
}

static void fake_join_init(FakeJoin*) {}
static void fake_join_class_init(FakeJoinClass* klass) {
  GST_SEMANTIC_LAYER_JOIN_CLASS(klass)->join = write_down;
  GST_SEMANTIC_LAYER_JOIN_CLASS(klass)->pad_caps = join_caps;
  GST_AGGREGATOR_CLASS(klass)->negotiate = join_negotiate;
}

static void set_up(gpointer klass, std::initializer_list<GstStaticPadTemplate*> inputs) {
  auto* element = GST_ELEMENT_CLASS(klass);
  int i = 0;
  for (auto* templ : inputs) {
    gst_element_class_add_static_pad_template_with_gtype(element, templ, GST_TYPE_AGGREGATOR_PAD);
    GST_SEMANTIC_LAYER_JOIN_CLASS(klass)->pad_names[i++] = templ->name_template;
  }
  gst_element_class_add_static_pad_template_with_gtype(element, &join_src, GST_TYPE_AGGREGATOR_PAD);
  gst_element_class_set_static_metadata(element, "fake join", "Test", "test", "test");
}

struct FakeStructDec {
  FakeJoin parent;
};
struct FakeStructDecClass {
  FakeJoinClass parent;
};
G_DEFINE_TYPE(FakeStructDec, fake_struct_dec, fake_join_get_type())
static void fake_struct_dec_init(FakeStructDec*) {}
static void fake_struct_dec_class_init(FakeStructDecClass* klass) {
  set_up(klass, {&join_sink, &join_map});
}

struct FakeSignalDec {
  FakeJoin parent;
};
struct FakeSignalDecClass {
  FakeJoinClass parent;
};
G_DEFINE_TYPE(FakeSignalDec, fake_signal_dec, fake_join_get_type())
static void fake_signal_dec_init(FakeSignalDec*) {}
static void fake_signal_dec_class_init(FakeSignalDecClass* klass) {
  set_up(klass, {&join_sink, &join_map_request, &join_signal});
}

namespace fake_codecs {

void add() {
  // A class knows its factory, so each name needs a class of its own.
  GTypeQuery query;
  g_type_query(fake_codec_get_type(), &query);
  for (const char* name : {"semanticenc", "structenc", "signalenc", "semanticdec"}) {
    GTypeInfo info{};
    info.class_size = guint16(query.class_size);
    info.instance_size = guint16(query.instance_size);
    const GType type = g_type_register_static(fake_codec_get_type(), (std::string("Fake-") + name).c_str(),
                                              &info, GTypeFlags(0));
    gst_element_register(nullptr, name, GST_RANK_NONE, type);
  }
  gst_element_register(nullptr, "structdec", GST_RANK_NONE, fake_struct_dec_get_type());
  gst_element_register(nullptr, "signaldec", GST_RANK_NONE, fake_signal_dec_get_type());
}

} // namespace fake_codecs
