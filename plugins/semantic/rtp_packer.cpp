// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/rtp_packer.hpp"

#include "gst/bitstream/fields.hpp"

#include <algorithm>

namespace gsem {

using namespace bitstream;

namespace {

/// Below this a copy costs less than another piece of memory.
constexpr size_t kCopied = 128;

using Type = RtpEntry::Type;

size_t head_size(const RtpEntry& entry) {
  return entry.type == Type::Repeat ? 4 : 1;
}

/// The descriptor counts entries up to here, and spares the last one's size.
constexpr size_t kCounted = 3;

class Packer {
public:
  Packer(uint16_t number, uint8_t layers, size_t max_payload) : max_(max_payload) {
    descriptor_.number = number;
    descriptor_.layers = layers;
    Bytes probe;
    write_rtp_descriptor(descriptor_, probe);
    descriptor_size_ = probe.size();
  }

  /// False when the entry had to be left out.
  bool add(const RtpEntry& entry) {
    if (fits(&entry)) {
      open_.push_back(&entry);
      return true;
    }
    flush();
    if (fits(&entry)) {
      open_.push_back(&entry);
      return true;
    }
    if (entry.type != Type::Layer)
      return false;
    fragment(entry);
    return true;
  }

  std::vector<RtpPayload> finish() {
    flush();
    return std::move(payloads_);
  }

private:
  /// Whether the open aggregate with `more` stays within the limit.
  bool fits(const RtpEntry* more) const {
    const size_t count = open_.size() + 1;
    size_t size = descriptor_size_ + more->data.size();
    if (count == 1 && more->type == Type::Layer)
      return size <= max_; // goes out as a whole fragment, which has no entry head
    size += head_size(*more);
    for (const auto* entry : open_)
      size += head_size(*entry) + varint_size(entry->data.size()) + entry->data.size();
    if (count > kCounted)
      size += varint_size(more->data.size());
    return count <= kMaxRtpEntries && size <= max_;
  }

  void put_data(RtpPayload& payload, ByteView data) {
    if (data.size() <= kCopied)
      payload.own.insert(payload.own.end(), data.begin(), data.end());
    else
      payload.pieces.push_back({payload.own.size(), data});
  }

  void put_fragment(const RtpEntry& entry, ByteView data, bool start, bool end) {
    RtpDescriptor descriptor = descriptor_;
    descriptor.fragment = true;
    descriptor.layer = entry.layer;
    descriptor.start = start;
    descriptor.end = end;
    RtpPayload& payload = payloads_.emplace_back();
    write_rtp_descriptor(descriptor, payload.own);
    put_data(payload, data);
  }

  void fragment(const RtpEntry& entry) {
    const size_t room = max_ - descriptor_size_;
    for (size_t at = 0; at < entry.data.size(); at += room) {
      const ByteView piece = entry.data.subspan(at, std::min(room, entry.data.size() - at));
      put_fragment(entry, piece, at == 0, at + piece.size() == entry.data.size());
    }
  }

  void flush() {
    if (open_.size() == 1 && open_[0]->type == Type::Layer) {
      put_fragment(*open_[0], open_[0]->data, true, true);
    } else if (!open_.empty()) {
      RtpDescriptor descriptor = descriptor_;
      descriptor.entries = uint8_t(open_.size() <= kCounted ? open_.size() : 0);
      RtpPayload& payload = payloads_.emplace_back();
      write_rtp_descriptor(descriptor, payload.own);
      for (const auto* entry : open_) {
        write_rtp_entry(*entry, entry != open_.back() || descriptor.entries == 0, payload.own);
        put_data(payload, entry->data);
      }
    }
    open_.clear();
  }

  RtpDescriptor descriptor_;
  size_t max_, descriptor_size_ = 0;
  std::vector<const RtpEntry*> open_;
  std::vector<RtpPayload> payloads_;
};

} // namespace

size_t RtpPayload::size() const {
  size_t total = own.size();
  for (const auto& piece : pieces)
    total += piece.data.size();
  return total;
}

std::vector<RtpPayload> pack_unit(uint16_t number, uint8_t layers, std::span<const RtpEntry> entries,
                                  size_t max_payload, bool& left_out) {
  Packer packer(number, layers, std::max(max_payload, kMinRtpPayload));
  left_out = false;
  for (const auto& entry : entries)
    left_out = !packer.add(entry) || left_out;
  return packer.finish();
}

} // namespace gsem
