// SPDX-License-Identifier: LGPL-2.1-or-later
// Bytes of maps under limits: against encoders of any size law, and with AV1 itself.
#include "vtm_bridge/map_rate.hpp"
#include "tests/core/check.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

using namespace gsem;
using namespace gsem::maps;

namespace {

constexpr int64_t kSecond = 1'000'000'000;

/// Sizes by a law; keeps the interface's promises about keys and discard(), and notes how it was used.
class LawEncoder final : public MapEncoder {
public:
  using Law = std::function<double(int map, bool key, int quantiser)>;
  LawEncoder(Law law, bool live, int key_interval)
      : law_(std::move(law)), live_(live), interval_(key_interval) {}

  Status encode(const MapView&, bool force_key, EncodedMap& out) override {
    before_ = since_key_;
    out.key = !live_ || force_key || since_key_ == 0 || since_key_ >= interval_;
    since_key_ = out.key ? 1 : since_key_ + 1;
    out.payload.assign(size_t(std::max(1.0, law_(map, out.key, quantiser))), uint8_t(quantiser));
    encodes++;
    return Status::Ok;
  }
  void discard() override { since_key_ = since_key_ == 1 ? 0 : before_; }
  void set_quantiser(int quantiser) override { this->quantiser = quantiser; }
  const Bytes& codec_header() const override { return header_; }

  int map = 0, quantiser = 0, encodes = 0;

private:
  Law law_;
  bool live_;
  int interval_, since_key_ = 0, before_ = 0;
  Bytes header_;
};

double noise(int a, int b) {
  uint32_t h = uint32_t(a) * 2654435761u ^ uint32_t(b) * 40503u;
  h ^= h >> 15;
  h *= 2246822519u;
  h ^= h >> 13;
  return double(h % 1000) / 1000;
}

/// offer() and encode(), as an element does; how often the map was coded in `encodes`.
bool code(MapRateControl& rate, MapEncoder& encoder, const MapView& map, bool force_key, int64_t elapsed,
          EncodedMap& out) {
  bool sent = false;
  int encodes = 0;
  if (!rate.offer(force_key, elapsed))
    return false;
  CHECK(rate.encode(encoder, map, force_key, out, sent, encodes) == Status::Ok);
  CHECK(encodes >= 1 && encodes <= MapRateControl::kMaxEncodes);
  return sent;
}

/// Whatever the sizes are: never over the limit, never left out for less than a good reason, three encodes.
void test_no_map_is_larger(bool live, double slope, double spread) {
  const auto law = [=](int map, bool key, int q) {
    const double scene = 3000 * (0.05 + noise(map / 7, 1)) * (key ? 5 : 1);
    return scene * std::exp(-slope * q) * (1 + spread * noise(map, q));
  };
  for (size_t limit : {40u, 200u, 1000u, 20000u}) {
    LawEncoder encoder(law, live, 10);
    MapRateControl rate(live);
    RateLimits limits;
    limits.max_bytes = limit;
    limits.finest = 20;
    rate.set_limits(limits);
    int sent_maps = 0;
    for (int map = 0; map < 300; map++) {
      encoder.map = map;
      encoder.encodes = 0;
      EncodedMap out;
      const bool sent = code(rate, encoder, {}, map % 40 == 13, kSecond / 25, out);
      CHECK(encoder.encodes >= 1 && encoder.encodes <= MapRateControl::kMaxEncodes);
      CHECK(!sent || out.payload.size() <= limit);
      CHECK(sent || law(map, out.key, limits.coarsest) > double(limit)); // no quantiser would have done
      CHECK(!sent || (out.payload[0] >= limits.finest && out.payload[0] <= limits.coarsest));
      if (sent && law(map, out.key, limits.finest) * 1.5 < double(limit) && slope < 0.2 && spread < 0.1)
        CHECK(out.payload[0] <= limits.finest + 12); // near what the quality asks for where there is room
      CHECK(!live || sent || sent_maps > 0 || out.key);
      sent_maps += sent;
    }
    CHECK(limit < 1000 || sent_maps > 0);
  }
}

/// A key that is left out is made up for by the next map.
void test_left_out_key_is_asked_for_again() {
  bool large = true;
  LawEncoder encoder([&](int, bool key, int) { return key && large ? 500 : 50; }, true, 1000);
  MapRateControl rate(true);
  RateLimits limits;
  limits.max_bytes = 100;
  rate.set_limits(limits);
  EncodedMap out;
  for (int i = 0; i < 3; i++)
    CHECK(!code(rate, encoder, {}, false, 0, out));
  large = false;
  CHECK(code(rate, encoder, {}, false, 0, out) && out.key);
  CHECK(code(rate, encoder, {}, false, 0, out) && !out.key);
}

void test_no_limit_is_one_encode() {
  LawEncoder encoder([](int, bool, int) { return 100000; }, true, 10);
  MapRateControl rate(true);
  RateLimits limits;
  limits.finest = 33;
  rate.set_limits(limits);
  for (int i = 0; i < 30; i++) {
    EncodedMap out;
    CHECK(code(rate, encoder, {}, false, kSecond / 25, out));
    CHECK(out.payload[0] == 33);
  }
  CHECK(encoder.encodes == 30);
}

struct Spent {
  double worst = 0; ///< largest difference of a window's bytes from the rate's, less one map, relative
  double most = 0;  ///< largest excess of any span over (t + 1) seconds of the rate, in maps
  int maps = 0, sent = 0;
};

/// Offers `seconds` of maps and looks at all windows of four seconds.
Spent spend(MapEncoder& encoder, MapRateControl& rate, unsigned bitrate, int fps, int seconds,
            const std::function<MapView(int)>& picture, const std::function<void(int)>& before = {}) {
  std::vector<double> bytes;
  double largest = 0;
  for (int i = 0; i < seconds * fps; i++) {
    if (before)
      before(i);
    EncodedMap out;
    const bool sent = code(rate, encoder, picture(i), false, kSecond / fps, out);
    bytes.push_back(sent ? double(out.payload.size()) : 0);
    largest = std::max(largest, bytes.back());
  }
  Spent spent;
  spent.maps = int(bytes.size());
  spent.sent = int(bytes.size()) - int(std::count(bytes.begin(), bytes.end(), 0.0));
  const size_t window = size_t(4 * fps);
  const double per_map = bitrate / 8.0 / fps;
  for (size_t from = window; from + window <= bytes.size(); from++) {
    double sum = 0;
    for (size_t i = from; i < from + window; i++)
      sum += bytes[i];
    spent.worst = std::max(spent.worst, std::fabs(sum / (per_map * double(window)) - 1) -
                                            largest / (per_map * double(window)));
  }
  for (size_t from = 0; from < bytes.size(); from++) {
    double sum = 0;
    for (size_t i = from; i < bytes.size(); i++) {
      sum += bytes[i];
      const double allowed = per_map * double(i - from + 1 + size_t(fps)) + largest;
      spent.most = std::max(spent.most, (sum - allowed) / per_map);
    }
  }
  return spent;
}

void test_mean_is_the_bitrate() {
  for (int fps : {10, 25})
    for (unsigned bitrate : {3000u, 12000u, 40000u, 100000u})
      for (double slope : {0.07, 0.2}) {
        const auto law = [=](int map, bool key, int q) {
          const double scene = 300 * (0.7 + 0.6 * noise(map / 30, 2)) * (0.9 + 0.2 * noise(map, 3));
          return scene * (key ? 5 : 1) * std::exp(slope * (60 - q));
        };
        LawEncoder encoder(law, true, 50);
        MapRateControl rate(true);
        RateLimits limits;
        limits.bitrate = bitrate;
        limits.finest = 20;
        rate.set_limits(limits);
        const Spent spent = spend(
            encoder, rate, bitrate, fps, 40, [](int) { return MapView{}; }, [&](int i) { encoder.map = i; });
        if (spent.worst > 0.1 || spent.most > 0)
          std::fprintf(stderr, "%d fps, %u bit/s, slope %g: off by %.3f, %.1f over, %d of %d sent\n", fps,
                       bitrate, slope, spent.worst, spent.most, spent.sent, spent.maps);
        CHECK(spent.worst <= 0.1);
        CHECK(spent.most <= 0);
        CHECK(encoder.encodes <= MapRateControl::kMaxEncodes * spent.maps);
      }
}

/// Tiny and large maps in turn: what is paid for is the mean.
void test_changing_sizes() {
  for (unsigned bitrate : {8000u, 40000u}) {
    const auto law = [](int map, bool key, int q) {
      return (key || map % 3 ? 400.0 : 12.0) * std::exp(0.09 * (55 - q));
    };
    LawEncoder encoder(law, true, 25);
    MapRateControl rate(true);
    RateLimits limits;
    limits.bitrate = bitrate;
    limits.finest = 5;
    rate.set_limits(limits);
    const Spent spent = spend(
        encoder, rate, bitrate, 25, 20, [](int) { return MapView{}; }, [&](int i) { encoder.map = i; });
    CHECK(spent.worst <= 0.1 && spent.most <= 0);
  }
}

/// More rate than the finest maps need is not spent on nothing; less than the coarsest need thins them in
/// time.
void test_ends_of_the_range() {
  const auto law = [](int, bool, int q) { return 100 * std::exp(0.1 * (63 - q)); };
  LawEncoder rich(law, false, 1), poor(law, false, 1);
  MapRateControl much, little;
  RateLimits limits;
  limits.finest = 60;
  limits.bitrate = 1'000'000;
  much.set_limits(limits);
  Spent spent = spend(rich, much, limits.bitrate, 25, 20, [](int) { return MapView{}; });
  CHECK(spent.sent == spent.maps && rich.quantiser == 60 && rich.encodes == spent.maps);
  limits.bitrate = 4000; // 20 bytes a map where 100 is the least
  little.set_limits(limits);
  spent = spend(poor, little, limits.bitrate, 25, 40, [](int) { return MapView{}; });
  CHECK(spent.worst <= 0.1);
  CHECK(std::abs(spent.sent - spent.maps / 5) <= 3);
}

void test_rate_changes_while_running() {
  LawEncoder encoder([](int, bool key, int q) { return (key ? 500 : 100) * std::exp(0.1 * (60 - q)); }, true,
                     50);
  MapRateControl rate(true);
  for (unsigned bitrate : {40000u, 8000u, 60000u}) {
    RateLimits limits;
    limits.bitrate = bitrate;
    limits.finest = 10;
    rate.set_limits(limits);
    const Spent spent = spend(encoder, rate, bitrate, 25, 16, [](int) { return MapView{}; });
    CHECK(spent.worst <= 0.1 && spent.most <= 0);
  }
}

/// Soft closed curves that move and breathe.
Map draw(int side, int time) {
  Map map{side, side, Bytes(size_t(side) * size_t(side))};
  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++) {
      const double u = double(x) / side - 0.5 - 0.1 * std::sin(time * 0.05), v = double(y) / side - 0.5;
      const double radius = std::sqrt(u * u + v * v) + 0.05 * std::sin(9 * std::atan2(v, u) + time * 0.07);
      const double distance =
          std::min({std::fabs(radius - 0.35), std::fabs(radius - 0.2), std::fabs(u * v * 4)}) * 60;
      map.data[size_t(y) * size_t(side) + size_t(x)] = uint8_t(255 * std::exp(-distance * distance));
    }
  return map;
}

/// The same with AV1: what is sent decodes, whatever was tried and left out.
void test_av1(bool live, unsigned bitrate, size_t max_bytes, int fps, int seconds) {
  constexpr int kSide = 64;
  EncoderSettings settings;
  settings.width = settings.height = kSide;
  settings.live = live;
  settings.key_interval = 25;
  std::unique_ptr<MapEncoder> encoder;
  std::unique_ptr<MapDecoder> decoder;
  std::string error;
  CHECK(MapEncoder::create(settings, encoder, error) == Status::Ok);
  CHECK(MapDecoder::create("av1", encoder->codec_header(), decoder, error) == Status::Ok);
  MapRateControl rate(live);
  RateLimits limits;
  limits.bitrate = bitrate;
  limits.max_bytes = max_bytes;
  limits.finest = 30;
  rate.set_limits(limits);
  double bytes = 0;
  int sent_maps = 0;
  for (int i = 0; i < fps * seconds; i++) {
    const Map map = draw(kSide, i);
    EncodedMap out;
    if (!code(rate, *encoder, {map.data.data(), kSide, kSide, kSide}, false, kSecond / fps, out))
      continue;
    Map decoded;
    CHECK(decoder->decode(out.payload, decoded) == Status::Ok);
    CHECK(max_bytes == 0 || out.payload.size() <= max_bytes);
    bytes += i >= fps ? double(out.payload.size()) : 0; // the first second settles
    sent_maps++;
  }
  CHECK(bitrate > 0 || sent_maps == fps * seconds);
  const double mean = bytes * 8 / (seconds - 1);
  std::printf("av1 %s, %u bit/s, at most %zu: %.0f bit/s, %d of %d maps\n", live ? "live" : "stills", bitrate,
              max_bytes, mean, sent_maps, fps * seconds);
  if (bitrate > 0)
    CHECK(std::fabs(mean / bitrate - 1) < 0.1);
}

} // namespace

int main() {
  for (bool live : {false, true})
    for (double slope : {0.01, 0.07, 0.25})
      for (double spread : {0.0, 0.3, 3.0})
        test_no_map_is_larger(live, slope, spread);
  test_left_out_key_is_asked_for_again();
  test_no_limit_is_one_encode();
  test_mean_is_the_bitrate();
  test_changing_sizes();
  test_ends_of_the_range();
  test_rate_changes_while_running();
  test_av1(true, 8000, 0, 25, 9);
  test_av1(true, 24000, 0, 25, 9);
  test_av1(true, 0, 400, 25, 3);
  test_av1(false, 0, 300, 10, 2);
  return check::result();
}
