// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/concealment.hpp"

#include "gst/semantic/layer_meta.hpp"

namespace gsem::codec {
namespace {

enum { CONCEAL, FADE };

constexpr guint kMaxFade = 100, kWhole = 256;

/// out = (from * weight + to * (256 - weight)) / 256, rounded.
void mix_rows(VideoMap& from, VideoMap& to, VideoMap& out, guint weight) {
  const int bytes = 3 * out.width();
  const guint rest = kWhole - weight;
  for (int y = 0; y < out.height(); y++) {
    const guint8* a = from.data() + size_t(y) * size_t(from.stride());
    const guint8* b = to.data() + size_t(y) * size_t(to.stride());
    guint8* o = out.data() + size_t(y) * size_t(out.stride());
    for (int x = 0; x < bytes; x++)
      o[x] = guint8((a[x] * weight + b[x] * rest + kWhole / 2) / kWhole);
  }
}

} // namespace

void install_conceal_properties(GObjectClass* klass, guint first, guint default_fade) {
  constexpr auto kPlaying =
      GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  g_object_class_install_property(
      klass, first + CONCEAL,
      g_param_spec_boolean("conceal", "Conceal",
                           "Whether what was there before stands in, for a while, for what is missing of a "
                           "video (never of still pictures, which have framerate 0/1)",
                           TRUE, kPlaying));
  g_object_class_install_property(
      klass, first + FADE,
      g_param_spec_uint(
          "fade", "Cross-fade",
          "Pictures over which the last picture of a layer that went missing gives way to those "
          "from below, 0 = at once. Only the last element of a chain should fade",
          0, kMaxFade, default_fade, kPlaying));
}

void set_conceal_property(GObject* object, ConcealSettings& settings, guint index, const GValue* value) {
  ObjectLock lock(object);
  if (index == CONCEAL)
    settings.conceal = g_value_get_boolean(value);
  else
    settings.fade = g_value_get_uint(value);
}

void get_conceal_property(GObject* object, const ConcealSettings& settings, guint index, GValue* value) {
  ObjectLock lock(object);
  if (index == CONCEAL)
    g_value_set_boolean(value, settings.conceal);
  else
    g_value_set_uint(value, settings.fade);
}

guint layers_of(GstBuffer* picture) {
  auto meta = gst_buffer_get_semantic_layer_meta(picture);
  return meta ? meta->layers : 1u << 1;
}

void CrossFade::forget() {
  shown_.reset();
  from_.reset();
  shown_layers_ = from_layers_ = left_ = concealed_ = 0;
}

Ptr<GstBuffer> CrossFade::mix(GstAggregator* self, const JoinOutput& output, GstBuffer* picture,
                              guint weight) {
  Ptr<GstBuffer> out = output.acquire(self);
  VideoMap from(&output.info(), from_.get(), GST_MAP_READ), to(&output.info(), picture, GST_MAP_READ);
  if (!out || !from || !to)
    return nullptr;
  {
    VideoMap map(&output.info(), out.get(), GST_MAP_WRITE);
    if (!map)
      return nullptr;
    mix_rows(from, to, map, weight);
  }
  auto meta = gst_buffer_get_semantic_layer_meta(picture);
  set_layers(out.get(), meta ? meta->number : 0, layers_of(picture), meta ? meta->lost : 0, 0);
  gst_buffer_get_semantic_layer_meta(out.get())->concealed = concealed_ | (meta ? meta->concealed : 0);
  return out;
}

Ptr<GstBuffer> CrossFade::apply(GstAggregator* self, const JoinOutput& output, Ptr<GstBuffer> picture,
                                guint fade) {
  concealed_ = 0;
  const bool video = GST_VIDEO_INFO_FPS_N(&output.info()) > 0;
  if (!picture || fade == 0 || !video || GST_VIDEO_INFO_FORMAT(&output.info()) != GST_VIDEO_FORMAT_RGB) {
    forget();
    return picture;
  }
  // Bits above are worth more than all below them: fewer layers on top is a smaller number.
  const guint layers = layers_of(picture.get()), top = g_bit_storage(layers);
  if (shown_ && top < g_bit_storage(shown_layers_)) {
    from_ = std::move(shown_);
    from_layers_ = shown_layers_ | (left_ ? from_layers_ : 0);
    left_ = length_ = fade;
  } else if (top > g_bit_storage(shown_layers_)) {
    left_ = 0;
    from_.reset();
  }
  shown_layers_ = layers;
  if (left_ > 0) {
    concealed_ = from_layers_ & ~layers;
    picture = mix(self, output, picture.get(), kWhole * left_ / (length_ + 1));
    if (--left_ == 0)
      from_.reset();
  }
  shown_.reset(picture ? gst_buffer_ref(picture.get()) : nullptr);
  return picture;
}

} // namespace gsem::codec
