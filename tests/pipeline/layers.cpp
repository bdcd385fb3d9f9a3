// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/pipeline/run.hpp"

using namespace pipeline_test;

namespace {

/// Any of the seven subsets of the layers.
constexpr Layers kSubsets[] = {{true, true, true},   {true, true, false}, {true, false, true},
                               {true, false, false}, {false, true, true}, {false, true, false},
                               {false, false, true}};

void check_times(const std::vector<Shown>& shown, int pictures) {
  fail_unless_equals_int(shown.size(), pictures);
  for (int i = 0; i < pictures; i++) {
    fail_unless_equals_uint64(shown[size_t(i)].pts, i * kFrame);
    fail_unless(gst_caps_is_equal(shown[0].caps.get(), shown[size_t(i)].caps.get()),
                "caps changed at picture %d", i);
  }
}

GstVideoInfo info_of(const Shown& shown) {
  GstVideoInfo info;
  fail_unless(gst_video_info_from_caps(&info, shown.caps.get()));
  return info;
}

} // namespace

/// One picture an access unit, with its time, at its size, from the layers that are there, whatever was left
/// out.
GST_START_TEST(test_every_subset_of_the_layers) {
  const Layers& layers = kSubsets[__i__];
  Line line(encode_line(test_source(4, 100, 75), layers) + " ! " + decode_line(layers));
  auto shown = line.play();
  check_times(shown, 4);
  GstVideoInfo info = info_of(shown[0]);
  bool map_only = layers.bits() == 4;
  fail_unless_equals_int(GST_VIDEO_INFO_FORMAT(&info),
                         map_only ? GST_VIDEO_FORMAT_GRAY8 : GST_VIDEO_FORMAT_RGB);
  fail_unless_equals_int(info.width, 100);
  fail_unless_equals_int(info.height, 75);
  for (const auto& s : shown)
    fail_unless_equals_int(s.layers, layers.bits());
  fail_unless_equals_int(line.count(GST_MESSAGE_QOS), 0);
}
GST_END_TEST

/// A sender leaves a layer out, the receiver knows nothing of it: nothing but that layer is missing.
GST_START_TEST(test_receiver_of_three_gets_fewer) {
  for (const Layers& sent :
       {Layers{true, false, false}, Layers{true, true, false}, Layers{true, false, true}}) {
    Folder folder;
    std::string file = folder.file("x.gsem");
    {
      Line writer(encode_line(test_source(3, 64, 64), sent) +
                  " ! tee name=both  both. ! queue ! filesink location=" + file +
                  "  both. ! queue ! appsink name=out");
      writer.play();
      writer.wait_for_end();
    }
    // Pads that never come cannot be linked by name in a launch line: the receiver is built for what is in
    // the header.
    Line reader("filesrc location=" + file + " ! semanticparse ! " + decode_line(sent));
    auto shown = reader.play();
    check_times(shown, 3);
    for (const auto& s : shown)
      fail_unless_equals_int(s.layers, sent.bits());
  }
}
GST_END_TEST

GST_START_TEST(test_layers_dropped_on_the_way) {
  // Payloads damaged between mux and demux: still one picture an access unit.
  Folder folder;
  std::string file = folder.file("x.gsem");
  {
    Line writer(encode_line(test_source(8, 64, 64), {}) + " ! filesink location=" + file);
    writer.set(GST_STATE_PLAYING);
    writer.wait_for_end();
  }
  gchar* data = nullptr;
  gsize size = 0;
  fail_unless(g_file_get_contents(file.c_str(), &data, &size, nullptr));
  for (gsize i = size / 2; i < size; i += 97)
    data[i] = char(data[i] ^ 0x55);
  fail_unless(g_file_set_contents(file.c_str(), data, gssize(size), nullptr));
  g_free(data);
  Line reader("filesrc location=" + file + " ! semanticparse ! " + decode_line({}));
  auto shown = reader.play();
  fail_unless(shown.size() >= 4 && shown.size() <= 8, "%zu pictures", shown.size());
  for (int i = 0; i < 3; i++)
    fail_unless_equals_int(shown[size_t(i)].layers, 14);
}
GST_END_TEST

GST_START_TEST(test_sizes) {
  for (auto [width, height] : {std::pair{16, 16}, {227, 227}, {33, 640}, {320, 17}}) {
    Line line(encode_line(test_source(2, width, height), {}) + " ! " + decode_line({}));
    auto shown = line.play();
    check_times(shown, 2);
    GstVideoInfo info = info_of(shown[0]);
    fail_unless_equals_int(info.width, width);
    fail_unless_equals_int(info.height, height);
    fail_unless_equals_int(shown[1].layers, 14);
  }
}
GST_END_TEST

GST_START_TEST(test_signal_is_the_picture) {
  Layers layers;
  Line line(encode_line(test_source(1, 128, 128), layers) + " ! " + decode_line(layers));
  Line source(test_source(1, 128, 128) + " ! appsink name=out");
  g_object_set(line.get("senc").get(), "quality", 63, nullptr);
  auto decoded = line.play(), original = source.play();
  double db = psnr(original[0].buffer.get(), decoded[0].buffer.get(), 128, 128);
  fail_unless(db > 20, "%g dB", db);
}
GST_END_TEST

GST_START_TEST(test_one_picture_comes_out_before_the_end) {
  // A still: framerate 0/1, time 0, no duration, and no end of stream yet.
  Line line(
      encode_line(
          "appsrc name=in format=time caps=\"video/x-raw,format=RGB,width=80,height=60,framerate=0/1\"", {}) +
      " ! " + decode_line({}));
  fail_unless(line.set(GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE);
  GstBuffer* still = picture(80, 60);
  GST_BUFFER_DURATION(still) = GST_CLOCK_TIME_NONE;
  GstFlowReturn flow;
  auto in = line.get("in");
  g_signal_emit_by_name(in.get(), "push-buffer", still, &flow);
  gst_buffer_unref(still);
  Shown shown;
  fail_unless(line.pull(shown), "nothing before end of stream: %s", line.errors().c_str());
  fail_unless_equals_int(shown.layers, 14);
  fail_unless_equals_uint64(shown.pts, 0);
}
GST_END_TEST

GST_START_TEST(test_new_size_in_the_middle) {
  Line line(encode_line("appsrc name=in format=time", {}) + " ! " + decode_line({}));
  fail_unless(line.set(GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE);
  auto in = line.get("in");
  for (int i = 0; i < 4; i++) {
    int width = i < 2 ? 64 : 96, height = i < 2 ? 48 : 32;
    Ptr<GstCaps> caps(gst_caps_from_string(raw_caps(width, height).c_str()));
    Ptr<GstBuffer> buffer(picture(width, height, 0, i));
    Ptr<GstSample> sample(gst_sample_new(buffer.get(), caps.get(), nullptr, nullptr));
    GstFlowReturn flow;
    g_signal_emit_by_name(in.get(), "push-sample", sample.get(), &flow);
    fail_unless_equals_int(flow, GST_FLOW_OK);
  }
  GstFlowReturn flow;
  g_signal_emit_by_name(in.get(), "end-of-stream", &flow);
  auto shown = line.play();
  fail_unless_equals_int(shown.size(), 4);
  fail_unless_equals_int(info_of(shown[1]).width, 64);
  fail_unless_equals_int(info_of(shown[2]).width, 96);
  fail_unless_equals_int(info_of(shown[3]).height, 32);
}
GST_END_TEST

GST_START_TEST(test_typed_prompt) {
  // As from a pipe: a segment of bytes, no timestamps.
  Folder folder;
  std::string file = folder.file("prompt.txt");
  fail_unless(g_file_set_contents(file.c_str(), "a small red bird\n", -1, nullptr));
  Line line("filesrc location=" + file +
            " ! text/x-raw,format=utf8 ! semanticdec ! video/x-raw,width=200,height=100 ! appsink name=out");
  auto shown = line.play();
  fail_unless_equals_int(shown.size(), 1);
  fail_unless_equals_int(shown[0].layers, 2);
  fail_unless_equals_int(info_of(shown[0]).width, 200);
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_set_timeout(tc, 120);
  tcase_add_checked_fixture(tc, nullptr, stop_leftovers);
  tcase_add_loop_test(tc, test_every_subset_of_the_layers, 0, G_N_ELEMENTS(kSubsets));
  tcase_add_test(tc, test_receiver_of_three_gets_fewer);
  tcase_add_test(tc, test_layers_dropped_on_the_way);
  tcase_add_test(tc, test_sizes);
  tcase_add_test(tc, test_signal_is_the_picture);
  tcase_add_test(tc, test_one_picture_comes_out_before_the_end);
  tcase_add_test(tc, test_new_size_in_the_middle);
  tcase_add_test(tc, test_typed_prompt);
}

int main(int argc, char** argv) {
  return run_with_weights(argc, argv, "layers", fill);
}
