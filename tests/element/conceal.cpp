// SPDX-License-Identifier: LGPL-2.1-or-later
// What decoders show in place of layers that are missing: the caption and the map before, and a cross-fade.
#include "tests/element/coded_layers.hpp"

#include <algorithm>
#include <cstdlib>

using namespace codec_test;

namespace {

constexpr int kW = 96, kH = 64, kCaption = 2, kStructure = 4, kSignal = 8;

GstSemanticLayerMeta* meta_of(const Ptr<GstBuffer>& buffer) {
  auto meta = gst_buffer_get_semantic_layer_meta(buffer.get());
  fail_unless(meta != nullptr);
  return meta;
}

/// Largest difference of a sample between two pictures.
int largest_step(const Ptr<GstBuffer>& a, const Ptr<GstBuffer>& b) {
  GstVideoInfo info = rgb_info(kW, kH);
  gsem::VideoMap ma(&info, a.get(), GST_MAP_READ), mb(&info, b.get(), GST_MAP_READ);
  int largest = 0;
  for (int y = 0; y < kH; y++)
    for (int i = 0; i < 3 * kW; i++)
      largest = std::max(largest, std::abs(int(ma.data()[size_t(y) * ma.stride() + i]) -
                                           int(mb.data()[size_t(y) * mb.stride() + i])));
  return largest;
}

std::string still_caps() {
  return "video/x-raw, format=RGB, width=" + std::to_string(kW) + ", height=" + std::to_string(kH) +
         ", framerate=0/1";
}

/// The decoder of one layer over a base.
struct Joined {
  Bench h;
  GstHarness* base;
  CodedLayer layer;

  Joined(const char* factory, const char* pad, CodedLayer coded,
         const std::string& base_caps = raw_caps(kW, kH))
      : h(gst_element_factory_make(factory, nullptr), pad), base(h.feed("sink")), layer(std::move(coded)) {
    gst_harness_set_src_caps_str(base, base_caps.c_str());
    Ptr<GstCaps> caps(gst_caps_copy(layer.caps.get()));
    if (base_caps.find("=0/1") != std::string::npos)
      gst_caps_set_simple(caps.get(), "framerate", GST_TYPE_FRACTION, 0, 1, nullptr);
    gst_harness_set_src_caps(h, caps.release());
  }
  Ptr<GstBuffer> pull() {
    Ptr<GstBuffer> buffer(gst_harness_pull(h));
    fail_unless(buffer != nullptr);
    return buffer;
  }
  Ptr<GstBuffer> with(GstBuffer* below, int number, size_t unit = 0) {
    push(base, below);
    push(h, unit_at(layer, unit, number));
    return pull();
  }
  Ptr<GstBuffer> without(GstBuffer* below, int number, bool lost = true) {
    gst_harness_push_event(h, gap(number, lost));
    push(base, below);
    return pull();
  }
};

GstBuffer* base_at(int number, guint id = 7, int layers = kCaption) {
  GstBuffer* buffer = base_picture(kW, kH, number, id);
  gst_buffer_get_semantic_layer_meta(buffer)->layers = guint(layers);
  return buffer;
}

/// A base that differs from the usual one in every sample.
GstBuffer* other_base_at(int number, guint id) {
  GstBuffer* buffer = base_at(number, id);
  GstVideoInfo info = rgb_info(kW, kH);
  gsem::VideoMap map(&info, buffer, GST_MAP_WRITE);
  for (int y = 0; y < kH; y++)
    for (int i = 0; i < 3 * kW; i++)
      map.data()[size_t(y) * map.stride() + i] ^= 0x80;
  return buffer;
}

struct Maps : Joined {
  explicit Maps(const std::string& base_caps = raw_caps(kW, kH))
      : Joined("structdec", "structure", encode_maps(kW, kH, 2), base_caps) {}
};

CodedLayer coded_signal() {
  GstElement* encoder = gst_element_factory_make("signalenc", nullptr);
  g_object_set(encoder, "quality", 50, nullptr);
  return encode(encoder, kW, kH, 1);
}

struct Signals : Joined {
  explicit Signals(const std::string& base_caps = raw_caps(kW, kH))
      : Joined("signaldec", "signal", coded_signal(), base_caps) {}
};

} // namespace

// ---- captions ------------------------------------------------------------------------------------------

GST_START_TEST(test_lost_caption) {
  GstElement* encoder = gst_element_factory_make("semanticenc", nullptr);
  g_object_set(encoder, "caption", "a small yellow bird", nullptr);
  CodedLayer captions = encode(encoder, kW, kH, 1);
  Bench h(gst_element_factory_make("semanticdec", nullptr));
  gst_harness_set_src_caps(h, gst_caps_ref(captions.caps.get()));
  gst_harness_push_event(h, gap(0, true)); // the first one: nothing can stand in for it
  Ptr<GstBuffer> grey(gst_harness_pull(h));
  fail_unless(meta_of(grey)->lost == kCaption && meta_of(grey)->concealed == 0);
  push(h, unit_at(captions, 0, 1));
  Ptr<GstBuffer> painted(gst_harness_pull(h));
  fail_unless(meta_of(painted)->lost == 0 && meta_of(painted)->concealed == 0);
  gst_harness_push_event(h, gap(2, true));
  Ptr<GstBuffer> kept(gst_harness_pull(h));
  fail_unless(same_memory(painted.get(), kept.get()));
  fail_unless(meta_of(kept)->lost == kCaption && meta_of(kept)->concealed == kCaption &&
              meta_of(kept)->layers == kCaption);
  gst_harness_push_event(h, gap(3)); // not sent: the caption has not changed, nothing is concealed
  Ptr<GstBuffer> unchanged(gst_harness_pull(h));
  fail_unless(same_memory(painted.get(), unchanged.get()) && meta_of(unchanged)->concealed == 0);
}
GST_END_TEST

// ---- maps ----------------------------------------------------------------------------------------------

/// On the same base it is the same picture, by reference; on another, what the map makes of that one.
GST_START_TEST(test_last_map_serves_again) {
  Maps j;
  auto first = j.with(base_at(0), 0);
  auto again = j.without(base_at(1), 1);
  fail_unless(same_memory(first.get(), again.get()));
  fail_unless(meta_of(again)->layers == (kCaption | kStructure) && meta_of(again)->lost == kStructure &&
              meta_of(again)->concealed == kStructure);
  fail_unless(meta_of(first)->concealed == 0);
  fail_unless_equals_uint64(GST_BUFFER_PTS(again.get()), kFrame);
  auto moved = j.without(other_base_at(2, 8), 2);
  Maps reference;
  auto right = reference.with(other_base_at(2, 8), 2);
  fail_unless_equals_int(largest_step(moved, right), 0);
  fail_unless(largest_step(moved, first) > 0);
  fail_unless_equals_uint64(stat(j.h.element(), "held"), 2);
  fail_unless_equals_uint64(stat(j.h.element(), "painted"), 1);
  fail_unless_equals_uint64(stat(j.h.element(), "lost", "structure"), 2);
}
GST_END_TEST

GST_START_TEST(test_not_for_longer_than_the_hold_time) {
  Maps j;
  g_object_set(j.h.element(), "hold-time", 2 * 40, nullptr);
  for (int round = 0; round < 2; round++) { // a new map starts it anew
    int n = 5 * round;
    j.with(base_at(n), n);
    fail_unless_equals_int(meta_of(j.without(base_at(n + 1), n + 1))->layers, 6);
    fail_unless_equals_int(meta_of(j.without(base_at(n + 2), n + 2, false))->layers, 6);
    Ptr<GstBuffer> base(base_at(n + 3));
    auto passed = j.without(gst_buffer_ref(base.get()), n + 3);
    fail_unless(same_memory(base.get(), passed.get()));
    fail_unless(meta_of(passed)->layers == 2 && meta_of(passed)->lost == kStructure &&
                meta_of(passed)->concealed == 0);
    fail_unless_equals_int(meta_of(j.without(base_at(n + 4), n + 4))->layers, 2);
  }
}
GST_END_TEST

GST_START_TEST(test_damaged_map_is_concealed) {
  Maps j;
  auto first = j.with(base_at(0), 0);
  push(j.base, base_at(1));
  push(j.h, bytes_buffer(std::string(200, '\x5a'), 1));
  auto again = j.pull();
  fail_unless(same_memory(first.get(), again.get()) && meta_of(again)->concealed == kStructure);
  fail_unless_equals_uint64(stat(j.h.element(), "corrupt"), 1);
  // What a damaged map left in the decoder is not the map that is held.
  auto moved = j.without(other_base_at(2, 8), 2);
  Maps reference;
  fail_unless_equals_int(largest_step(moved, reference.with(other_base_at(2, 8), 2)), 0);
}
GST_END_TEST

GST_START_TEST(test_maps_are_not_held) {
  { // in stills
    Maps j(still_caps());
    j.with(base_at(0), 0);
    fail_unless_equals_int(meta_of(j.without(base_at(1), 1))->layers, 2);
  }
  { // when nobody wants it
    Maps j;
    g_object_set(j.h.element(), "conceal", FALSE, nullptr);
    j.with(base_at(0), 0);
    fail_unless_equals_int(meta_of(j.without(base_at(1), 1))->layers, 2);
    // The last picture is now one without a map: it must not come back as one with.
    g_object_set(j.h.element(), "conceal", TRUE, nullptr);
    auto held = j.without(base_at(2), 2);
    fail_unless_equals_int(meta_of(held)->layers, 6);
    Maps reference;
    fail_unless_equals_int(largest_step(held, reference.with(base_at(2), 2)), 0);
  }
  { // after the end of the layer
    Maps j;
    j.with(base_at(0), 0);
    gst_harness_push_event(j.h, gst_event_new_eos());
    push(j.base, base_at(1));
    fail_unless_equals_int(meta_of(j.pull())->layers, 2);
  }
  { // after a flush
    Maps j;
    j.with(base_at(0), 0);
    flush_all({j.h, j.base});
    fail_unless_equals_int(meta_of(j.without(base_at(0), 0))->layers, 2);
  }
}
GST_END_TEST

static int key_requests(GstHarness* h) {
  int count = 0;
  while (GstEvent* event = gst_harness_try_pull_upstream_event(h)) {
    count += gst_video_event_is_force_key_unit(event);
    gst_event_unref(event);
  }
  return count;
}

/// Once a second, as long as it is missing.
GST_START_TEST(test_missing_key_map_is_asked_for) {
  Joined j("structdec", "structure", encode_maps(kW, kH, 3, true));
  key_requests(j.h);
  auto delta = [&](int number) {
    GST_BUFFER_FLAG_SET(j.layer.units[1].get(), GST_BUFFER_FLAG_DELTA_UNIT);
    return meta_of(j.with(base_at(number), number, 1))->layers;
  };
  fail_unless_equals_int(delta(0), 2); // its key map never came
  fail_unless_equals_int(key_requests(j.h), 1);
  fail_unless_equals_int(delta(1), 2);
  fail_unless_equals_int(key_requests(j.h), 0);
  fail_unless_equals_int(delta(26), 2);
  fail_unless_equals_int(key_requests(j.h), 1);
  fail_unless_equals_int(meta_of(j.with(base_at(60), 60, 0))->layers, 6); // it came
  fail_unless_equals_int(delta(61), 6);
  fail_unless_equals_int(key_requests(j.h), 0);
  fail_unless_equals_uint64(stat(j.h.element(), "key-requests"), 2);
}
GST_END_TEST

/// Every map is a key map: asking would bring nothing.
GST_START_TEST(test_damaged_still_is_not_asked_for) {
  Maps j;
  key_requests(j.h);
  push(j.base, base_at(0));
  push(j.h, bytes_buffer(std::string(200, '\x5a'), 0));
  j.pull();
  fail_unless_equals_int(key_requests(j.h), 0);
}
GST_END_TEST

// ---- cross-fade ----------------------------------------------------------------------------------------

/// From the last picture with signal to those from below in equal steps, then by reference.
GST_START_TEST(test_lost_signal_fades) {
  Signals j;
  auto with = j.with(base_at(0), 0);
  Ptr<GstBuffer> base(base_at(0));
  const int jump = largest_step(with, base);
  fail_unless(jump > 60, "the base is too near to the picture to see a fade: %d", jump);
  Ptr<GstBuffer> last(gst_buffer_ref(with.get()));
  for (int n = 1; n <= 4; n++) {
    auto out = j.without(base_at(n), n, n % 2 == 0);
    fail_unless(meta_of(out)->layers == kCaption && meta_of(out)->concealed == kSignal);
    const int step = largest_step(last, out);
    fail_unless(step > 0 && step <= jump / 5 + 2, "step %d of %d at picture %d", step, jump, n);
    // It lies on the line between the two.
    fail_unless(std::abs(largest_step(out, base) - jump * (5 - n) / 5) <= 2);
    last = std::move(out);
  }
  fail_unless(largest_step(last, base) <= jump / 5 + 2);
  Ptr<GstBuffer> below(base_at(5));
  auto out = j.without(gst_buffer_ref(below.get()), 5);
  fail_unless(same_memory(below.get(), out.get()) && meta_of(out)->concealed == 0);
  fail_unless_equals_uint64(stat(j.h.element(), "faded"), 4);
  fail_unless_equals_uint64(stat(j.h.element(), "passed"), 5);
}
GST_END_TEST

GST_START_TEST(test_signal_is_back_at_once) {
  Signals j;
  auto with = j.with(base_at(0), 0);
  j.without(base_at(1), 1);
  auto back = j.with(base_at(2), 2);
  fail_unless_equals_int(largest_step(with, back), 0);
  fail_unless_equals_int(meta_of(back)->concealed, 0);
  auto fading = j.without(base_at(3), 3); // a whole fade again
  Ptr<GstBuffer> base(base_at(3));
  fail_unless(std::abs(largest_step(fading, base) - largest_step(with, base) * 4 / 5) <= 2);
}
GST_END_TEST

/// While the signal fades the map goes too: what is on the screen fades on.
GST_START_TEST(test_two_falls) {
  Signals j;
  auto last = j.with(base_at(0, 0, 6), 0);
  int number = 1;
  for (int layers : {6, 6, 2, 2, 2, 2}) {
    GstBuffer* below = layers == 6 ? base_at(number, 0, 6) : other_base_at(number, 9);
    Ptr<GstBuffer> target(gst_buffer_copy_deep(below));
    const int before = largest_step(last, target);
    auto out = j.without(below, number);
    const bool new_fall = number == 1 || number == 3;
    fail_unless(!new_fall || largest_step(last, out) <= before / 5 + 2, "picture %d jumps", number);
    fail_unless(largest_step(out, target) < before);
    const guint gone = kSignal | (layers == 2 ? kStructure : 0u);
    fail_unless_equals_int(meta_of(out)->concealed, gone);
    last = std::move(out);
    number++;
  }
  Ptr<GstBuffer> below(base_at(number));
  auto out = j.without(gst_buffer_ref(below.get()), number);
  fail_unless(same_memory(below.get(), out.get()));
}
GST_END_TEST

static void falls_at_once(Joined& j) {
  j.with(base_at(0), 0);
  Ptr<GstBuffer> below(base_at(1));
  auto out = j.without(gst_buffer_ref(below.get()), 1);
  fail_unless(same_memory(below.get(), out.get()));
}

GST_START_TEST(test_no_fade) {
  {
    Signals stills(still_caps());
    falls_at_once(stills);
  }
  for (const char* off : {"conceal", "fade"}) {
    Signals j;
    gst_util_set_object_arg(G_OBJECT(j.h.element()), off, "0");
    falls_at_once(j);
  }
  Signals j; // and none goes on over a flush
  j.with(base_at(0), 0);
  j.without(base_at(1), 1);
  flush_all({j.h, j.base});
  Ptr<GstBuffer> below(base_at(0));
  auto out = j.without(gst_buffer_ref(below.get()), 0);
  fail_unless(same_memory(below.get(), out.get()));
}
GST_END_TEST

/// structdec fades too where it is the last: semanticdecodebin tells it so.
GST_START_TEST(test_lost_maps_fade) {
  Maps j;
  g_object_set(j.h.element(), "fade", 2, "hold-time", 40, nullptr);
  auto with = j.with(base_at(0), 0);
  Ptr<GstBuffer> base(base_at(0));
  const int jump = largest_step(with, base);
  auto held = j.without(base_at(1), 1);
  fail_unless(same_memory(with.get(), held.get()));
  auto fading = j.without(base_at(2), 2);
  fail_unless(std::abs(largest_step(fading, base) - jump * 2 / 3) <= 2);
  fail_unless_equals_int(meta_of(fading)->concealed, kStructure);
  j.without(base_at(3), 3);
  Ptr<GstBuffer> below(base_at(4));
  fail_unless(same_memory(below.get(), j.without(gst_buffer_ref(below.get()), 4).get()));
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, test_lost_caption);
  tcase_add_test(tc, test_last_map_serves_again);
  tcase_add_test(tc, test_not_for_longer_than_the_hold_time);
  tcase_add_test(tc, test_damaged_map_is_concealed);
  tcase_add_test(tc, test_maps_are_not_held);
  tcase_add_test(tc, test_missing_key_map_is_asked_for);
  tcase_add_test(tc, test_damaged_still_is_not_asked_for);
  tcase_add_test(tc, test_lost_signal_fades);
  tcase_add_test(tc, test_signal_is_back_at_once);
  tcase_add_test(tc, test_two_falls);
  tcase_add_test(tc, test_no_fade);
  tcase_add_test(tc, test_lost_maps_fade);
}

int main(int argc, char** argv) {
  return run_with_weights(argc, argv, "conceal", fill);
}
