// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/element/test_profile.hpp"

#include "models/entropy/caption_builder.hpp"
#include "models/entropy/caption_coder.hpp"
#include "models/profile/manifest.hpp"
#include "models/profile/sha256.hpp"

#include <gst/gst.h>

#include <filesystem>
#include <fstream>

namespace test_profile {

namespace {

std::string folder, hash;

/// Runs before any test, so check's macros do not work here.
void require(bool ok) {
  if (!ok)
    g_error("the test profile cannot be made");
}

void write(const std::string& path, const void* data, size_t size) {
  std::ofstream(path, std::ios::binary).write(static_cast<const char*>(data), std::streamsize(size));
}

void make() {
  gsem::entropy::CaptionTraining training;
  for (const char* colour : {"blue", "red", "yellow", "brown", "black"})
    for (const char* part : {"beak", "tail", "wing", "crown"})
      for (int i = 0; i < 5; ++i)
        training.captions.push_back(std::string("this bird is ") + colour + " with a short " + part);
  gsem::Bytes table;
  require(gsem::entropy::build_caption_table(training, table) == gsem::Status::Ok);
  std::shared_ptr<const gsem::entropy::CaptionCoder> coder;
  require(gsem::entropy::CaptionCoder::load(table, coder) == gsem::Status::Ok);

  gsem::profile::Manifest manifest;
  manifest.name = "testprofile";
  manifest.version = "1";
  manifest.licence = "none";
  manifest.id = kId;
  manifest.caption_parse_hash = coder->parse_hash();
  manifest.files["caption-table"] = {"caption.tbl", table.size(),
                                     gsem::profile::to_hex(gsem::profile::sha256(table))};
  hash = gsem::profile::hash_to_hex(coder->parse_hash());

  gchar* made = g_dir_make_tmp("gsem-profile-XXXXXX", nullptr);
  folder = made;
  g_free(made);
  std::filesystem::create_directory(folder + "/testprofile");
  write(folder + "/testprofile/caption.tbl", table.data(), table.size());
  const std::string json = gsem::profile::write_manifest(manifest);
  write(folder + "/testprofile/profile.json", json.data(), json.size());
  g_setenv("GST_SEMANTIC_PROFILE_PATH", folder.c_str(), TRUE);
}

} // namespace

const char* name() {
  if (folder.empty())
    make();
  return "testprofile";
}

std::string caption_hash() {
  name();
  return hash;
}

void remove() {
  if (!folder.empty())
    std::filesystem::remove_all(folder);
}

} // namespace test_profile
