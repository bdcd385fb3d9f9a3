// SPDX-License-Identifier: LGPL-2.1-or-later
// structenc and structdec with codec=vtm, whose programs are played by tests/core/fake_vtm.cpp
// ($GSEM_FAKE_VTM): it codes maps exactly, and misbehaves as $FAKE_VTM says.
#include "tests/element/coded_layers.hpp"
#include "tests/element/refusal.hpp"

#include <filesystem>
#include <fstream>
#include <thread>

using namespace codec_test;
namespace fs = std::filesystem;

namespace {

constexpr int kW = 96, kH = 64;

fs::path scratch;

std::string vtm_folder() {
  return (scratch / "vtm").string();
}

void make_folders() {
  std::string name = (fs::temp_directory_path() / "gsem-vtm-XXXXXX").string();
  if (!g_mkdtemp(name.data())) // not fail_unless: check is not running yet
    std::abort();
  scratch = name;
  fs::create_directories(scratch / "tmp");
  fs::create_directories(scratch / "vtm/bin");
  fs::create_directories(scratch / "vtm/cfg/per-class");
  for (const char* program : {"EncoderAppStatic", "DecoderAppStatic"})
    fs::create_symlink(g_getenv("GSEM_FAKE_VTM"), scratch / "vtm/bin" / program);
  for (const char* config : {"encoder_intra_vtm.cfg", "per-class/classSCC.cfg"})
    std::ofstream(scratch / "vtm/cfg" / config) << "#\n";
  g_setenv("TMPDIR", (scratch / "tmp").c_str(), TRUE);
  g_setenv("FAKE_VTM_MARK", (scratch / "mark").c_str(), TRUE);
}

/// For the life of this object the programs misbehave; at its end nothing of theirs may be left.
class Misbehaviour {
public:
  explicit Misbehaviour(const char* mode) {
    fs::remove(scratch / "mark");
    g_setenv("FAKE_VTM", mode, TRUE);
  }
  ~Misbehaviour() { g_unsetenv("FAKE_VTM"); }
  /// Until a program that hangs has started to.
  void wait_for_mark() const {
    while (!fs::exists(scratch / "mark"))
      g_usleep(1000);
  }
};

void check_nothing_left() {
  fail_unless(fs::is_empty(scratch / "tmp"), "a private folder was left behind");
}

GstElement* encoder(const char* codec = "vtm") {
  GstElement* element = gst_element_factory_make("structenc", nullptr);
  gst_util_set_object_arg(G_OBJECT(element), "detector", "canny");
  g_object_set(element, "codec", codec, nullptr);
  if (g_str_equal(codec, "vtm"))
    g_object_set(element, "vtm-dir", vtm_folder().c_str(), nullptr);
  return element;
}

GstElement* decoder() {
  return gst_element_factory_make("structdec", nullptr);
}

/// The map of a unit, as structdec shows it at its own size.
std::string shown_map(const CodedLayer& layer, size_t index) {
  Bench h(decoder(), "structure");
  gst_harness_set_sink_caps_str(h, "video/x-raw, format=GRAY8, width=128, height=128");
  gst_harness_set_src_caps(h, gst_caps_ref(layer.caps.get()));
  push(h, unit_at(layer, index, 0));
  Ptr<GstBuffer> out(gst_harness_pull(h));
  fail_unless(out != nullptr);
  return text_of(out.get());
}

} // namespace

/// Both are lossless (VTM's stand-in always, AV1 at quantiser 0), so both must show the detector's very map.
GST_START_TEST(test_round_trip) {
  GstElement *vtm = encoder(), *av1 = encoder("av1");
  gst_util_set_object_arg(G_OBJECT(vtm), "live", "on");
  g_object_set(av1, "quantiser", 0, nullptr);
  CodedLayer through_vtm = encode(vtm, kW, kH, 2), through_av1 = encode(av1, kW, kH, 1);
  const GstStructure* s = gst_caps_get_structure(through_vtm.caps.get(), 0);
  fail_unless_equals_string(gst_structure_get_string(s, "codec"), "vvc");
  for (size_t i = 0; i < 2; i++) {
    fail_unless(shown_map(through_vtm, i) == shown_map(through_av1, 0));
    auto meta = gst_buffer_get_semantic_layer_meta(through_vtm.units[i].get());
    fail_unless(meta->key); // every map, live or not
  }
  check_nothing_left();
}
GST_END_TEST

GST_START_TEST(test_qp) {
  GstElement* element = encoder();
  g_object_set(element, "quality", 32, nullptr); // QP 50, as the networks were trained on
  Bench h(element);
  gst_harness_set_src_caps_str(h, raw_caps(kW, kH).c_str());
  CodedLayer layer;
  for (int i = 0; i < 3; i++) {
    if (i == 1)
      g_object_set(h.element(), "qp", 20, nullptr);
    if (i == 2)
      g_object_set(h.element(), "qp", -1, nullptr);
    fail_unless_equals_int(gst_harness_push(h, picture(kW, kH, 0, i)), GST_FLOW_OK);
    layer.units.emplace_back(gst_harness_pull(h));
  }
  layer.caps = src_caps(h);
  // The PPS carries the QP and travels with a map only when it is not that of the caps.
  auto holds_pps = [&](size_t unit, char qp) {
    const char pps[] = {'\x00', '\x81', qp, '\x80'};
    return text_of(layer.units[unit].get()).find(std::string(pps, 4)) != std::string::npos;
  };
  fail_if(holds_pps(0, 50));
  fail_unless(holds_pps(1, 20));
  fail_if(holds_pps(2, 50));
  std::string first = shown_map(layer, 0);
  fail_unless(first == shown_map(layer, 1) && first == shown_map(layer, 2));
}
GST_END_TEST

GST_START_TEST(test_missing_programs) {
  GstElement* element = encoder();
  g_object_set(element, "vtm-dir", "/nowhere/vtm", nullptr);
  Ptr<GstElement> owner(GST_ELEMENT(gst_object_ref_sink(element)));
  const std::string said = refusal(element);
  fail_unless(said.find("/nowhere/vtm") != said.npos, "%s", said.c_str());
  g_object_set(element, "vtm-dir", vtm_folder().c_str(), nullptr);
  fail_unless(gst_element_set_state(element, GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE);
  gst_element_set_state(element, GST_STATE_NULL);
}
GST_END_TEST

/// What the encoder does wrong, and a word that the error must hold.
GST_START_TEST(test_encoder_misbehaves) {
  const struct {
    const char *mode, *word;
  } cases[] = {{"crash", "signal 11"}, {"exit", "--from-the-test"}, {"truncate", "else than a VVC"},
               {"garbage", "VVC"},     {"empty", "0 bytes"},        {"nothing", "0 bytes"},
               {"oversize", "1 to"},   {"newsps", "parameter sets"}};
  for (const auto& c : cases) {
    Bench h(encoder());
    gst_harness_set_src_caps_str(h, raw_caps(kW, kH).c_str());
    fail_unless_equals_int(gst_harness_push(h, picture(kW, kH, 0, 0)), GST_FLOW_OK);
    gst_buffer_unref(gst_harness_pull(h));
    Misbehaviour misbehaviour(c.mode);
    fail_unless_equals_int(gst_harness_push(h, picture(kW, kH, 0, 1)), GST_FLOW_ERROR);
    fail_unless(h.has(GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED), "%s", c.mode);
    fail_unless(h.text().find(c.word) != std::string::npos, "%s: no \"%s\" in %s", c.mode, c.word,
                h.text().c_str());
    fail_unless_equals_int(gst_harness_buffers_in_queue(h), 0);
    check_nothing_left();
  }
}
GST_END_TEST

/// A hanging program ends with the flush or the stop, without an error, and the element works on after it.
GST_START_TEST(test_encoder_hangs) {
  Bench h(encoder());
  gst_harness_set_src_caps_str(h, raw_caps(kW, kH).c_str());
  for (bool flush : {true, false}) {
    GstFlowReturn flow = GST_FLOW_OK;
    {
      Misbehaviour misbehaviour("hang");
      std::thread pusher([&] { flow = gst_harness_push(h, picture(kW, kH, 0, 0)); });
      misbehaviour.wait_for_mark();
      if (flush)
        gst_harness_push_event(h, gst_event_new_flush_start());
      else
        fail_unless(gst_element_set_state(h.element(), GST_STATE_READY) == GST_STATE_CHANGE_SUCCESS);
      pusher.join();
    }
    fail_unless_equals_int(flow, GST_FLOW_FLUSHING);
    check_nothing_left();
    fail_unless_equals_int(h.messages(GST_MESSAGE_ERROR), 0);
    if (!flush)
      break;
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    fail_unless_equals_int(gst_harness_push(h, picture(kW, kH, 0, 1)), GST_FLOW_OK);
    gst_buffer_unref(gst_harness_pull(h));
  }
}
GST_END_TEST

/// Limits hold for external codecs too: what no QP makes small enough is left out.
GST_START_TEST(test_max_bytes) {
  Bench h(encoder());
  gst_harness_set_src_caps_str(h, raw_caps(kW, kH).c_str());
  g_object_set(h.element(), "max-bytes", 1000, nullptr); // the stand-in's maps are 16 kB whatever the QP
  fail_unless_equals_int(gst_harness_push(h, picture(kW, kH, 0, 0)), GST_FLOW_OK);
  fail_unless_equals_int(gst_harness_buffers_in_queue(h), 0);
  fail_unless_equals_uint64(stat(h.element(), "left-out"), 1);
  fail_unless(stat(h.element(), "encodes") <= 3);
  g_object_set(h.element(), "max-bytes", 30000, nullptr);
  fail_unless_equals_int(gst_harness_push(h, picture(kW, kH, 0, 1)), GST_FLOW_OK);
  gst_buffer_unref(gst_harness_pull(h));
}
GST_END_TEST

/// A decoder that fails costs the map, no more.
GST_START_TEST(test_decoder_misbehaves) {
  CodedLayer maps = encode(encoder(), kW, kH, 1);
  std::string right = shown_map(maps, 0);
  for (const char* mode : {"crash", "exit", "truncate", "oversize", "empty", "nothing", "greedy"}) {
    Bench h(decoder(), "structure");
    gst_harness_set_sink_caps_str(h, "video/x-raw, format=GRAY8, width=128, height=128");
    gst_harness_set_src_caps(h, gst_caps_ref(maps.caps.get()));
    push(h, unit_at(maps, 0, 0));
    gst_buffer_unref(gst_harness_pull(h));
    {
      Misbehaviour misbehaviour(mode);
      push(h, unit_at(maps, 0, 1));
      gst_buffer_unref(gst_harness_pull(h));
    }
    fail_unless_equals_uint64(stat(h.element(), "corrupt"), 1);
    fail_unless(h.has(GST_MESSAGE_WARNING, GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE), "%s", mode);
    fail_unless_equals_int(h.messages(GST_MESSAGE_ERROR), 0);
    push(h, unit_at(maps, 0, 2));
    Ptr<GstBuffer> again(gst_harness_pull(h));
    fail_unless(text_of(again.get()) == right);
    check_nothing_left();
  }
}
GST_END_TEST

GST_START_TEST(test_decoder_hangs) {
  CodedLayer maps = encode(encoder(), kW, kH, 1);
  Bench h(decoder(), "structure");
  gst_harness_set_src_caps(h, gst_caps_ref(maps.caps.get()));
  push(h, unit_at(maps, 0, 0));
  gst_buffer_unref(gst_harness_pull(h));
  Misbehaviour misbehaviour("hang");
  push(h, unit_at(maps, 0, 1));
  misbehaviour.wait_for_mark();
  fail_unless(gst_element_set_state(h.element(), GST_STATE_READY) == GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int(h.messages(GST_MESSAGE_ERROR), 0);
  check_nothing_left();
}
GST_END_TEST

GST_START_TEST(test_decoder_without_programs) {
  CodedLayer maps = encode(encoder(), kW, kH, 1);
  g_unsetenv("GST_SEMANTIC_VTM_DIR");
  Bench h(decoder(), "structure");
  gst_harness_set_src_caps(h, gst_caps_ref(maps.caps.get()));
  gst_harness_push(h, unit_at(maps, 0, 0));
  while (!h.messages(GST_MESSAGE_ERROR))
    g_usleep(1000);
  fail_unless(h.has(GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE));
  // With the library the stand-in's stream is no VVC instead.
  const char* word = g_getenv("GSEM_HAVE_VVC") ? "vvc" : "GST_SEMANTIC_VTM_DIR";
  fail_unless(h.text().find(word) != std::string::npos, "%s", h.text().c_str());
  g_setenv("GST_SEMANTIC_VTM_DIR", vtm_folder().c_str(), TRUE);
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, test_round_trip);
  tcase_add_test(tc, test_qp);
  tcase_add_test(tc, test_missing_programs);
  tcase_add_test(tc, test_encoder_misbehaves);
  tcase_add_test(tc, test_encoder_hangs);
  tcase_add_test(tc, test_max_bytes);
  tcase_add_test(tc, test_decoder_misbehaves);
  tcase_add_test(tc, test_decoder_hangs);
  tcase_add_test(tc, test_decoder_without_programs);
}

int main(int argc, char** argv) {
  g_setenv("CK_FORK", "no", FALSE);
  make_folders();
  g_setenv("GST_SEMANTIC_VTM_DIR", vtm_folder().c_str(), TRUE); // for structdec, which has no other way
  int result = leaks::run(argc, argv, "vtm", fill);
  fs::remove_all(scratch);
  return result;
}
