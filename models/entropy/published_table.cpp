// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/published_table.hpp"

#include <algorithm>
#include <numeric>

namespace gsem::entropy {
namespace {

constexpr uint8_t kVersion = 1;
constexpr int64_t kLargestBias = int64_t(1) << 50;
constexpr int kMaxShift = 44;

bool sound(const SymbolFrequencies& t) {
  const auto positive = [](uint16_t f) { return f >= 1; };
  return t.freq.size() >= 4 && t.freq.size() % 2 == 0 && t.freq.size() <= kMaxSymbols &&
         std::all_of(t.freq.begin(), t.freq.end(), positive) &&
         std::accumulate(t.freq.begin(), t.freq.end(), 0u) == 65536;
}

bool sound(const PublishedLayer& l, int in, int out, int side) {
  const auto fits = [](int64_t b) { return b >= -kLargestBias && b <= kLargestBias; };
  const auto possible = [](uint8_t s) { return s >= 1 && s <= kMaxShift; };
  return l.in == in && l.out == out && l.side == side &&
         l.weight.size() == size_t(in) * size_t(out) * size_t(side * side) && l.bias.size() == size_t(out) &&
         l.shift.size() == size_t(out) && std::all_of(l.bias.begin(), l.bias.end(), fits) &&
         std::all_of(l.shift.begin(), l.shift.end(), possible) &&
         std::none_of(l.weight.begin(), l.weight.end(), [](int16_t w) { return w == INT16_MIN; });
}

void write(const SymbolFrequencies& t, TableWriter& out) {
  out.u16(uint16_t(t.freq.size()));
  for (uint16_t f : t.freq)
    out.u16(f);
}

bool read(TableReader& in, SymbolFrequencies& t) {
  const size_t count = in.u16();
  if (count > kMaxSymbols || count * 2 > in.left())
    return false;
  t.freq.resize(count);
  for (uint16_t& f : t.freq)
    f = in.u16();
  return in.ok();
}

void write(const PublishedLayer& l, TableWriter& out) {
  for (int16_t w : l.weight)
    out.u16(uint16_t(w));
  for (int64_t b : l.bias)
    out.u64(uint64_t(b));
  for (uint8_t s : l.shift)
    out.u8(s);
}

bool read(TableReader& in, int inputs, int outputs, int side, PublishedLayer& l) {
  l.in = inputs;
  l.out = outputs;
  l.side = side;
  const size_t weights = size_t(inputs) * size_t(outputs) * size_t(side * side);
  if (2 * weights + 9 * size_t(outputs) > in.left())
    return false;
  l.weight.resize(weights);
  l.bias.resize(size_t(outputs));
  l.shift.resize(size_t(outputs));
  for (int16_t& w : l.weight)
    w = int16_t(in.u16());
  for (int64_t& b : l.bias)
    b = int64_t(in.u64());
  for (uint8_t& s : l.shift)
    s = in.u8();
  return in.ok();
}

} // namespace

Status PublishedTable::check() const {
  const auto is_sound = [](const SymbolFrequencies& t) { return sound(t); };
  const int n = hyper_channels, m = channels;
  if (n < 1 || m < 1 || n > kPublishedMaxChannels || m > kPublishedMaxChannels || rates.empty() ||
      rates.size() > size_t(kPublishedMaxRates) || thresholds.size() != size_t(kScales - 1) ||
      !std::is_sorted(thresholds.begin(), thresholds.end()) || y.size() != size_t(kScales) ||
      !std::all_of(y.begin(), y.end(), is_sound))
    return Status::Corrupt;
  for (const PublishedRate& r : rates)
    if (!sound(r.up1, n, n, 5) || !sound(r.up2, n, n, 5) || !sound(r.last, n, m, 3) ||
        r.median.size() != size_t(n) || r.z.size() != size_t(n) ||
        !std::all_of(r.z.begin(), r.z.end(), is_sound))
      return Status::Corrupt;
  return Status::Ok;
}

void PublishedTable::write(Bytes& out) const {
  open_table(kPublishedMagic, kVersion, out);
  TableWriter writer(out);
  writer.u16(uint16_t(hyper_channels));
  writer.u16(uint16_t(channels));
  writer.u8(uint8_t(rates.size()));
  for (int32_t t : thresholds)
    writer.u32(uint32_t(t));
  for (const SymbolFrequencies& t : y)
    entropy::write(t, writer);
  for (const PublishedRate& r : rates) {
    for (const PublishedLayer* l : {&r.up1, &r.up2, &r.last})
      entropy::write(*l, writer);
    for (int32_t median : r.median)
      writer.u32(uint32_t(median));
    for (const SymbolFrequencies& t : r.z)
      entropy::write(t, writer);
  }
  close_table(out);
}

Status PublishedTable::read(ByteView bytes, PublishedTable& out, uint64_t& hash) {
  ByteView body;
  if (const Status status = check_table(bytes, kPublishedMagic, kVersion, body, hash); status != Status::Ok)
    return status;
  TableReader in(body);
  out.hyper_channels = in.u16();
  out.channels = in.u16();
  const int rates = in.u8(), n = out.hyper_channels, m = out.channels;
  if (n > kPublishedMaxChannels || m > kPublishedMaxChannels || rates > kPublishedMaxRates)
    return Status::TooLarge;
  out.thresholds.resize(kScales - 1);
  for (int32_t& t : out.thresholds)
    t = int32_t(in.u32());
  out.y.resize(kScales);
  for (SymbolFrequencies& t : out.y)
    if (!entropy::read(in, t))
      return Status::Corrupt;
  for (int i = 0; i < rates; i++) {
    PublishedRate& r = out.rates.emplace_back();
    if (!entropy::read(in, n, n, 5, r.up1) || !entropy::read(in, n, n, 5, r.up2) ||
        !entropy::read(in, n, m, 3, r.last))
      return Status::Corrupt;
    r.median.resize(size_t(n));
    for (int32_t& median : r.median)
      median = int32_t(in.u32());
    r.z.resize(size_t(n));
    for (SymbolFrequencies& t : r.z)
      if (!entropy::read(in, t))
        return Status::Corrupt;
  }
  return in.ok() && in.left() == 0 ? out.check() : Status::Corrupt;
}

} // namespace gsem::entropy
