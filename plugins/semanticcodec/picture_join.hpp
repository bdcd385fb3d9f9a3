// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semanticcodec/cancel_switch.hpp"
#include "plugins/semanticcodec/concealment.hpp"
#include "plugins/semanticcodec/join_output.hpp"
#include "plugins/semanticcodec/join_pacing.hpp"
#include "plugins/semanticcodec/map_input.hpp"
#include "plugins/semanticcodec/model_settings.hpp"

/// GstPictureJoin, the base of structdec and signaldec: a join that puts one layer, the top one, on the
/// pictures from below (pad `sink`, the first of `pad_names`), with edge maps on the pad `structure`. It
/// forwards events and queries, breaks inference off when that is due, decodes maps that are late, and
/// forgets at flushes; a subclass that overrides start, stop, reset or finalize chains up.
G_BEGIN_DECLS

#define GST_TYPE_PICTURE_JOIN (gst_picture_join_get_type())
G_DECLARE_DERIVABLE_TYPE(GstPictureJoin, gst_picture_join, GST, PICTURE_JOIN, GstSemanticLayerJoin)

struct _GstPictureJoinClass {
  GstSemanticLayerJoinClass parent_class;
};

G_END_DECLS

namespace gsem::codec {

/// What structdec and signaldec have alike. Aggregator's thread only, but for what says otherwise.
class PictureJoin {
public:
  /// `top`: index in `pad_names` of the layer that this join adds, `bit` its bit in layer metas.
  PictureJoin(GstPictureJoin* owner, JoinPacing::Layer layer, int top, guint bit, guint fade);
  virtual ~PictureJoin() = default;
  PictureJoin(const PictureJoin&) = delete;
  PictureJoin& operator=(const PictureJoin&) = delete;

  ModelSettings settings;      ///< under the object lock
  ConcealSettings concealment; ///< under the object lock
  guint64 faded = 0;           ///< pictures of a cross-fade; under the object lock
  JoinPacing pacing;
  CancelSwitch cancel;

  // From start() to stop().
  std::shared_ptr<const profile::Profile> profile;
  MapInput maps;
  JoinOutput output;
  CrossFade fade;
  GstVideoInfo base_info{};
  bool base_known = false;

  /// The caps of the picture from below; FALSE after an element error.
  gboolean take_base_caps(GstCaps* caps);
  /// A copy taken under the object lock.
  ConcealSettings concealment_now() const;
  /// The set's picture from below by reference, marked where the top layer is lost; without one what was
  /// shown last, else grey. Null when out of memory or flushing.
  Ptr<GstBuffer> pass_base(const GstSemanticJoinSet& set);
  /// Shows `out`, or what the cross-fade makes of it. Null (out of memory, flushing) becomes the flow for it.
  GstFlowReturn finish(const GstSemanticJoinSet& set, Ptr<GstBuffer> out);

private:
  GstPictureJoin* const owner_;
  const int top_;
  const guint bit_;
};

/// To be called once in the instance init of a subclass, which takes `state` over.
void set_picture_join(gpointer owner, PictureJoin* state);

/// Property ids from 1 to kPictureJoinProperties - 1: those of the networks, then those of concealment; the
/// rest is left to the element.
inline constexpr guint kPictureJoinProperties = 1 + kModelProperties + kConcealProperties;
void install_picture_join_properties(GObjectClass* klass, guint default_fade);
/// Both take the object lock. False for an id that is none of these.
bool set_picture_join_property(GObject* object, PictureJoin& join, guint id, const GValue* value);
bool get_picture_join_property(GObject* object, const PictureJoin& join, guint id, GValue* value);

} // namespace gsem::codec
