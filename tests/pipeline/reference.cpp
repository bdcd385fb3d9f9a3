// SPDX-License-Identifier: LGPL-2.1-or-later
// The published chain through the elements, with random weights from `random_reference` (the first argument).
#include "tests/pipeline/run.hpp"

#include "gst/bitstream/bytes.hpp"

using namespace pipeline_test;
using gsem::Bytes;

namespace {

std::string profile_folder; ///< absolute: as the property takes it

std::string with_profile(std::string line) {
  for (const char* element :
       {"semanticenc ", "structenc ", "signalenc ", "semanticdec ", "structdec ", "signaldec ", "codebin "})
    for (size_t at = 0; (at = line.find(element, at)) != std::string::npos;) {
      at += std::string(element).size();
      line.insert(at, "profile=" + profile_folder + " ");
    }
  return line;
}

GstVideoInfo info_of(const Shown& shown) {
  GstVideoInfo info;
  fail_unless(gst_video_info_from_caps(&info, shown.caps.get()));
  return info;
}

Bytes pixels(const Shown& shown) {
  gsem::BufferMap map(shown.buffer.get(), GST_MAP_READ);
  return {map.data(), map.data() + map.size()};
}

} // namespace

GST_START_TEST(test_all_layers) {
  for (auto [width, height] : {std::pair{256, 256}, {100, 75}}) {
    Line line(with_profile(encode_line(test_source(3, width, height), {}) + " ! " + decode_line({})));
    auto shown = line.play();
    fail_unless_equals_int(shown.size(), 3);
    for (const auto& s : shown) {
      fail_unless_equals_int(s.layers, 14);
      fail_unless_equals_int(info_of(s).width, width);
      fail_unless_equals_int(info_of(s).height, height);
    }
    fail_unless_equals_int(line.count(GST_MESSAGE_QOS), 0);
  }
}
GST_END_TEST

/// Each layer alone and in pairs; each adds something, and the same stream gives the same picture twice.
GST_START_TEST(test_layers_count) {
  std::vector<Bytes> pictures;
  for (const Layers& layers :
       {Layers{true, false, false}, Layers{true, true, false}, Layers{true, true, true},
        Layers{false, true, true}, Layers{true, false, true}, Layers{false, false, true}}) {
    const std::string text =
        with_profile(encode_line(test_source(1, 256, 256), layers) + " ! " + decode_line(layers));
    Line line(text), again(text);
    auto shown = line.play(), repeated = again.play();
    fail_unless_equals_int(shown.size(), 1);
    fail_unless_equals_int(shown[0].layers, layers.bits());
    fail_unless(pixels(shown[0]) == pixels(repeated[0]), "not the same twice");
    // Random weights of layer 2 hardly look at the base: with the map alone they may paint the same.
    for (const Bytes& other : pictures)
      fail_unless((layers.structure && !layers.caption) || other != pixels(shown[0]),
                  "without a layer the same as with it: layers %u", layers.bits());
    pictures.push_back(pixels(shown[0]));
  }
}
GST_END_TEST

/// The four networks of layer 3 are the quality points 0..15, 16..31, 32..47 and 48..63.
GST_START_TEST(test_quality_points) {
  std::vector<Bytes> pictures;
  for (int quality : {0, 15, 16, 31, 32, 47, 48, 63}) {
    Line line(with_profile(test_source(1, 256, 256) + " ! signalenc quality=" + std::to_string(quality) +
                           " ! signaldec  ! appsink name=out"));
    auto shown = line.play();
    fail_unless_equals_int(shown.size(), 1);
    pictures.push_back(pixels(shown[0]));
  }
  for (size_t i = 0; i < pictures.size(); i += 2) {
    fail_unless(pictures[i] == pictures[i + 1]);
    fail_unless(i == 0 || pictures[i] != pictures[i - 1]);
  }
}
GST_END_TEST

/// Typed words are painted, different ones differently; unknown and no words still give a picture.
GST_START_TEST(test_painting) {
  std::vector<Bytes> pictures;
  for (const char* words : {"a small red bird", "blue wings and a long tail", "xyzzy", "small small bird"}) {
    Folder folder;
    std::string file = folder.file("prompt.txt");
    fail_unless(g_file_set_contents(file.c_str(), words, -1, nullptr));
    Line line(with_profile(
        "filesrc location=" + file +
        " ! text/x-raw,format=utf8 ! semanticdec ! video/x-raw,width=256,height=256 ! appsink name=out"));
    auto shown = line.play();
    fail_unless_equals_int(shown.size(), 1);
    for (const Bytes& other : pictures)
      fail_unless(other != pixels(shown[0]), "%s", words);
    pictures.push_back(pixels(shown[0]));
  }
}
GST_END_TEST

#if GSEM_WITH_PROFILES
/// A stream of one profile is not read with the other: said, not shown wrongly.
GST_START_TEST(test_other_profile) {
  Line line(with_profile(test_source(1, 64, 64) + " ! signalenc ") + " ! signaldec ! appsink name=out");
  line.set(GST_STATE_PLAYING);
  Shown shown;
  line.pull(shown);
  fail_unless(line.failed_with(GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE), "%s", line.errors().c_str());
}
GST_END_TEST
#endif

GST_START_TEST(test_bins) {
  Line line(with_profile(test_source(3, 200, 120) +
                         " ! semanticencodebin  ! semanticparse ! semanticdecodebin "
                         " ! video/x-raw,format=RGB ! appsink name=out"));
  auto shown = line.play();
  fail_unless_equals_int(shown.size(), 3);
  fail_unless_equals_int(shown[2].layers, 14);
}
GST_END_TEST

/// What a profile lacks or what does not fit is named when the element starts.
GST_START_TEST(test_broken_profiles) {
  struct Case {
    const char *file, *element, *expected;
  };
  for (const Case& c : {Case{"edges.safetensors", "structenc", "edges"},
                        {"signal-2.safetensors", "signalenc", "signal-2"},
                        {"vocab.txt", "semanticenc", "vocab"}}) {
    Folder folder;
    std::filesystem::copy(profile_folder, folder.path(), std::filesystem::copy_options::recursive);
    gchar* data = nullptr;
    gsize size = 0;
    fail_unless(g_file_get_contents(folder.file(c.file).c_str(), &data, &size, nullptr));
    data[size / 2] = char(data[size / 2] ^ 1);
    fail_unless(g_file_set_contents(folder.file(c.file).c_str(), data, gssize(size), nullptr));
    g_free(data);
    Line line(test_source(1, 64, 64) + " ! " + c.element + " profile=" + folder.path() + " ! fakesink");
    fail_unless(line.set(GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE);
    fail_unless(line.errors().find(c.expected) != std::string::npos, "%s", line.errors().c_str());
  }
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_set_timeout(tc, 300);
  tcase_add_test(tc, test_all_layers);
  tcase_add_test(tc, test_layers_count);
  tcase_add_test(tc, test_quality_points);
  tcase_add_test(tc, test_painting);
#if GSEM_WITH_PROFILES
  tcase_add_test(tc, test_other_profile);
#endif
  tcase_add_test(tc, test_bins);
  tcase_add_test(tc, test_broken_profiles);
}

int main(int argc, char** argv) {
  if (argc < 2)
    return 2;
  gchar* folder = g_dir_make_tmp("gsem-reference-XXXXXX", nullptr);
  profile_folder = folder;
  g_free(folder);
  const gchar* command[] = {argv[1], profile_folder.c_str(), nullptr};
  gint status = 1;
  if (!g_spawn_sync(nullptr, const_cast<gchar**>(command), nullptr, G_SPAWN_DEFAULT, nullptr, nullptr,
                    nullptr, nullptr, &status, nullptr) ||
      status != 0)
    return 1;
  g_setenv("CK_FORK", "no", FALSE); // LibTorch takes seconds to load: once is enough
  const int result = leaks::run(argc, argv, "reference", fill);
  std::error_code ignored;
  std::filesystem::remove_all(profile_folder, ignored);
  return result;
}
