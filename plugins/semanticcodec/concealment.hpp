// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semanticcodec/join_output.hpp"

namespace gsem::codec {

/// The properties `conceal` and `fade` of structdec and signaldec.
struct ConcealSettings {
  bool conceal = true;
  guint fade = 0; ///< pictures
};

/// Property ids `first` and `first + 1`.
inline constexpr guint kConcealProperties = 2;
void install_conceal_properties(GObjectClass* klass, guint first, guint default_fade);
/// `index` = property id - first. Both take the object lock.
void set_conceal_property(GObject* object, ConcealSettings& settings, guint index, const GValue* value);
void get_conceal_property(GObject* object, const ConcealSettings& settings, guint index, GValue* value);

/// Layers that made a picture: of its meta, else the caption's (a picture of semanticdec is never without).
guint layers_of(GstBuffer* picture);

/// Where the top layer of a video goes missing, its last picture gives way to those from below over a few
/// pictures, so that nothing jumps; when it comes back, it is there at once. For the last element of a chain.
/// Aggregator's thread only.
class CrossFade {
public:
  /// The picture to show for `picture`: itself, or a mixture. `fade`: pictures that it takes; 0: never. Null
  /// when out of memory or flushing.
  Ptr<GstBuffer> apply(GstAggregator* self, const JoinOutput& output, Ptr<GstBuffer> picture, guint fade);
  /// Layers that the last picture of apply() took from before; 0: it was no mixture.
  guint concealed() const { return concealed_; }
  void forget();

private:
  Ptr<GstBuffer> mix(GstAggregator* self, const JoinOutput& output, GstBuffer* picture, guint weight);

  Ptr<GstBuffer> shown_, from_;
  guint shown_layers_ = 0, from_layers_ = 0, left_ = 0, length_ = 0, concealed_ = 0;
};

} // namespace gsem::codec
