// SPDX-License-Identifier: LGPL-2.1-or-later
// docs/caps.md against the pad templates: the table and the code say the same.
#include "tests/element/leaks.hpp"
#include "tests/element/stream.hpp"

#include <map>
#include <set>

namespace {

/// Cells of the rows of the table under the heading `heading`.
std::vector<std::vector<std::string>> rows(const char* heading) {
  const gchar* docs = g_getenv("GSEM_DOCS");
  fail_unless(docs != nullptr, "GSEM_DOCS does not name the docs folder");
  gchar *path = g_build_filename(docs, "caps.md", nullptr), *text = nullptr;
  fail_unless(g_file_get_contents(path, &text, nullptr, nullptr), "cannot read %s", path);
  std::vector<std::vector<std::string>> found;
  bool inside = false;
  gchar** lines = g_strsplit(text, "\n", -1);
  for (gchar** line = lines; *line; ++line) {
    if (g_str_has_prefix(*line, "#"))
      inside = g_str_has_suffix(*line, heading);
    if (!inside || !g_str_has_prefix(*line, "| `"))
      continue;
    std::vector<std::string> cells;
    gchar** parts = g_strsplit(*line, "|", -1);
    for (gchar** part = parts; *part; ++part) {
      gchar* cell = g_strstrip(*part);
      std::string clean;
      for (; *cell; ++cell)
        if (*cell != '`')
          clean += *cell;
      cells.push_back(clean);
    }
    g_strfreev(parts);
    found.push_back(cells);
  }
  g_strfreev(lines);
  g_free(text);
  g_free(path);
  return found;
}

} // namespace

GST_START_TEST(templates_equal_the_table) {
  std::set<std::string> documented;
  for (const auto& row : rows("Pad templates")) {
    fail_unless(row.size() >= 5);
    const std::string &element = row[1], &pad = row[2], &text = row[3];
    GstElementFactory* factory = gst_element_factory_find(element.c_str());
    if (!factory) // the codec elements are another plugin's
      continue;
    bool found = false;
    for (const GList* l = gst_element_factory_get_static_pad_templates(factory); l; l = l->next) {
      auto* templ = static_cast<GstStaticPadTemplate*>(l->data);
      if (pad != templ->name_template)
        continue;
      found = true;
      GstCaps* code = gst_static_pad_template_get_caps(templ);
      GstCaps* docs = gst_caps_from_string(text.c_str());
      fail_unless(docs != nullptr, "%s.%s: the table's caps do not parse", element.c_str(), pad.c_str());
      gchar* have = gst_caps_to_string(code);
      fail_unless(gst_caps_is_equal(code, docs), "%s.%s is %s", element.c_str(), pad.c_str(), have);
      g_free(have);
      gst_caps_unref(code);
      gst_caps_unref(docs);
    }
    fail_unless(found, "%s has no pad %s", element.c_str(), pad.c_str());
    documented.insert(element + "." + pad);
    gst_object_unref(factory);
  }
  // And nothing is missing from it.
  for (const char* plugin : {"semantic", "semanticcodec"}) {
    GList* features = gst_registry_get_feature_list_by_plugin(gst_registry_get(), plugin);
    for (GList* f = features; f; f = f->next) {
      if (!GST_IS_ELEMENT_FACTORY(f->data))
        continue;
      for (const GList* l = gst_element_factory_get_static_pad_templates(GST_ELEMENT_FACTORY(f->data)); l;
           l = l->next) {
        const std::string name = std::string(GST_OBJECT_NAME(f->data)) + "." +
                                 static_cast<GstStaticPadTemplate*>(l->data)->name_template;
        fail_unless(documented.count(name) == 1, "docs/caps.md lacks %s", name.c_str());
      }
    }
    gst_plugin_feature_list_free(features);
  }
}
GST_END_TEST

GST_START_TEST(a_field_has_one_type_everywhere) {
  std::map<std::string, std::string> types;
  for (const auto& row : rows("Fields")) {
    fail_unless(row.size() >= 4);
    fail_unless(types.emplace(row[1], row[2]).second, "field %s is in the table twice", row[1].c_str());
  }
  fail_unless(!types.empty());
  GList* features = gst_registry_get_feature_list_by_plugin(gst_registry_get(), "semantic");
  for (GList* f = features; f; f = f->next) {
    if (!GST_IS_ELEMENT_FACTORY(f->data))
      continue;
    for (const GList* l = gst_element_factory_get_static_pad_templates(GST_ELEMENT_FACTORY(f->data)); l;
         l = l->next) {
      GstCaps* caps = gst_static_pad_template_get_caps(static_cast<GstStaticPadTemplate*>(l->data));
      for (guint i = 0; i < gst_caps_get_size(caps); ++i) {
        const GstStructure* s = gst_caps_get_structure(caps, i);
        if (!g_str_has_prefix(gst_structure_get_name(s), "video/x-semantic"))
          continue;
        for (int k = 0; k < gst_structure_n_fields(s); ++k) {
          const gchar* field = gst_structure_nth_field_name(s, guint(k));
          fail_unless(types.count(field) == 1, "docs/caps.md lacks the field %s", field);
        }
      }
      gst_caps_unref(caps);
    }
  }
  gst_plugin_feature_list_free(features);
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, templates_equal_the_table);
  tcase_add_test(tc, a_field_has_one_type_everywhere);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "caps", fill);
}
