// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/signal_table.hpp"

#include <algorithm>
#include <cstdlib>

namespace gsem::entropy {

static constexpr char kMagic[5] = "GSLT";
static constexpr uint8_t kVersion = 2;
static constexpr size_t kMaxBank = 4096;

bool check_conv(const IntConv& conv, int largest_input) {
  if (conv.in < 1 || conv.out < 1 || (conv.taps != 1 && conv.taps != 9) || conv.shift < 1 || conv.shift > 30)
    return false;
  const size_t row = size_t(conv.taps) * size_t(conv.in);
  if (conv.weight.size() != row * size_t(conv.out) || conv.bias.size() != size_t(conv.out))
    return false;
  for (int o = 0; o < conv.out; o++) {
    int64_t norm = 0;
    for (size_t i = 0; i < row; i++)
      norm += std::abs(int(conv.weight[size_t(o) * row + i]));
    const int64_t largest =
        norm * largest_input + std::abs(int64_t(conv.bias[size_t(o)])) + (int64_t(1) << (conv.shift - 1));
    if (largest > INT32_MAX)
      return false;
  }
  return true;
}

static bool check_frequencies(const SymbolFrequencies& table) {
  if (table.freq.size() < 4 || table.freq.size() % 2 != 0 || table.freq.size() > kMaxSymbols)
    return false;
  uint32_t sum = 0;
  for (uint16_t f : table.freq) {
    if (f == 0)
      return false;
    sum += f;
  }
  return sum == 65536;
}

Status SignalTable::check() const {
  const auto counts = [](int n) { return n >= 1 && n <= kMaxHyperChannels; };
  const bool shapes = counts(hyper_channels) && counts(channels) && up1.in == hyper_channels &&
                      up1.out % 4 == 0 && up2.in == up1.out / 4 && up2.out % 4 == 0 &&
                      mean.in == up2.out / 4 && scale.in == mean.in && mean.out == channels &&
                      scale.out == channels && up1.taps == 1 && up2.taps == 1 && mean.taps == 9 &&
                      scale.taps == 9;
  const auto one_by_one = [](const IntConv& conv, int in, int out) {
    return conv.in == in && conv.out == out && conv.taps == 1;
  };
  if (!shapes || channels % 2 != 0 || !one_by_one(features, mean.in, features.out) ||
      features.out > kMaxHyperChannels || !check_conv(features, -kActivationMin))
    return Status::Corrupt;
  for (size_t parity = 0; parity < 2; parity++)
    if (!one_by_one(context[parity], kContextTaps * channels / 2, features.out) ||
        !one_by_one(more_mean[parity], features.out, channels / 2) ||
        !one_by_one(more_scale[parity], features.out, channels / 2) ||
        !check_conv(context[parity], kContextLargest) || !check_conv(more_mean[parity], -kActivationMin) ||
        !check_conv(more_scale[parity], -kActivationMin))
      return Status::Corrupt;
  if (!check_conv(up1, -kHyperMin) || !check_conv(up2, -kActivationMin) ||
      !check_conv(mean, -kActivationMin) || !check_conv(scale, -kActivationMin))
    return Status::Corrupt;
  if (thresholds.size() != kScales - 1 || !std::is_sorted(thresholds.begin(), thresholds.end()))
    return Status::Corrupt;
  if (y.size() != kScales || z.empty() || z.size() > kMaxBank ||
      !std::all_of(y.begin(), y.end(), check_frequencies) ||
      !std::all_of(z.begin(), z.end(), check_frequencies))
    return Status::Corrupt;
  const size_t rows = size_t(kQualities) * size_t(hyper_channels);
  if (z_index.size() != rows || z_centre.size() != rows ||
      std::any_of(z_index.begin(), z_index.end(), [&](uint16_t i) { return i >= z.size(); }))
    return Status::Corrupt;
  return Status::Ok;
}

/// In the order of the file.
template <typename Table>
static auto layers(Table& t) {
  return std::array{&t.up1,          &t.up2,           &t.mean,         &t.scale,
                    &t.features,     &t.context[0],    &t.context[1],   &t.more_mean[0],
                    &t.more_mean[1], &t.more_scale[0], &t.more_scale[1]};
}

static void write_conv(const IntConv& conv, TableWriter& out) {
  out.u16(uint16_t(conv.in));
  out.u16(uint16_t(conv.out));
  out.u8(uint8_t(conv.taps));
  out.u8(uint8_t(conv.shift));
  for (int16_t w : conv.weight)
    out.u16(uint16_t(w));
  for (int32_t b : conv.bias)
    out.u32(uint32_t(b));
}

static bool read_conv(TableReader& in, IntConv& conv) {
  conv.in = in.u16();
  conv.out = in.u16();
  conv.taps = in.u8();
  conv.shift = in.u8();
  if (!in.ok() || conv.in > kContextTaps * kMaxHyperChannels || conv.out > 4 * kMaxHyperChannels ||
      conv.taps > 9)
    return false;
  const size_t weights = size_t(conv.in) * size_t(conv.out) * size_t(conv.taps);
  if (weights * 2 + size_t(conv.out) * 4 > in.left())
    return false;
  conv.weight.resize(weights);
  conv.bias.resize(size_t(conv.out));
  for (int16_t& w : conv.weight)
    w = int16_t(in.u16());
  for (int32_t& b : conv.bias)
    b = int32_t(in.u32());
  return in.ok();
}

static void write_bank(const std::vector<SymbolFrequencies>& bank, TableWriter& out) {
  out.varint(bank.size());
  for (const SymbolFrequencies& table : bank) {
    out.varint(table.freq.size());
    for (uint16_t f : table.freq)
      out.varint(f);
  }
}

static bool read_bank(TableReader& in, std::vector<SymbolFrequencies>& bank) {
  const uint64_t tables = in.varint();
  if (tables > kMaxBank || tables > in.left())
    return false;
  bank.resize(tables);
  for (SymbolFrequencies& table : bank) {
    const uint64_t count = in.varint();
    if (count > kMaxSymbols || count > in.left())
      return false;
    table.freq.resize(count);
    for (uint16_t& f : table.freq) {
      const uint64_t v = in.varint();
      if (v > 0xffff)
        return false;
      f = uint16_t(v);
    }
  }
  return in.ok();
}

void SignalTable::write(Bytes& out) const {
  open_table(kMagic, kVersion, out);
  TableWriter writer(out);
  writer.u16(uint16_t(hyper_channels));
  writer.u16(uint16_t(channels));
  for (const IntConv* conv : layers(*this))
    write_conv(*conv, writer);
  for (int16_t t : thresholds)
    writer.u16(uint16_t(t));
  write_bank(y, writer);
  write_bank(z, writer);
  for (uint16_t i : z_index)
    writer.u16(i);
  for (int8_t c : z_centre)
    writer.u8(uint8_t(c));
  close_table(out);
}

Status SignalTable::read(ByteView table, SignalTable& signal, uint64_t& hash) {
  ByteView body;
  if (const Status status = check_table(table, kMagic, kVersion, body, hash); status != Status::Ok)
    return status;
  TableReader in(body);
  signal.hyper_channels = in.u16();
  signal.channels = in.u16();
  if (signal.hyper_channels > kMaxHyperChannels)
    return Status::TooLarge;
  for (IntConv* conv : layers(signal))
    if (!read_conv(in, *conv))
      return Status::Corrupt;
  signal.thresholds.resize(kScales - 1);
  for (int16_t& t : signal.thresholds)
    t = int16_t(in.u16());
  if (!read_bank(in, signal.y) || !read_bank(in, signal.z))
    return Status::Corrupt;
  signal.z_index.resize(size_t(kQualities) * size_t(signal.hyper_channels));
  signal.z_centre.resize(signal.z_index.size());
  for (uint16_t& i : signal.z_index)
    i = in.u16();
  for (int8_t& c : signal.z_centre)
    c = int8_t(in.u8());
  return in.ok() && in.left() == 0 ? signal.check() : Status::Corrupt;
}

} // namespace gsem::entropy
