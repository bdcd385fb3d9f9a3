// SPDX-License-Identifier: LGPL-2.1-or-later
// semanticdecodebin on a stream with damaged layers.
#include "tests/pipeline/run.hpp"

#include <algorithm>
#include <cstdlib>

using namespace pipeline_test;

namespace {

constexpr int kSide = 64, kPictures = 12, kDamaged = 4;

/// A stream of a still scene, one access unit a buffer.
std::vector<Ptr<GstBuffer>> make_units(Ptr<GstCaps>& caps, const Layers& layers) {
  Line line(encode_line("videotestsrc pattern=smpte num-buffers=" + std::to_string(kPictures) +
                            " ! video/x-raw,format=RGB,framerate=25/1,width=64,height=64",
                        layers) +
            " ! appsink name=out max-buffers=100");
  std::vector<Ptr<GstBuffer>> units;
  for (auto& shown : line.play()) {
    caps = std::move(shown.caps);
    units.push_back(std::move(shown.buffer));
  }
  fail_unless_equals_int(units.size(), kPictures);
  return units;
}

/// Its last byte is one of the topmost layer, whose checksum tells.
GstBuffer* damage(GstBuffer* unit) {
  GstBuffer* copy = gst_buffer_copy_deep(unit);
  guint8 byte = 0;
  gst_buffer_extract(copy, gst_buffer_get_size(copy) - 1, &byte, 1);
  byte ^= 0xff;
  gst_buffer_fill(copy, gst_buffer_get_size(copy) - 1, &byte, 1);
  return copy;
}

std::vector<Shown> decode(const Layers& layers, const char* conceal) {
  Ptr<GstCaps> caps;
  auto units = make_units(caps, layers);
  Line line(std::string("appsrc name=in format=time ! semanticdecodebin conceal=") + conceal +
            " ! appsink name=out max-buffers=100");
  Ptr<GstElement> in = line.get("in");
  g_object_set(in.get(), "caps", caps.get(), nullptr);
  for (int i = 0; i < kPictures; i++) {
    GstBuffer* unit = i >= kDamaged ? damage(units[size_t(i)].get()) : gst_buffer_ref(units[size_t(i)].get());
    GstFlowReturn flow = GST_FLOW_OK;
    g_signal_emit_by_name(in.get(), "push-buffer", unit, &flow);
    gst_buffer_unref(unit);
  }
  GstFlowReturn flow = GST_FLOW_OK;
  g_signal_emit_by_name(in.get(), "end-of-stream", &flow);
  auto shown = line.play();
  fail_unless_equals_int(shown.size(), kPictures); // one a unit, whatever is left of it
  return shown;
}

int step(const Shown& a, const Shown& b) {
  gsem::BufferMap ma(a.buffer.get(), GST_MAP_READ), mb(b.buffer.get(), GST_MAP_READ);
  fail_unless(ma.size() == mb.size());
  int largest = 0;
  for (gsize i = 0; i < ma.size(); i++)
    largest = std::max(largest, std::abs(int(ma.data()[i]) - int(mb.data()[i])));
  return largest;
}

guint concealed(const Shown& shown) {
  return gst_buffer_get_semantic_layer_meta(shown.buffer.get())->concealed;
}

} // namespace

/// The signal goes away for good: without concealment the picture jumps, with it no step is a third of that,
/// and after four pictures both show the same.
GST_START_TEST(test_signal_goes) {
  auto plain = decode({}, "false"), eased = decode({}, "true");
  const int jump = step(plain[kDamaged - 1], plain[kDamaged]);
  fail_unless(jump > 40, "nothing to see: %d", jump);
  for (int i = kDamaged; i < kPictures; i++) {
    const Shown& s = eased[size_t(i)];
    fail_unless_equals_int(s.layers, 6);
    fail_unless_equals_int(s.lost, 8);
    fail_unless_equals_int(concealed(s), i < kDamaged + 4 ? 8 : 0);
    fail_unless(step(eased[size_t(i) - 1], s) <= jump / 3);
  }
  fail_unless_equals_int(step(plain.back(), eased.back()), 0);
}
GST_END_TEST

/// The maps go: the last one serves for half a second, which is longer than this stream.
GST_START_TEST(test_maps_go) {
  const Layers two{true, true, false};
  auto plain = decode(two, "false"), eased = decode(two, "true");
  for (int i = kDamaged; i < kPictures; i++) {
    fail_unless_equals_int(plain[size_t(i)].layers, 2);
    fail_unless_equals_int(eased[size_t(i)].layers, 6);
    fail_unless_equals_int(concealed(eased[size_t(i)]), 4);
    fail_unless_equals_int(step(eased[kDamaged - 1], eased[size_t(i)]), 0);
  }
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, test_signal_goes);
  tcase_add_test(tc, test_maps_go);
}

int main(int argc, char** argv) {
  return run_with_weights(argc, argv, "conceal", fill);
}
