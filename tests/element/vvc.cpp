// SPDX-License-Identifier: LGPL-2.1-or-later
// structenc and structdec with codec=vvc: the libraries where built with them ($GSEM_HAVE_VVC), otherwise a
// refusal that says what to do.
#include "tests/element/coded_layers.hpp"
#include "tests/element/refusal.hpp"

#include <cmath>

using namespace codec_test;

namespace {

constexpr int kW = 96, kH = 64, kSide = 128;

bool have_vvc() {
  return g_getenv("GSEM_HAVE_VVC") != nullptr;
}

GstElement* encoder(const char* codec) {
  GstElement* element = gst_element_factory_make("structenc", nullptr);
  gst_util_set_object_arg(G_OBJECT(element), "detector", "canny");
  g_object_set(element, "codec", codec, nullptr);
  return element;
}

/// The map of a unit, as structdec shows it at its own size.
std::string shown_map(const CodedLayer& layer, size_t index) {
  Bench h(gst_element_factory_make("structdec", nullptr), "structure");
  gst_harness_set_sink_caps_str(h, "video/x-raw, format=GRAY8, width=128, height=128");
  gst_harness_set_src_caps(h, gst_caps_ref(layer.caps.get()));
  push(h, unit_at(layer, index, 0));
  Ptr<GstBuffer> out(gst_harness_pull(h));
  fail_unless(out != nullptr);
  return text_of(out.get());
}

double psnr(const std::string& a, const std::string& b) {
  fail_unless(a.size() == b.size() && a.size() == kSide * kSide);
  double sum = 0;
  for (size_t i = 0; i < a.size(); i++)
    sum += std::pow(double(guint8(a[i])) - double(guint8(b[i])), 2);
  return 10 * std::log10(255.0 * 255 * double(a.size()) / (sum + 1e-9));
}

} // namespace

/// Against the detector's very map, which AV1 at quantiser 0 keeps.
GST_START_TEST(test_round_trip) {
  GstElement* exact = encoder("av1");
  g_object_set(exact, "quantiser", 0, nullptr);
  const std::string map = shown_map(encode(exact, kW, kH, 1), 0);
  double last = 0;
  for (int qp : {50, 10}) {
    GstElement* element = encoder("vvc");
    g_object_set(element, "qp", qp, nullptr);
    gst_util_set_object_arg(G_OBJECT(element), "live", qp == 10 ? "on" : "off");
    const CodedLayer layer = encode(element, kW, kH, 2);
    const GstStructure* s = gst_caps_get_structure(layer.caps.get(), 0);
    fail_unless_equals_string(gst_structure_get_string(s, "codec"), "vvc");
    for (size_t i = 0; i < 2; i++)
      fail_unless(gst_buffer_get_semantic_layer_meta(layer.units[i].get())->key); // every map, live or not
    const double now = psnr(map, shown_map(layer, 0));
    fail_unless(now > (qp == 50 ? 8 : 30) && now > last, "%f dB at QP %d", now, qp);
    last = now;
  }
}
GST_END_TEST

GST_START_TEST(test_max_bytes) {
  Bench h(encoder("vvc"));
  g_object_set(h.element(), "qp", 20, "max-bytes", 300, nullptr);
  gst_harness_set_src_caps_str(h, raw_caps(kW, kH).c_str());
  for (int i = 0; i < 3; i++)
    fail_unless_equals_int(gst_harness_push(h, picture(kW, kH, 0, i)), GST_FLOW_OK);
  const guint sent = gst_harness_buffers_in_queue(h);
  fail_unless(stat(h.element(), "encodes") <= 9 && stat(h.element(), "left-out") + sent == 3);
  for (guint i = 0; i < sent; i++) {
    Ptr<GstBuffer> unit(gst_harness_pull(h));
    fail_unless(gst_buffer_get_size(unit.get()) <= 300);
  }
}
GST_END_TEST

/// A damaged map costs itself.
GST_START_TEST(test_damage) {
  const CodedLayer maps = encode(encoder("vvc"), kW, kH, 1);
  const std::string right = shown_map(maps, 0);
  Bench h(gst_element_factory_make("structdec", nullptr), "structure");
  gst_harness_set_sink_caps_str(h, "video/x-raw, format=GRAY8, width=128, height=128");
  gst_harness_set_src_caps(h, gst_caps_ref(maps.caps.get()));
  push(h, unit_at(maps, 0, 0));
  gst_buffer_unref(gst_harness_pull(h));
  GstBuffer* broken = gst_buffer_make_writable(unit_at(maps, 0, 1));
  gst_buffer_memset(broken, 0, 0xff, 1); // no frame type
  push(h, broken);
  gst_buffer_unref(gst_harness_pull(h));
  fail_unless_equals_uint64(stat(h.element(), "corrupt"), 1);
  fail_unless_equals_int(h.messages(GST_MESSAGE_ERROR), 0);
  push(h, unit_at(maps, 0, 2));
  Ptr<GstBuffer> again(gst_harness_pull(h));
  fail_unless(text_of(again.get()) == right);
}
GST_END_TEST

GST_START_TEST(test_absent) {
  Ptr<GstElement> element(GST_ELEMENT(gst_object_ref_sink(encoder("vvc"))));
  const std::string said = refusal(element.get());
  fail_unless(said.find("docs/vtm.md") != said.npos, "%s", said.c_str());
  gst_element_set_state(element.get(), GST_STATE_NULL);
}
GST_END_TEST

static void fill(TCase* tc) {
  if (!have_vvc()) {
    tcase_add_test(tc, test_absent);
    return;
  }
  tcase_add_test(tc, test_round_trip);
  tcase_add_test(tc, test_max_bytes);
  tcase_add_test(tc, test_damage);
}

int main(int argc, char** argv) {
  g_setenv("CK_FORK", "no", FALSE);
  g_unsetenv("GST_SEMANTIC_VTM_DIR"); // with it VTM would decode
  return leaks::run(argc, argv, "vvc", fill);
}
