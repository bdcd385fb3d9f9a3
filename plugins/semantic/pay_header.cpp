// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/pay_header.hpp"

#include "plugins/semantic/layer_caps.hpp"

#include <algorithm>

namespace gsem {

using namespace bitstream;

bool PayHeader::take(ByteView data, size_t& size) {
  StreamHeader header;
  if (parse_stream_header(data, header, size) != Status::Ok) {
    size = 0;
    return false;
  }
  const ByteView bytes = data.first(size);
  if (std::equal(bytes.begin(), bytes.end(), bytes_.begin(), bytes_.end()))
    return true;
  header_ = std::move(header);
  bytes_.assign(bytes.begin(), bytes.end());
  size_ = guint(bytes.size());
  announced_ = sent_ = false;
  return true;
}

GstClockTime PayHeader::frame() const {
  return known() ? frame_duration(header_) : GST_CLOCK_TIME_NONE;
}

Ptr<gchar> PayHeader::config() const {
  return Ptr<gchar>(g_base64_encode(bytes_.data(), bytes_.size()));
}

unsigned PayHeader::highest_layer() const {
  unsigned highest = 1;
  for (const auto& layer : header_.layers)
    highest = std::max(highest, unsigned(layer.kind));
  return highest;
}

bool PayHeader::due(int interval, const AccessUnitHeader& unit, GstClockTime now) const {
  if (interval == 0 || !known())
    return false;
  if (!sent_)
    return true;
  if (std::none_of(unit.layers.begin(), unit.layers.end(), [](const auto& l) { return l.key && !l.lost; }))
    return false;
  if (interval < 0)
    return unit.key || asked_;
  return asked_ || !GST_CLOCK_TIME_IS_VALID(now) || now < sent_at_ ||
         now - sent_at_ >= guint(interval) * GST_SECOND;
}

void PayHeader::note_sent(GstClockTime now) {
  sent_ = true;
  sent_at_ = now;
  asked_ = false;
}

void PayHeader::forget_time() {
  sent_ = false;
  sent_at_ = GST_CLOCK_TIME_NONE;
}

void PayHeader::reset() {
  forget_time();
  header_ = StreamHeader{};
  bytes_.clear();
  size_ = 0;
  announced_ = asked_ = false;
}

} // namespace gsem
