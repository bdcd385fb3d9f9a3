// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semantic/copy_cost.hpp"

#include <gst/gst.h>

/// `semantic-copies`, the custom query by which semanticlayerfilter learns what rtpsemanticpay sends again:
/// docs/caps.md. Thread-safety: pure functions.
namespace gsem {

/// A query without an answer.
GstQuery* new_copy_query();
/// False when it is another query.
bool is_copy_query(GstQuery* query);
void answer_copy_query(GstQuery* query, const CopySettings& settings);
/// What a query was answered; no copies when nobody did.
CopySettings read_copy_query(GstQuery* query);

/// `semantic-sparing`, the custom downstream event by which it says what there is no rate for.
struct Sparing {
  bool maps = false;         ///< copies of any map, and packets for captions alone soon after the first
  bool every_second = false; ///< copies of maps that none refers to, apart from map-redundancy
  bool operator==(const Sparing&) const = default;
};
/// Ownership to the caller.
GstEvent* new_sparing_event(const Sparing& sparing);
/// False when it is another event.
bool read_sparing_event(GstEvent* event, Sparing& sparing);

} // namespace gsem
