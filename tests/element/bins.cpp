// SPDX-License-Identifier: LGPL-2.1-or-later
// semanticencodebin and semanticdecodebin: plumbing, with stand-ins for the codec elements.
#include "tests/element/fake_codecs.hpp"
#include "tests/element/leaks.hpp"
#include "tests/element/stream.hpp"

#include <algorithm>
#include <cstring>
#include <glib/gstdio.h>
#include <mutex>

using gsem::Bytes;
using namespace gsem::bitstream;

namespace {

constexpr GstClockTime kFrame = 40 * GST_MSECOND;
const char* kRaw = "video/x-raw, format=(string)RGB, width=(int)64, height=(int)48, "
                   "framerate=(fraction)25/1, interlace-mode=(string)progressive";

/// A pipeline that ends in a sink which writes down its buffers.
struct Player {
  GstElement* pipeline;
  GstBus* bus;
  std::mutex mutex;
  std::vector<std::string> pictures;
  std::vector<GstClockTime> times;
  gchar* path = nullptr;

  Player(const Bytes& file, const std::string& chain) {
    const gint fd = g_file_open_tmp("gsem-bins-XXXXXX.gsem", &path, nullptr);
    g_close(fd, nullptr);
    write(file);
    GError* error = nullptr;
    pipeline = gst_parse_launch((std::string("filesrc name=file location=") + path + " ! " + chain +
                                 " ! fakesink name=out signal-handoffs=true sync=false")
                                    .c_str(),
                                &error);
    fail_unless(error == nullptr, "%s", error ? error->message : "");
    bus = gst_element_get_bus(pipeline);
    GstElement* sink = get("out");
    g_signal_connect(sink, "handoff", G_CALLBACK(handoff), this);
    gst_object_unref(sink);
  }
  ~Player() {
    gst_element_set_state(pipeline, GST_STATE_NULL);
    stream::drain(bus);
    gst_object_unref(bus);
    gst_object_unref(pipeline);
    g_unlink(path);
    g_free(path);
  }
  static void handoff(GstElement*, GstBuffer* buffer, GstPad*, gpointer user) {
    auto* self = static_cast<Player*>(user);
    const Bytes bytes = stream::bytes_of(buffer);
    const std::lock_guard<std::mutex> lock(self->mutex);
    self->pictures.emplace_back(bytes.begin(), bytes.end());
    self->times.push_back(GST_BUFFER_PTS(buffer));
  }
  void write(const Bytes& file) {
    fail_unless(
        g_file_set_contents(path, reinterpret_cast<const gchar*>(file.data()), gssize(file.size()), nullptr));
  }
  GstElement* get(const char* name) { return gst_bin_get_by_name(GST_BIN(pipeline), name); }
  stream::Messages run() {
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    return wait();
  }
  stream::Messages wait() {
    stream::Messages found;
    GstMessage* message =
        gst_bus_timed_pop_filtered(bus, 20 * GST_SECOND, GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    fail_unless(message != nullptr, "neither EOS nor an error within 20 s");
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
      GError* error = nullptr;
      gst_message_parse_error(message, &error, nullptr);
      found = {0, 1, error->domain, error->code, error->message};
      g_error_free(error);
    }
    gst_message_unref(message);
    return found;
  }
};

std::string all_layers(const std::vector<int>& kinds) {
  auto has = [&](int kind) { return std::find(kinds.begin(), kinds.end(), kind) != kinds.end(); };
  std::string text = has(1) ? "c" : has(2) ? "." : "-";
  if (has(2))
    text += ":P";
  if (has(3))
    text += std::string(":") + (has(2) ? "P" : "U") + "P";
  return text;
}

AccessUnitHeader unit_of(GstBuffer* buffer, StreamHeader* header = nullptr) {
  const Bytes bytes = stream::bytes_of(buffer);
  gsem::ByteView data = bytes;
  StreamHeader parsed;
  AccessUnitHeader unit;
  size_t size = 0;
  if (data[0] == 'G') {
    fail_unless(parse_stream_header(data, parsed, size) == gsem::Status::Ok);
    data = data.subspan(size);
    if (header)
      *header = parsed;
  }
  fail_unless(parse_access_unit_header(data, unit, size, nullptr) == gsem::Status::Ok);
  return unit;
}

} // namespace

// ---- encode -----------------------------------------------------------------------------------------------

GST_START_TEST(encode_one_to_three_layers) {
  fake_codecs::add();
  for (int layers = 1; layers <= 3; ++layers) {
    gchar* launch = g_strdup_printf("semanticencodebin layers=%d", layers);
    GstHarness* h = gst_harness_new_parse(launch);
    g_free(launch);
    gst_harness_set_src_caps_str(h, kRaw);
    for (int i = 0; i < 5; ++i) {
      GstBuffer* buffer = stream::buffer(Bytes(64 * 48 * 3), GstClockTime(i) * kFrame);
      GST_BUFFER_DURATION(buffer) = kFrame;
      fail_unless_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
      GstBuffer* out = gst_harness_pull(h);
      fail_unless(out != nullptr);
      StreamHeader header;
      fail_unless_equals_int(unit_of(out, &header).layers.size(), layers);
      fail_unless_equals_uint64(GST_BUFFER_PTS(out), GstClockTime(i) * kFrame);
      if (i == 0)
        fail_unless(header.width == 64 && header.height == 48 && int(header.layers.size()) == layers);
      gst_buffer_unref(out);
    }
    gst_harness_teardown(h);
  }
}
GST_END_TEST

GST_START_TEST(encode_again_with_other_layers) {
  fake_codecs::add();
  GstElement* bin = gst_element_factory_make("semanticencodebin", nullptr);
  gst_object_ref_sink(bin);
  for (int layers : {3, 1, 2, 3}) {
    g_object_set(bin, "layers", layers, nullptr);
    GstHarness* h = gst_harness_new_with_element(bin, "sink", "src");
    gst_harness_set_src_caps_str(h, kRaw);
    gst_harness_push(h, stream::buffer(Bytes(64 * 48 * 3), 0));
    GstBuffer* out = gst_harness_pull(h);
    fail_unless_equals_int(unit_of(out).layers.size(), layers);
    gst_buffer_unref(out);
    gst_harness_teardown(h);
    gst_element_set_state(bin, GST_STATE_NULL);
  }
  gst_object_unref(bin);
}
GST_END_TEST

/// `structure=false`: caption and signal, and the map's encoder loads nothing.
GST_START_TEST(encode_without_a_map) {
  fake_codecs::add();
  GstElement* bin = gst_element_factory_make("semanticencodebin", nullptr);
  gst_object_ref_sink(bin);
  for (bool structure : {false, true}) {
    g_object_set(bin, "structure", structure, nullptr);
    GstHarness* h = gst_harness_new_with_element(bin, "sink", "src");
    gst_harness_set_src_caps_str(h, kRaw);
    gst_harness_push(h, stream::buffer(Bytes(64 * 48 * 3), 0));
    GstBuffer* out = gst_harness_pull(h);
    StreamHeader header;
    const auto unit = unit_of(out, &header);
    std::vector<LayerKind> wanted{LayerKind::Caption, LayerKind::Structure, LayerKind::Signal};
    if (!structure)
      wanted.erase(wanted.begin() + 1);
    fail_unless_equals_int(unit.layers.size(), wanted.size());
    fail_unless_equals_int(header.layers.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); i++)
      fail_unless(unit.layers[i].kind == wanted[i]);
    gsem::Ptr<GstElement> encoder(gst_bin_get_by_name(GST_BIN(bin), "structenc"));
    GstState state;
    gst_element_get_state(encoder.get(), &state, nullptr, 0);
    fail_unless_equals_int(state == GST_STATE_NULL, !structure);
    gst_buffer_unref(out);
    gst_harness_teardown(h);
    gst_element_set_state(bin, GST_STATE_NULL);
  }
  gst_object_unref(bin);
}
GST_END_TEST

/// Bytes that the bin makes of 4 s of video.
static size_t bytes_at(guint bitrate) {
  gsem::Ptr<gchar> launch(g_strdup_printf("semanticencodebin bitrate=%u", bitrate));
  GstHarness* h = gst_harness_new_parse(launch.get());
  gst_harness_set_src_caps_str(h, kRaw);
  size_t bytes = 0;
  for (int i = 0; i < 100; ++i) {
    GstBuffer* buffer = stream::buffer(Bytes(64 * 48 * 3), GstClockTime(i) * kFrame);
    GST_BUFFER_DURATION(buffer) = kFrame;
    fail_unless_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
    gsem::Ptr<GstBuffer> out(gst_harness_pull(h));
    for (const auto& layer : unit_of(out.get()).layers)
      bytes += layer.size;
  }
  gst_harness_teardown(h);
  return bytes;
}

/// 25 units a second of five bytes a layer take 1,320 bytes a second with 44 of packet headers and some of
/// the descriptors: half of that is a third of the pictures' upper layers.
GST_START_TEST(bitrate_is_kept) {
  fake_codecs::add();
  const size_t all = bytes_at(0), half = bytes_at(6000);
  fail_unless_equals_int(all, 100 * 3 * 5);
  fail_unless(half < all * 3 / 4, "%zu bytes of %zu", half, all);
  fail_unless(half >= 100 * 5, "captions always go: %zu bytes", half);
}
GST_END_TEST

GST_START_TEST(properties_reach_the_children) {
  fake_codecs::add();
  GstElement* bin = gst_element_factory_make("semanticencodebin", nullptr);
  gst_object_ref_sink(bin);
  g_object_set(bin, "profile", "other", "quality", 50, "bitrate", 40000, nullptr);
  guint bitrate = 0;
  gst_child_proxy_get(GST_CHILD_PROXY(bin), "semanticlayerfilter::target-bitrate", &bitrate, nullptr);
  fail_unless_equals_int(bitrate, 40000);
  for (const char* name : {"semanticenc", "structenc", "signalenc"}) {
    gchar* profile = nullptr;
    gint quality = 0;
    GObject* child = gst_child_proxy_get_child_by_name(GST_CHILD_PROXY(bin), name);
    fail_unless(child != nullptr, "no child %s", name);
    g_object_get(child, "profile", &profile, "quality", &quality, nullptr);
    expect_text(profile, "other");
    // The bin's quality is the signal's; the map has its own.
    fail_unless_equals_int(quality, !strcmp(name, "signalenc") ? 50 : 0);
    g_free(profile);
    g_object_unref(child);
  }
  gst_child_proxy_set(GST_CHILD_PROXY(bin), "structenc::quality", 7, nullptr);
  gint quality = 0;
  gst_child_proxy_get(GST_CHILD_PROXY(bin), "structenc::quality", &quality, nullptr);
  fail_unless_equals_int(quality, 7);
  gst_object_unref(bin);
}
GST_END_TEST

// ---- decode -----------------------------------------------------------------------------------------------

GST_START_TEST(decode_seven_subsets) {
  fake_codecs::add();
  for (int mask = 1; mask < 8; ++mask) {
    std::vector<int> kinds;
    for (int kind = 1; kind <= 3; ++kind)
      if (mask & 1 << (kind - 1))
        kinds.push_back(kind);
    Player player(stream::file(kinds, 20), "semanticparse ! semanticdecodebin");
    fail_unless_equals_int(player.run().errors, 0);
    fail_unless_equals_int(player.pictures.size(), 20);
    for (size_t i = 0; i < 20; ++i) {
      expect_text(player.pictures[i], all_layers(kinds));
      fail_unless_equals_uint64(player.times[i], GstClockTime(i) * kFrame);
    }
  }
}
GST_END_TEST

GST_START_TEST(missing_layers_in_the_stream) {
  fake_codecs::add();
  const auto header = stream::header({1, 2, 3});
  stream::Writer writer(header);
  Bytes file = stream::header_bytes(header);
  stream::append(file, writer.unit(0, {{1, {1}}, {2, {1}}, {3, {1}}}));
  stream::append(file, writer.unit(1, {{2, {1}}, {3, {1}}}));
  stream::append(file, writer.unit(2, {{2, {}, true, true, true}, {3, {1}}}));
  stream::append(file, writer.unit(3, {{1, {1}}, {3, {}, true, true, true}}));
  stream::append(file, writer.unit(4, {}));
  Player player(file, "semanticparse ! semanticdecodebin");
  fail_unless_equals_int(player.run().errors, 0);
  const char* want[] = {"c:P:PP", ".:P:PP", ".:L:LP", "c:N:NL", ".:N:NN"};
  fail_unless_equals_int(player.pictures.size(), 5);
  for (size_t i = 0; i < 5; ++i)
    expect_text(player.pictures[i], want[i]);
}
GST_END_TEST

GST_START_TEST(max_layer_from_the_start) {
  fake_codecs::add();
  const char* want[] = {"c:O:OO", "c:P:PO", "c:P:PP"};
  for (int layer = 1; layer <= 3; ++layer) {
    Player player(stream::file({1, 2, 3}, 10),
                  "semanticparse ! semanticdecodebin max-layer=" + std::to_string(layer));
    fail_unless_equals_int(player.run().errors, 0);
    fail_unless_equals_int(player.pictures.size(), 10);
    for (const auto& picture : player.pictures)
      expect_text(picture, want[layer - 1]);
  }
}
GST_END_TEST

static GstPadProbeReturn change_at(GstPad*, GstPadProbeInfo* info, gpointer bin) {
  const GstClockTime pts = GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info));
  if (pts == 20 * kFrame)
    g_object_set(bin, "max-layer", 1, nullptr);
  if (pts == 40 * kFrame)
    g_object_set(bin, "max-layer", 3, nullptr);
  return GST_PAD_PROBE_OK;
}

GST_START_TEST(max_layer_while_playing) {
  fake_codecs::add();
  Player player(stream::file({1, 2, 3}, 60), "semanticparse name=p ! semanticdecodebin name=d");
  GstElement *parse = player.get("p"), *bin = player.get("d");
  GstPad* pad = gst_element_get_static_pad(parse, "src");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, change_at, bin, nullptr);
  gst_object_unref(pad);
  gst_object_unref(parse);
  fail_unless_equals_int(player.run().errors, 0);
  gst_object_unref(bin);
  fail_unless_equals_int(player.pictures.size(), 60);
  for (size_t i = 0; i < 60; ++i) {
    expect_text(player.pictures[i], i >= 20 && i < 40 ? "c:O:OO" : "c:P:PP");
    fail_unless_equals_uint64(player.times[i], GstClockTime(i) * kFrame);
  }
}
GST_END_TEST

GST_START_TEST(another_stream_after_ready) {
  fake_codecs::add();
  Player player(stream::file({1, 2, 3}, 5), "semanticparse ! semanticdecodebin");
  fail_unless_equals_int(player.run().errors, 0);
  for (const auto& kinds : {std::vector<int>{3}, {1, 2}, {2, 3}, {1, 2, 3}}) {
    gst_element_set_state(player.pipeline, GST_STATE_READY);
    player.write(stream::file(kinds, 6));
    player.pictures.clear();
    fail_unless_equals_int(player.run().errors, 0);
    fail_unless_equals_int(player.pictures.size(), 6);
    expect_text(player.pictures.back(), all_layers(kinds));
  }
}
GST_END_TEST

GST_START_TEST(seek_in_a_file) {
  fake_codecs::add();
  Player player(stream::file({1, 2, 3}, 100), "semanticparse ! semanticdecodebin");
  gst_element_set_state(player.pipeline, GST_STATE_PAUSED);
  fail_unless(gst_element_get_state(player.pipeline, nullptr, nullptr, 20 * GST_SECOND) ==
              GST_STATE_CHANGE_SUCCESS);
  for (int target : {60, 10}) {
    fail_unless(gst_element_seek_simple(player.pipeline, GST_FORMAT_TIME,
                                        GstSeekFlags(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE),
                                        gint64(target) * gint64(kFrame)));
    fail_unless(gst_element_get_state(player.pipeline, nullptr, nullptr, 20 * GST_SECOND) ==
                GST_STATE_CHANGE_SUCCESS);
    gint64 position = 0;
    fail_unless(gst_element_query_position(player.pipeline, GST_FORMAT_TIME, &position));
    fail_unless_equals_int64(position, gint64(target) * gint64(kFrame));
  }
  player.pictures.clear();
  player.times.clear();
  gst_element_set_state(player.pipeline, GST_STATE_PLAYING);
  fail_unless_equals_int(player.wait().errors, 0);
  fail_unless_equals_uint64(player.times.back(), 99 * kFrame);
  for (const auto& picture : player.pictures)
    expect_text(picture, "c:P:PP");
}
GST_END_TEST

GST_START_TEST(decodebin_finds_it) {
  fake_codecs::add();
  Player player(stream::file({1, 2, 3}, 10), "decodebin");
  fail_unless_equals_int(player.run().errors, 0);
  fail_unless_equals_int(player.pictures.size(), 10);
  expect_text(player.pictures[5], "c:P:PP");
}
GST_END_TEST

GST_START_TEST(one_stream_to_the_outside) {
  fake_codecs::add();
  Player player(stream::file({1, 2, 3}, 5), "semanticparse name=p ! semanticdecodebin name=d");
  gst_element_set_state(player.pipeline, GST_STATE_PAUSED);
  fail_unless(gst_element_get_state(player.pipeline, nullptr, nullptr, 20 * GST_SECOND) ==
              GST_STATE_CHANGE_SUCCESS);
  GstElement *parse = player.get("p"), *sink = player.get("out");
  GstPad *before = gst_element_get_static_pad(parse, "src"),
         *after = gst_element_get_static_pad(sink, "sink");
  gchar *id_before = gst_pad_get_stream_id(before), *id_after = gst_pad_get_stream_id(after);
  expect_text(id_after, id_before);
  g_free(id_before);
  g_free(id_after);
  for (gpointer object : {gpointer(before), gpointer(after), gpointer(parse), gpointer(sink)})
    gst_object_unref(object);
  fail_unless(gst_bus_pop_filtered(player.bus, GST_MESSAGE_STREAM_COLLECTION) == nullptr);
}
GST_END_TEST

GST_START_TEST(a_new_layer_later_is_a_warning) {
  fake_codecs::add();
  Bytes file = stream::file({1, 2}, 5);
  stream::Writer writer(stream::header({1, 2, 3}));
  stream::append(file, stream::header_bytes(writer.header()));
  for (uint64_t i = 5; i < 10; ++i)
    stream::append(file, writer.unit(i, {{1, {1}}, {2, {2}}, {3, {3}}}));
  Player player(file, "semanticparse ! semanticdecodebin");
  gst_element_set_state(player.pipeline, GST_STATE_PLAYING);
  GstMessage* message = gst_bus_timed_pop_filtered(
      player.bus, 20 * GST_SECOND, GstMessageType(GST_MESSAGE_WARNING | GST_MESSAGE_ERROR | GST_MESSAGE_EOS));
  fail_unless(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING);
  gst_message_unref(message);
  fail_unless_equals_int(player.wait().errors, 0);
  fail_unless_equals_int(player.pictures.size(), 10);
}
GST_END_TEST

// ---- without the codec plugin
// ---------------------------------------------------------------------------------

GST_START_TEST(missing_codec_plugin) {
  for (const char* name : {"semanticencodebin", "semanticdecodebin"}) {
    GstElement* bin = gst_element_factory_make(name, nullptr);
    GstBus* bus = gst_bus_new();
    gst_object_ref_sink(bin);
    gst_element_set_bus(bin, bus);
    fail_unless_equals_int(gst_element_set_state(bin, GST_STATE_READY), GST_STATE_CHANGE_FAILURE);
    GstMessage* missing = gst_bus_pop_filtered(bus, GST_MESSAGE_ELEMENT);
    fail_unless(missing && gst_message_has_name(missing, "missing-plugin"));
    gst_message_unref(missing);
    const auto found = stream::drain(bus);
    fail_unless(found.errors == 1 && found.error_domain == GST_CORE_ERROR &&
                found.error_code == GST_CORE_ERROR_MISSING_PLUGIN);
    // What to do is in the text.
    fail_unless(found.error_text.find("semanticcodec") != std::string::npos);
    gst_element_set_state(bin, GST_STATE_NULL);
    gst_element_set_bus(bin, nullptr);
    gst_object_unref(bus);
    gst_object_unref(bin);
  }
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, encode_one_to_three_layers);
  tcase_add_test(tc, encode_again_with_other_layers);
  tcase_add_test(tc, encode_without_a_map);
  tcase_add_test(tc, bitrate_is_kept);
  tcase_add_test(tc, properties_reach_the_children);
  tcase_add_test(tc, decode_seven_subsets);
  tcase_add_test(tc, missing_layers_in_the_stream);
  tcase_add_test(tc, max_layer_from_the_start);
  tcase_add_test(tc, max_layer_while_playing);
  tcase_add_test(tc, another_stream_after_ready);
  tcase_add_test(tc, seek_in_a_file);
  tcase_add_test(tc, decodebin_finds_it);
  tcase_add_test(tc, one_stream_to_the_outside);
  tcase_add_test(tc, a_new_layer_later_is_a_warning);
  tcase_add_test(tc, missing_codec_plugin);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "bins", fill);
}
