// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/profile/profile.hpp"
#include "tests/pipeline/run.hpp"

#include <filesystem>

using namespace pipeline_test;

GST_START_TEST(test_up_and_down_three_times) {
  Line line(direct_line(test_source(-1, 64, 48)));
  for (int i = 0; i < 3; i++) {
    for (GstState state : {GST_STATE_PLAYING, GST_STATE_PAUSED, GST_STATE_READY})
      fail_unless(line.set(state) != GST_STATE_CHANGE_FAILURE, "%s", line.errors().c_str());
    fail_unless(line.set(GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE);
    Shown shown;
    fail_unless(line.pull(shown), "%s", line.errors().c_str());
    fail_unless_equals_int(shown.layers, 14);
    line.set(GST_STATE_NULL);
  }
  fail_unless(line.errors().empty(), "%s", line.errors().c_str());
}
GST_END_TEST

GST_START_TEST(test_stop_in_the_middle_of_inference) {
  // A large picture keeps the networks busy for seconds; stopping must not wait for that.
  Line line(direct_line(test_source(-1, 1024, 1024)));
  line.set(GST_STATE_PLAYING);
  g_usleep(300000);
  fail_unless_equals_int(line.set(GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  fail_unless(line.errors().empty(), "%s", line.errors().c_str());
}
GST_END_TEST

GST_START_TEST(test_seek_in_a_file) {
  Folder folder;
  std::string file = folder.file("x.gsem");
  {
    Line writer(encode_line(test_source(50, 64, 48), {}) + " ! filesink location=" + file);
    writer.set(GST_STATE_PLAYING);
    writer.wait_for_end();
  }
  Line reader("filesrc location=" + file + " ! semanticparse ! " + decode_line({}));
  fail_unless(reader.set(GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE);
  fail_unless_equals_int(gst_element_get_state(reader.pipeline(), nullptr, nullptr, 60 * GST_SECOND),
                         GST_STATE_CHANGE_SUCCESS);
  fail_unless(gst_element_seek_simple(reader.pipeline(), GST_FORMAT_TIME,
                                      GstSeekFlags(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE),
                                      30 * kFrame));
  auto shown = reader.play();
  fail_if(shown.empty());
  fail_unless(shown.size() < 50, "the seek did nothing");
  fail_unless_equals_uint64(shown.back().pts, 49 * kFrame);
  fail_unless_equals_int(shown.back().layers, 14);
}
GST_END_TEST

/// Layers that came too late for their picture, by an element's own account.
static guint64 late_layers(Line& line, const char* element) {
  GstStructure* stats = nullptr;
  g_object_get(line.get(element).get(), "stats", &stats, nullptr);
  guint64 sum = 0, late = 0;
  for (gint i = 0; i < gst_structure_n_fields(stats); i++) {
    const GValue* value = gst_structure_get_value(stats, gst_structure_nth_field_name(stats, guint(i)));
    if (GST_VALUE_HOLDS_STRUCTURE(value) &&
        gst_structure_get_uint64(gst_value_get_structure(value), "late", &late))
      sum += late;
  }
  gst_structure_free(stats);
  return sum;
}

GST_START_TEST(test_live) {
  // 25 pictures a second for two seconds: each is sent and shown, in order. The sender may leave one
  // out only where it counted layers as too late for it; without such there are exactly 50.
  Line line(encode_line(test_source(50, 64, 48, "is-live=true"), {}) + " ! " + decode_line({}));
  auto shown = line.play();
  GstStructure* stats = nullptr;
  g_object_get(line.get("mux").get(), "stats", &stats, nullptr);
  guint64 sent = 0;
  fail_unless(gst_structure_get_uint64(stats, "access-units", &sent));
  gst_structure_free(stats);
  const guint64 late = late_layers(line, "mux");
  fail_unless(sent <= 50 && 50 - sent <= late, "%d of 50 sent, %d layers late", int(sent), int(late));
  // The receiver shows what it has, late or not: nothing is left out.
  fail_unless_equals_int(shown.size(), sent);
  for (size_t i = 1; i < shown.size(); i++)
    fail_unless(shown[i].pts > shown[i - 1].pts);
}
GST_END_TEST

namespace {

std::shared_ptr<const gsem::profile::Profile> default_profile() {
  std::shared_ptr<const gsem::profile::Profile> profile;
  std::string error;
  fail_unless(gsem::profile::load_profile("", profile, error) == gsem::Status::Ok, "%s", error.c_str());
  return profile;
}

/// A copy of the profile, all links but one real file: the one to damage.
void copy_profile(const Folder& folder, const std::string& role) {
  auto profile = default_profile();
  for (const auto& entry : std::filesystem::directory_iterator(profile->folder))
    if (entry.path() != profile->files.at(role))
      std::filesystem::create_symlink(entry.path(), folder.file(entry.path().filename()));
}

void write_weights(const Folder& folder, const std::string& role, const char* damage) {
  std::string from = default_profile()->files.at(role);
  gchar *data = nullptr, *name = g_path_get_basename(from.c_str());
  gsize size = 0;
  fail_unless(g_file_get_contents(from.c_str(), &data, &size, nullptr));
  if (!g_strcmp0(damage, "flip"))
    data[size / 2] = char(data[size / 2] ^ 1);
  if (!g_strcmp0(damage, "truncate"))
    size /= 2;
  fail_unless(g_file_set_contents(folder.file(name).c_str(), data, gssize(size), nullptr));
  g_free(data);
  g_free(name);
}

} // namespace

GST_START_TEST(test_damaged_weights) {
  struct {
    const char *role, *line;
  } cases[] = {{"signal", "signalenc name=x"},
               {"generator", "semanticenc caption=\"a bird\" ! semanticdec name=x"},
               {"edges", "structenc name=x"},
               {"captioner", "semanticenc name=x"},
               {"structure", "structenc detector=canny ! .structure structdec name=x"}};
  for (const auto& c : cases) {
    Folder folder;
    copy_profile(folder, c.role);
    std::string line = test_source(1, 64, 48) + " ! ";
    if (g_str_equal(c.role, "structure"))
      line = "tee name=t  t. ! queue ! structenc detector=canny ! x.structure  t. ! queue ! x.sink  "
             "structdec name=x ! appsink name=out  " +
             test_source(1, 64, 48) + " ! t.";
    else
      line += std::string(c.line) + " ! appsink name=out";
    Line pipeline(line);
    g_object_set(pipeline.get("x").get(), "profile", folder.path().c_str(), nullptr);
    for (const char* damage : {"flip", "truncate"}) {
      write_weights(folder, c.role, damage);
      fail_unless_equals_int(pipeline.set(GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
      fail_unless(pipeline.failed_with(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ) ||
                      pipeline.failed_with(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND),
                  "%s %s: %s", c.role, damage, pipeline.errors().c_str());
      fail_unless(pipeline.errors().find(c.role) != std::string::npos, "%s is not named: %s", c.role,
                  pipeline.errors().c_str());
      pipeline.set(GST_STATE_NULL);
      pipeline.forget_messages();
    }
    write_weights(folder, c.role, nullptr);
    fail_unless_equals_int(pipeline.play().size(), 1);
  }
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_set_timeout(tc, 120);
  tcase_add_checked_fixture(tc, nullptr, stop_leftovers);
  tcase_add_test(tc, test_up_and_down_three_times);
  tcase_add_test(tc, test_stop_in_the_middle_of_inference);
  tcase_add_test(tc, test_seek_in_a_file);
  tcase_add_test(tc, test_live);
  tcase_add_test(tc, test_damaged_weights);
}

int main(int argc, char** argv) {
  return run_with_weights(argc, argv, "states", fill);
}
