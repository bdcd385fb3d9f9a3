// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/layer_selector.hpp"

#include <algorithm>
#include <cmath>

namespace gsem {

using namespace bitstream;

namespace {

constexpr double kSecond = 1e9;
constexpr double kFading = 10e9; ///< ns, of what a silenced layer took, once it is silent for kRemembered
constexpr uint64_t kRemembered = 40000000000;
constexpr double kMemory = 1e9;              ///< ns, time constant of the rates
constexpr double kScarceMemory = 3e9;        ///< the same where few maps go: single key maps are not to count
constexpr uint64_t kLongestStep = 500000000; ///< a gap in time is not a gap in the stream's rate
constexpr uint64_t kFirstStep = 40000000;    ///< what the first unit stands for
constexpr double kQueue = 0.095;             ///< s of the rate that may wait in the network
constexpr unsigned kDraining = 4;            ///< below this part of the rate nothing but captions goes
constexpr double kHeadroom = 1.1;            ///< going up wants this much more than it takes
constexpr unsigned kEntryHead = 3, kNoSize = 2, kDescriptor = 4;  ///< docs/rtp.md: the last entry has no size
constexpr uint64_t kMistake = 15000000000, kProven = 30000000000; ///< ns after going up
constexpr unsigned kMostPatience = 16;
// Below these an encoder cannot go in earnest (docs/structure.md, docs/results.md): then thinning is better.
constexpr double kLeastMap = 80, kLeastSignal = 150; ///< bytes
constexpr double kMapShare = 0.3;                    ///< of the rate, when there is a signal too

constexpr unsigned kFullMaps = 5; ///< the rung of layer 2 with all maps; those with fewer are below it
static_assert(kLayerPoints[kFullMaps].layer == 2 && kLayerPoints[kFullMaps].map_step == 0 &&
              kLayerPoints[kFullMaps - kKeysOnly].map_step == kKeysOnly);

constexpr unsigned kScarceMaps = 2; ///< from this step on a second has few of them

/// Up to here the rate is scarce: maps, or signals as far as they can be, are thinned.
constexpr unsigned kSparing = kFullMaps + 2;
static_assert(kLayerPoints[kSparing].signal_step == 3 && kLayerPoints[kSparing + 1].signal_step < 3);

unsigned kind_of(const LayerUnit& layer) {
  return unsigned(layer.kind);
}

uint8_t bit(const LayerUnit& layer) {
  return uint8_t(1u << kind_of(layer));
}

bool coded(const LayerUnit& layer) {
  return layer.kind == LayerKind::Structure || layer.kind == LayerKind::Signal;
}

void add(const LayerUnit& layer, const CopySettings& copies, SentUnit& unit) {
  ++unit.layers;
  unit.any_key = unit.any_key || layer.key;
  if (layer.kind == LayerKind::Caption)
    unit.caption = layer.size;
  if (layer.kind == LayerKind::Structure) {
    unit.map = layer.size;
    unit.key_map = layer.key;
    unit.map_rides = map_rides(layer.key, layer.discardable, layer.temporal_id, copies);
  }
}

} // namespace

uint64_t WireCost::unit_bytes(uint64_t payload, unsigned layers) const {
  if (layers == 0)
    return 0;
  constexpr unsigned kRtpHeader = 12;
  const uint64_t data = payload + layers * kEntryHead - kNoSize;
  const uint64_t room = std::max(mtu, 64u) - kRtpHeader - kDescriptor;
  const uint64_t packets = (data + room - 1) / room;
  return (data + packets * packet_bytes()) * (100 + fec_percent) / 100;
}

unsigned WireCost::packet_bytes() const {
  return overhead + kDescriptor;
}

void LayerSelector::Meter::add(double amount, double decay, double step) {
  value = value * decay + amount;
  seconds = seconds * decay + step;
}

void LayerSelector::reset() {
  *this = LayerSelector{};
}

void LayerSelector::restart() {
  for (Track* track : {&maps_, &signals_}) {
    track->flowing = track->broken = track->broken_here = false;
    track->index = 0;
  }
  now_ = moved_up_ = kNever;
  fits_since_.fill(kNever);
  debt_ = 0;
  copies_.fill(CopyLedger{});
  sent_copies_ = CopyLedger{};
}

void LayerSelector::set_layers(const StreamHeader& header) {
  for (LayerKind kind : {LayerKind::Structure, LayerKind::Signal}) {
    const LayerInfo* info = header.find(kind);
    track(kind).listed = info != nullptr;
    track(kind).dependencies = info ? info->dependencies : 0;
  }
}

void LayerSelector::set_silenced(bool structure, bool signal) {
  maps_.silenced = structure;
  signals_.silenced = signal;
}

// ---- what each rung costs ---------------------------------------------------------------------------------

/// Left out at `step`? Units that others refer to go by their temporal id alone, keys never.
bool LayerSelector::thinned(const LayerUnit& layer, const Track& track, unsigned step) {
  if (step == 0)
    return false;
  const unsigned top = std::max(track.top_id, track.last_top_id);
  if (!layer.discardable)
    return !layer.key && layer.temporal_id > 0 && layer.temporal_id + step > top;
  if (step >= kKeysOnly)
    return !layer.key || track.index % 16 != 0;
  if (!layer.key && top > step)
    return layer.temporal_id + step > top;
  return track.index % (1u << step) != 0;
}

unsigned LayerSelector::top_point(const Settings& settings) const {
  unsigned layer = settings.max_layer;
  if (layer >= 3 && !signals_.listed)
    layer = 2;
  unsigned point = kLayerPoints.size() - 1;
  while (point > 0 && kLayerPoints[point].layer > layer)
    --point;
  return point;
}

/// Bits a second that a rung with silenced layers takes at least.
double LayerSelector::least_rate(const LayerPoint& point, const Settings& settings) const {
  const double units = units_.rate(), packet = settings.cost.packet_bytes();
  double rate = 0;
  if (maps_.silenced)
    rate = rates_[0].rate() + units * (kLeastMap + packet) * 8 / double(1u << point.map_step);
  else
    rate = rates_[kFullMaps - point.map_step].rate();
  if (point.layer >= 3)
    rate += units * kLeastSignal * 8 / double(1u << point.signal_step);
  return rate;
}

void LayerSelector::measure(const AccessUnitHeader& unit, const Settings& settings) {
  const double step = double(step_), decay = std::exp(-step / kMemory),
               slow = std::exp(-step / kScarceMemory);
  const double fade = std::exp(-step / kFading);
  const double gain = step / kSecond;
  units_.add(1, decay, gain);
  double caption = 0, map = 0;
  bool has_map = false, has_signal = false;
  for (const auto& layer : unit.layers) {
    caption += layer.kind == LayerKind::Caption ? layer.size * 8.0 : 0;
    map += layer.kind == LayerKind::Structure ? layer.size * 8.0 : 0;
    has_map = has_map || layer.kind == LayerKind::Structure;
    has_signal = has_signal || layer.kind == LayerKind::Signal;
  }
  maps_.silent = has_map ? 0 : maps_.silent + step_;
  signals_.silent = has_signal ? 0 : signals_.silent + step_;
  captions_.add(caption, decay, gain);
  if (has_map || !maps_.silenced)
    map_payload_.add(map, decay, gain);
  for (size_t i = 0; i < kLayerPoints.size(); ++i) {
    const LayerPoint& point = kLayerPoints[i];
    // What a silenced layer took when it was last there is the best guess at what it will take; it fades, so
    // that one day it is tried.
    if ((point.layer >= 2 && maps_.silenced && !has_map) ||
        (point.layer >= 3 && signals_.silenced && !has_signal)) {
      if (std::max(maps_.silent, signals_.silent) > kRemembered)
        rates_[i].value = std::max(rates_[i].value * fade, least_rate(point, settings));
      continue;
    }
    uint64_t payload = 0;
    SentUnit sent;
    sent.sparing = i <= kSparing;
    for (const auto& layer : unit.layers) {
      if (layer.lost || kind_of(layer) > point.layer)
        continue;
      if (coded(layer) && thinned(layer, track(layer.kind),
                                  layer.kind == LayerKind::Structure ? point.map_step : point.signal_step))
        continue;
      payload += layer.size;
      add(layer, settings.copies, sent);
    }
    const CopyBytes copies = copies_[i].with(sent, now_, settings.copies);
    copies_[i].sent(sent, now_, settings.copies);
    if (i == kSparing + 1) {
      map_copies_.add(double(copies.maps) * 8, decay, gain);
      other_copies_.add(double(copies.bytes - copies.maps) * 8, decay, gain);
    }
    rates_[i].add(double(settings.cost.unit_bytes(payload, sent.layers, copies)) * 8,
                  point.layer == 2 && point.map_step >= kScarceMaps ? slow : decay, gain);
  }
}

// ---- which rung -------------------------------------------------------------------------------------------

void LayerSelector::move_to(unsigned point) {
  if (point > point_)
    moved_up_ = now_;
  else if (point < point_)
    fits_since_.fill(kNever); // whoever had to go down waits again
  point_ = point;
}

void LayerSelector::choose_point(const Settings& settings) {
  const unsigned top = top_point(settings);
  if (settings.bitrate == 0) {
    move_to(top);
    patience_ = 1;
    return;
  }
  const double limit = double(settings.bitrate);
  unsigned fits_below = 0;
  for (unsigned i = 0; i < kLayerPoints.size(); ++i) {
    const bool there = i <= top && (maps_.listed || kLayerPoints[i].layer != 2);
    if (there && i < point_ && rates_[i].rate() <= limit)
      fits_below = i;
    if (!there || rates_[i].rate() * kHeadroom > limit)
      fits_since_[i] = kNever;
    else if (fits_since_[i] == kNever)
      fits_since_[i] = now_;
  }
  if ((moved_up_ != kNever && now_ - moved_up_ > kProven) || limit > 1.5 * double(mistaken_rate_))
    patience_ = 1;
  if (point_ > top || rates_[point_].rate() > limit) {
    // With far less rate than then it was none: the network has changed.
    if (point_ <= top && moved_up_ != kNever && now_ - moved_up_ < kMistake &&
        2 * settings.bitrate > moved_up_rate_) {
      patience_ = std::min(patience_ * 2, kMostPatience);
      mistaken_rate_ = moved_up_rate_;
    }
    move_to(std::min(fits_below, top));
    return;
  }
  for (unsigned i = top; i > point_; --i)
    if (fits_since_[i] != kNever && now_ - fits_since_[i] >= settings.hold_time * patience_) {
      move_to(i);
      moved_up_rate_ = settings.bitrate;
      return;
    }
}

// ---- one unit ---------------------------------------------------------------------------------------------

CutReason LayerSelector::judge(const AccessUnitHeader& unit, size_t index, uint8_t kept,
                               LayerChoice& choice) {
  const LayerUnit& layer = unit.layers[index];
  const LayerPoint& point = kLayerPoints[point_];
  if (layer.kind == LayerKind::Caption)
    return CutReason::Kept;
  if (!coded(layer)) // of a later version: above all that is known
    return point_ + 1 == kLayerPoints.size() ? CutReason::Kept : CutReason::Layer;
  Track& state = track(layer.kind);
  if (kind_of(layer) > point.layer)
    return CutReason::Layer;
  if (!state.flowing && (!layer.switch_point || layer.lost)) {
    choice.want_key = true;
    return CutReason::Blocked;
  }
  if (state.broken && !layer.key && !layer.lost) {
    choice.want_key = choice.want_key || (state.broken_here && debt_ <= 0);
    return CutReason::Blocked;
  }
  if ((state.dependencies & ~1u & ~kept) != 0)
    return CutReason::Blocked;
  const unsigned step = layer.kind == LayerKind::Structure ? point.map_step : point.signal_step;
  return thinned(layer, state, step) ? CutReason::Thinned : CutReason::Kept;
}

bool LayerSelector::sparing() const {
  return point_ <= kSparing;
}

/// Layers that would queue for longer than kQueue wait for another picture. What is always sent, and what is
/// larger than the allowance, goes when the queue is (nearly) empty.
void LayerSelector::pace(const AccessUnitHeader& unit, const Settings& settings, LayerChoice& choice) {
  const double bytes_a_second = double(settings.pace ? settings.pace : settings.bitrate) / 8;
  const double allowed = bytes_a_second * kQueue;
  // A caption that goes again shortly is not to meet a longer queue either.
  const uint64_t repeat = sent_copies_.next_repeat(sparing());
  const double until = repeat == CopyLedger::kNever ? 1e9 : double(std::max(repeat, now_) - now_) / kSecond;
  const double most = bytes_a_second * (kQueue + until);
  const bool draining = settings.pace && settings.pace * kDraining < settings.bitrate;
  debt_ = settings.bitrate ? std::max(0.0, debt_ - bytes_a_second * double(step_) / kSecond) : 0;
  uint64_t payload = 0;
  SentUnit sent;
  sent.sparing = sparing();
  const auto bytes_of = [&](uint64_t bytes, const SentUnit& what) {
    return settings.cost.unit_bytes(bytes, what.layers, sent_copies_.with(what, now_, settings.copies));
  };
  for (size_t i = 0; i < unit.layers.size(); ++i) {
    const LayerUnit& layer = unit.layers[i];
    if (choice.cut[i] != CutReason::Kept || layer.lost)
      continue;
    SentUnit with = sent;
    add(layer, settings.copies, with);
    const uint64_t cost = bytes_of(payload + layer.size, with);
    const double queued = debt_ + (sent.layers ? double(bytes_of(payload, sent)) : 0);
    const double start = layer.kind == LayerKind::Structure && !layer.discardable ? allowed : allowed / 4;
    const double after = debt_ + double(cost);
    const bool waits =
        draining || (after > allowed && queued > start) || after > most || cost > settings.room;
    if (settings.bitrate && layer.kind != LayerKind::Caption && waits) {
      choice.cut[i] = CutReason::Pace;
      continue;
    }
    payload += layer.size;
    sent = with;
  }
  choice.wire_bytes = bytes_of(payload, sent) +
                      settings.cost.unit_bytes(0, 0, sent_copies_.behind_first(sent, settings.copies));
  sent_copies_.sent(sent, now_, settings.copies);
  debt_ += double(choice.wire_bytes);
}

/// Keeps the books of references.
void LayerSelector::note(const AccessUnitHeader& unit, const LayerChoice& choice) {
  for (size_t i = 0; i < unit.layers.size(); ++i) {
    const LayerUnit& layer = unit.layers[i];
    if (!coded(layer))
      continue;
    Track& state = track(layer.kind);
    const bool kept = choice.cut[i] == CutReason::Kept && !layer.lost;
    if (kept && layer.key)
      state.broken = false;
    if (kept && !state.flowing)
      state.flowing = true; // judge() let only a switch point through
    if (!kept && !layer.discardable) {
      state.broken = true;
      state.broken_here = !layer.lost;
    }
    ++state.index;
  }
}

LayerChoice LayerSelector::choose(const AccessUnitHeader& unit, uint64_t now, const Settings& settings) {
  step_ = now_ == kNever ? kFirstStep : std::min(now > now_ ? now - now_ : 0, kLongestStep);
  now_ = now_ == kNever ? now : std::max(now, now_);
  for (const auto& layer : unit.layers) {
    if (!coded(layer))
      continue;
    Track& state = track(layer.kind);
    if (layer.key && !layer.discardable && !layer.lost) {
      state.index = 0;
      state.last_top_id = state.top_id;
      state.top_id = 0;
    }
    state.top_id = std::max(state.top_id, layer.temporal_id);
  }
  measure(unit, settings);
  choose_point(settings);
  if (kLayerPoints[point_].layer < 3)
    signals_.flowing = false;
  if (kLayerPoints[point_].layer < 2)
    maps_.flowing = false;

  LayerChoice choice;
  uint8_t kept = 0;
  for (size_t i = 0; i < unit.layers.size(); ++i) {
    choice.cut[i] = judge(unit, i, kept, choice);
    if (choice.cut[i] == CutReason::Kept && !unit.layers[i].lost)
      kept |= bit(unit.layers[i]);
  }
  pace(unit, settings, choice);
  note(unit, choice);
  for (size_t i = 0; i < unit.layers.size(); ++i)
    choice.any_cut = choice.any_cut || choice.cut[i] != CutReason::Kept;
  current_layer_ = signals_.flowing ? 3 : maps_.flowing ? 2 : 1;
  return choice;
}

// ---- rates ------------------------------------------------------------------------------------------------

/// What maps take on the wire, copies included, over what they are.
double LayerSelector::copied() const {
  const double payload = map_payload_.rate();
  return payload > 0 ? 1 + map_copies_.rate() / payload : 1;
}

LayerRates LayerSelector::encoder_rates(const Settings& settings) const {
  const double units = units_.rate();
  double wire = double(settings.bitrate) * 100 / (100 + settings.cost.fec_percent);
  if (settings.window) // two pictures may be on their way
    wire = std::min(wire, double(settings.window) / 2 * 8 * units);
  const double headers = units * (settings.cost.packet_bytes() + 2 * kEntryHead) * 8;
  const double room = std::max(0.0, wire / kHeadroom - headers - captions_.rate() - other_copies_.rate());
  const unsigned layer = std::min<unsigned>(kLayerPoints[point_].layer, settings.max_layer);
  LayerRates rates;
  if (layer < 2)
    return rates;
  const double least_map = kLeastMap * 8 * units, least_signal = kLeastSignal * 8 * units;
  if (layer == 2 || !signals_.listed) {
    rates.structure = uint64_t(std::max(room / copied(), least_map));
    return rates;
  }
  rates.structure = maps_.listed ? uint64_t(std::max(room * kMapShare / copied(), least_map)) : 0;
  const double maps = std::min(double(rates.structure), map_payload_.rate()) * copied();
  rates.signal = uint64_t(std::max(room - maps, least_signal));
  return rates;
}

uint64_t LayerSelector::next_rate(const Settings& settings) const {
  const unsigned top = top_point(settings);
  const double present = rates_[std::min(point_, top)].rate();
  for (unsigned i = point_ + 1; i <= top; ++i)
    if (rates_[i].rate() > present)
      return uint64_t(rates_[i].rate() * kHeadroom * kHeadroom); // enough to go up
  return uint64_t(present);
}

uint64_t LayerSelector::full_rate(const Settings& settings) const {
  return uint64_t(rates_[top_point(settings)].rate() * kHeadroom * kHeadroom);
}

} // namespace gsem
