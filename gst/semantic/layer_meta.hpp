// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/export.h"

#include <gst/gst.h>

G_BEGIN_DECLS

/// On coded layers: what the access unit said of this layer. On decoded pictures: which layers made it.
/// Registered once a process by libgstsemanticbase-1.0; copied on plain copies, dropped by transforms that change the picture.
typedef struct _GstSemanticLayerMeta {
  GstMeta meta;
  guint number;        ///< access unit number
  guint layers;        ///< bit k: layer kind k (1 caption, 2 structure, 3 signal) is in this buffer / made this picture
  guint lost;          ///< bit k: layer kind k was sent but did not arrive
  guint concealed;     ///< bit k: layer kind k is missing of this picture, and what came before stands in for it (a picture made with the
                       ///< caption or map before has k in `layers` too, a cross-fade has not)
  guint base_id;       ///< pictures of equal non-zero id are the same base picture: what was computed from one holds for the other
  gboolean key;
  gboolean discardable;
  gboolean switch_point;
  guint temporal_id;
} GstSemanticLayerMeta;

GST_SEMANTIC_API GType gst_semantic_layer_meta_api_get_type (void);
GST_SEMANTIC_API const GstMetaInfo* gst_semantic_layer_meta_get_info (void);
GST_SEMANTIC_API GstSemanticLayerMeta* gst_buffer_add_semantic_layer_meta (GstBuffer* buffer);
GST_SEMANTIC_API GstSemanticLayerMeta* gst_buffer_get_semantic_layer_meta (GstBuffer* buffer);
/// A process-wide fresh base id, never 0.
GST_SEMANTIC_API guint gst_semantic_next_base_id (void);

G_END_DECLS
