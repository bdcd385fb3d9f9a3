// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <string>
#include <vector>

namespace gsem {

/// What the user sets on rtpsemanticpay. Read from the streaming thread without a lock, but for what says
/// otherwise.
struct PaySettings {
  std::atomic<guint> caption_redundancy{8};                    ///< units, 0 to 64
  std::atomic<guint> key_map_redundancy{1}, map_redundancy{0}; ///< units, 0 to 4
  std::atomic<bool> repeat_start{true}, pace_reports{true};
  std::atomic<int> config_interval{2}; ///< seconds, -1: with every key unit, 0: never
  std::atomic<int> number_offset{-1};  ///< -1: random
  // under the object lock
  std::string caption_repeat = "40,200";
  std::vector<unsigned> repeat_delays{40, 200}; ///< ms, ascending: what `caption_repeat` says
};

/// Property ids from 1 to kPaySettings - 1 are those of the settings; the rest is left to the element.
inline constexpr guint kPaySettings = 9;
void install_pay_properties(GObjectClass* klass);
/// False for an id that is none of the settings.
bool set_pay_property(GObject* object, PaySettings& settings, guint id, const GValue* value);
bool get_pay_property(GObject* object, const PaySettings& settings, guint id, GValue* value);

} // namespace gsem
