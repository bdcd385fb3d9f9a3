// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/semantic/layer_meta.hpp"

#include <atomic>

namespace {

gboolean meta_init(GstMeta* base, gpointer, GstBuffer*) {
  auto* meta = reinterpret_cast<GstSemanticLayerMeta*>(base);
  meta->number = meta->layers = meta->lost = meta->concealed = meta->base_id = meta->temporal_id = 0;
  meta->key = meta->switch_point = TRUE;
  meta->discardable = FALSE;
  return TRUE;
}

/// Half a payload or a scaled picture is not what the meta describes, so only whole copies keep it.
gboolean meta_transform(GstBuffer* to, GstMeta* base, GstBuffer*, GQuark type, gpointer data) {
  if (!GST_META_TRANSFORM_IS_COPY(type) || static_cast<GstMetaTransformCopy*>(data)->region)
    return FALSE;
  auto* from = reinterpret_cast<GstSemanticLayerMeta*>(base);
  auto* copy = gst_buffer_add_semantic_layer_meta(to);
  if (!copy)
    return FALSE;
  const GstMeta header = copy->meta;
  *copy = *from;
  copy->meta = header;
  return TRUE;
}

} // namespace

GType gst_semantic_layer_meta_api_get_type(void) {
  // A tag no base class knows: elements that make a new picture from this one leave the meta behind.
  static const GType type = [] {
    static const gchar* tags[] = {"semantic-layer", nullptr};
    return gst_meta_api_type_register("GstSemanticLayerMetaAPI", tags);
  }();
  return type;
}

const GstMetaInfo* gst_semantic_layer_meta_get_info(void) {
  static const GstMetaInfo* info =
      gst_meta_register(gst_semantic_layer_meta_api_get_type(), "GstSemanticLayerMeta",
                        sizeof(GstSemanticLayerMeta), meta_init, nullptr, meta_transform);
  return info;
}

GstSemanticLayerMeta* gst_buffer_add_semantic_layer_meta(GstBuffer* buffer) {
  g_return_val_if_fail(GST_IS_BUFFER(buffer), nullptr);
  return reinterpret_cast<GstSemanticLayerMeta*>(
      gst_buffer_add_meta(buffer, gst_semantic_layer_meta_get_info(), nullptr));
}

GstSemanticLayerMeta* gst_buffer_get_semantic_layer_meta(GstBuffer* buffer) {
  g_return_val_if_fail(GST_IS_BUFFER(buffer), nullptr);
  return reinterpret_cast<GstSemanticLayerMeta*>(
      gst_buffer_get_meta(buffer, gst_semantic_layer_meta_api_get_type()));
}

guint gst_semantic_next_base_id(void) {
  static std::atomic<guint> last{0};
  guint id = ++last;
  return id ? id : ++last;
}
