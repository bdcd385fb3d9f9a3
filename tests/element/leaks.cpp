// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/element/leaks.hpp"

#include <map>
#include <string>

namespace leaks {

namespace {

GstTracer* tracer() {
  GList* active = gst_tracing_get_active_tracers();
  GstTracer* found = nullptr;
  for (GList* l = active; l; l = l->next)
    if (!g_strcmp0(G_OBJECT_TYPE_NAME(l->data), "GstLeaksTracer"))
      found = GST_TRACER(l->data);
  g_list_free_full(active, gst_object_unref);
  fail_unless(found != nullptr, "the leaks tracer is not active: set GST_TRACERS=leaks");
  return found;
}

void count(const GstStructure* checkpoint, const char* field, int step, std::map<std::string, int>& live) {
  const GValue* list = gst_structure_get_value(checkpoint, field);
  for (guint i = 0; list && i < gst_value_list_get_size(list); ++i) {
    const GstStructure* object = gst_value_get_structure(gst_value_list_get_value(list, i));
    live[std::string(gst_structure_get_string(object, "type-name")) + " " +
         gst_structure_get_string(object, "address")] += step;
  }
}

/// Caps, templates, factories and clocks are cached for the life of the process; these are not.
bool must_go(const std::string& object) {
  for (const char* type : {"GstBuffer ", "GstEvent ", "GstMessage ", "GstQuery ", "GstSample ",
                           "GstPipeline ", "GstBin ", "Semantic", "GstPad ", "GstAggregatorPad ",
                           "GstGhostPad ", "GstProxyPad ", "GstQueue ", "GstTee ", "TestJoin "})
    if (object.find(type) != std::string::npos)
      return true;
  return false;
}

} // namespace

void begin() {
  g_signal_emit_by_name(tracer(), "activity-start-tracking");
}

void end() {
  std::string leaked;
  // Task threads drop their last references a moment after the state change.
  for (int attempt = 0; attempt < 20; ++attempt) {
    static std::map<std::string, int> live;
    if (attempt == 0)
      live.clear();
    else
      g_usleep(20000);
    GstStructure* checkpoint = nullptr;
    g_signal_emit_by_name(tracer(), "activity-get-checkpoint", &checkpoint);
    count(checkpoint, "objects-created-list", 1, live);
    count(checkpoint, "objects-removed-list", -1, live);
    gst_structure_free(checkpoint);
    leaked.clear();
    for (const auto& [object, n] : live)
      if (n > 0 && must_go(object))
        leaked += "\n  " + object;
    if (leaked.empty())
      break;
  }
  g_signal_emit_by_name(tracer(), "activity-stop-tracking");
  if (leaked.size() > 1500) // libcheck's messages have a limit
    leaked.resize(1500);
  fail_unless(leaked.empty(), "leaked:%s", leaked.c_str());
}

int run(int argc, char** argv, const char* name, void (*fill)(TCase*)) {
  g_setenv("GST_TRACERS", "leaks", FALSE);
  gst_check_init(&argc, &argv);
  Suite* suite = suite_create(name);
  TCase* tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_checked_fixture(tc, begin, end);
  fill(tc);
  return gst_check_run_suite(suite, name, name);
}

} // namespace leaks
