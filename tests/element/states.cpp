// SPDX-License-Identifier: LGPL-2.1-or-later
// Every element of the plugin through its states, and what gst-inspect reads of it.
#include "tests/element/leaks.hpp"
#include "tests/element/stream.hpp"
#include "tests/element/test_profile.hpp"

#include <gst/base/gstaggregator.h>

namespace {

const char* const kElements[] = {"semanticmux",     "semanticdemux",   "semanticparse",
                                 "semantictextenc", "semantictextdec", "semanticlayerfilter"};

} // namespace

GST_START_TEST(up_and_down_three_times) {
  for (const char* name : kElements) {
    GstElement* element = gst_element_factory_make(name, nullptr);
    fail_unless(element != nullptr, "no %s", name);
    gst_object_ref_sink(element);
    if (g_object_class_find_property(G_OBJECT_GET_CLASS(element), "profile"))
      g_object_set(element, "profile", test_profile::name(), nullptr);
    for (int round = 0; round < 3; ++round)
      for (GstState state : {GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_PAUSED,
                             GST_STATE_READY, GST_STATE_NULL})
        fail_unless(gst_element_set_state(element, state) != GST_STATE_CHANGE_FAILURE, "%s to %s", name,
                    gst_element_state_get_name(state));
    gst_object_unref(element);
  }
}
GST_END_TEST

GST_START_TEST(requested_pads_survive_states) {
  GstElement* mux = gst_element_factory_make("semanticmux", nullptr);
  gst_object_ref_sink(mux);
  GstPad* pad = gst_element_request_pad_simple(mux, "signal");
  fail_unless_equals_string(GST_PAD_NAME(pad), "signal");
  for (int round = 0; round < 3; ++round) {
    gst_element_set_state(mux, GST_STATE_PLAYING);
    gst_element_set_state(mux, GST_STATE_NULL);
  }
  gst_element_release_request_pad(mux, pad);
  gst_object_unref(pad);
  gst_object_unref(mux);
}
GST_END_TEST

GST_START_TEST(properties_are_documented) {
  for (const char* name :
       {"semanticmux", "semanticdemux", "semanticparse", "semantictextenc", "semantictextdec",
        "semanticencodebin", "semanticdecodebin", "semanticlayerfilter"}) {
    GstElementFactory* factory = gst_element_factory_find(name);
    fail_unless(factory != nullptr, "no %s", name);
    factory = GST_ELEMENT_FACTORY(gst_plugin_feature_load(GST_PLUGIN_FEATURE(factory)));
    auto* klass = static_cast<GObjectClass*>(g_type_class_ref(gst_element_factory_get_element_type(factory)));
    guint n = 0;
    GParamSpec** specs = g_object_class_list_properties(klass, &n);
    for (guint i = 0; i < n; ++i) {
      if (specs[i]->owner_type != gst_element_factory_get_element_type(factory))
        continue;
      fail_unless(g_param_spec_get_blurb(specs[i]) && strlen(g_param_spec_get_blurb(specs[i])) > 20, "%s.%s",
                  name, specs[i]->name);
      const bool writable = specs[i]->flags & G_PARAM_WRITABLE;
      const bool says_when =
          specs[i]->flags & (GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PAUSED | GST_PARAM_MUTABLE_PLAYING);
      fail_unless(!writable || says_when, "%s.%s does not say when it may change", name, specs[i]->name);
    }
    g_free(specs);
    g_type_class_unref(klass);
    gst_object_unref(factory);
  }
}
GST_END_TEST

GST_START_TEST(ranks) {
  for (const char* name : {"semanticparse", "semanticdecodebin"}) {
    GstElementFactory* factory = gst_element_factory_find(name);
    fail_unless_equals_int(gst_plugin_feature_get_rank(GST_PLUGIN_FEATURE(factory)), GST_RANK_PRIMARY);
    gst_object_unref(factory);
  }
  for (const char* name :
       {"semanticmux", "semanticdemux", "semantictextenc", "semantictextdec", "semanticencodebin"}) {
    GstElementFactory* factory = gst_element_factory_find(name);
    fail_unless_equals_int(gst_plugin_feature_get_rank(GST_PLUGIN_FEATURE(factory)), GST_RANK_NONE);
    gst_object_unref(factory);
  }
}
GST_END_TEST

GST_START_TEST(plugin_needs_no_torch) {
  gchar* maps = nullptr;
  GstElement* mux = gst_element_factory_make("semanticmux", nullptr);
  fail_unless(mux != nullptr && g_file_get_contents("/proc/self/maps", &maps, nullptr, nullptr));
  fail_unless(strstr(maps, "libtorch") == nullptr);
  fail_unless(strstr(maps, "libgstsemantic.so") != nullptr);
  g_free(maps);
  gst_object_unref(mux);
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, up_and_down_three_times);
  tcase_add_test(tc, requested_pads_survive_states);
  tcase_add_test(tc, properties_are_documented);
  tcase_add_test(tc, ranks);
  tcase_add_test(tc, plugin_needs_no_torch);
}

int main(int argc, char** argv) {
  test_profile::name();
  const int status = leaks::run(argc, argv, "states", fill);
  test_profile::remove();
  return status;
}
