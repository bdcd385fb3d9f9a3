// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/rtp_descriptor.hpp"
#include "plugins/semantic/copy_cost.hpp"

#include <deque>
#include <vector>

/// What rtpsemanticpay keeps to send it again: the last caption, with the next units and at set times, and
/// maps with the next units (docs/rtp.md, "Sending"). No GStreamer in here; time in ns. Not thread-safe.
namespace gsem {

class RtpCopies {
public:
  static constexpr uint64_t kNever = UINT64_MAX; ///< also a time that is not known

  /// The caption among the layers of unit `number` takes the last one's place. Only key captions go again:
  /// with `rides` units, and `delays` ms after `now`.
  void take_caption(const std::vector<bitstream::RtpEntry>& layers, uint16_t number, unsigned rides,
                    uint64_t now, const std::vector<unsigned>& delays);
  /// The maps among them, for the next units.
  void take_maps(const std::vector<bitstream::RtpEntry>& layers, uint16_t number,
                 const CopySettings& settings);

  /// Whether the caption goes now, with a unit or alone: times that have come go out as one. `wait`: ns that
  /// its times are put off.
  bool caption_due(uint64_t now, bool of_unit, uint64_t wait);
  /// When it goes next without a unit that takes it along; kNever: not again.
  uint64_t next_caption() const { return due_.empty() ? kNever : due_.front(); }
  /// Its data stay where they are until the next take_caption.
  bitstream::RtpEntry caption() const;

  /// Appends the maps that ride with this unit, says how many. Their data stay until drop_spent_maps.
  size_t add_maps(std::vector<bitstream::RtpEntry>& entries);
  void drop_spent_maps();
  void drop_maps() { maps_.clear(); }

private:
  struct Copy {
    Bytes data;
    bitstream::RtpLayer layer;
    uint16_t number = 0; ///< of its unit
    unsigned rides = 0;  ///< units that still take it along
    bitstream::RtpEntry entry() const;
  };

  Copy caption_;
  std::deque<uint64_t> due_; ///< ascending
  std::deque<Copy> maps_;    ///< oldest first
};

} // namespace gsem
