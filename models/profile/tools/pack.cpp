// SPDX-License-Identifier: LGPL-2.1-or-later
// gst-semantic-pack: trained networks and tables -> a profile folder.
#include "models/entropy/caption_coder.hpp"
#include "models/profile/file.hpp"
#include "models/profile/manifest.hpp"
#include "models/profile/sha256.hpp"
#include "models/profile/tools/pack_signal.hpp"
#include "models/profile/tools/pack_weights.hpp"
#include "vtm_bridge/map_codec.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>

namespace {

using namespace gsem;
using namespace gsem::profile;

constexpr const char* kNetworks[] = {"backbone", "captioner", "text",      "generator", "upscale",
                                     "hint",     "edges",     "structure", "signal"};
const std::vector<std::string> kEightBit = {"backbone", "captioner", "text", "generator"};
constexpr size_t kMaxTextBytes = 16u << 20;

struct Options {
  std::string weights, caption_table, metadata, out, latent_id;
  std::vector<std::string> half;
};

bool contains(const auto& list, const std::string& item) {
  return std::find(std::begin(list), std::end(list), item) != std::end(list);
}

class Packer {
public:
  explicit Packer(const Options& options) : options_(options) {}
  bool run();
  const std::string& error() const { return error_; }

private:
  bool read_metadata();
  bool pack_network(const std::string& role);
  bool pack_signal_table(const SafetensorsFile& file);
  bool pack_caption_table();
  bool pack_vocabulary();
  bool add_structure_header();
  bool add_file(const std::string& role, const std::string& name, ByteView bytes);
  bool note_file(const std::string& role, const std::string& name);
  void warn_of_reused_id() const;
  std::string target(const std::string& name) const { return options_.out + "/" + name; }

  const Options& options_;
  Manifest before_, manifest_;
  nlohmann::ordered_json training_;
  std::string error_;
};

bool Packer::read_metadata() {
  const std::string path = options_.metadata.empty() ? target("profile.json") : options_.metadata;
  Bytes json;
  std::string reason;
  if (read_file(path, kMaxManifestBytes, json, error_) != Status::Ok)
    return false;
  if (parse_manifest(json, before_, reason) != Status::Ok) {
    error_ = path + ": " + reason;
    return false;
  }
  manifest_ = before_;
  manifest_.files.clear();
  if (!before_.training.empty())
    training_ = nlohmann::ordered_json::parse(before_.training);
  return true;
}

bool Packer::note_file(const std::string& role, const std::string& name) {
  std::shared_ptr<const MappedFile> mapping;
  if (MappedFile::open(target(name), mapping, error_) != Status::Ok)
    return false;
  manifest_.files[role] = {name, mapping->bytes().size(), to_hex(sha256(mapping->bytes()))};
  return true;
}

bool Packer::add_file(const std::string& role, const std::string& name, ByteView bytes) {
  return write_file(target(name), {bytes}, error_) == Status::Ok && note_file(role, name);
}

bool Packer::pack_network(const std::string& role) {
  const std::string name = role + ".safetensors";
  std::shared_ptr<const SafetensorsFile> file;
  if (SafetensorsFile::open(options_.weights + "/" + name, file, error_) != Status::Ok)
    return false;
  PackRules rules;
  rules.eight_bit = contains(kEightBit, role) && !contains(options_.half, role);
  PackedWeights packed;
  if (pack_weights(*file, rules, packed, error_) != Status::Ok ||
      write_safetensors(target(name), packed.tensors, {{"network", role}}, error_) != Status::Ok) {
    error_ = role + ": " + error_;
    return false;
  }
  training_["networks"][role] = file->metadata();
  if (!note_file(role, name))
    return false;
  std::printf("%-10s %9ju bytes, %s, largest rounding error %.4f %% of a tensor (%s)\n", role.c_str(),
              static_cast<uintmax_t>(manifest_.files[role].size), rules.eight_bit ? "8-bit" : "16-bit",
              100 * packed.worst_error, packed.worst_name.c_str());
  return role != "signal" || pack_signal_table(*file);
}

bool Packer::pack_signal_table(const SafetensorsFile& file) {
  SignalContract contract;
  if (make_signal_contract(file, contract, error_) != Status::Ok) {
    error_ = "signal: " + error_;
    return false;
  }
  manifest_.signal_parse_hash = contract.parse_hash;
  manifest_.signal_latent_id =
      options_.latent_id.empty() ? contract.latent_id : std::stoull(options_.latent_id, nullptr, 16);
  return add_file("signal-table", "signal.tbl", contract.table);
}

bool Packer::pack_caption_table() {
  Bytes table;
  if (read_file(options_.caption_table, kMaxTextBytes, table, error_) != Status::Ok)
    return false;
  std::shared_ptr<const entropy::CaptionCoder> coder;
  if (Status status = entropy::CaptionCoder::load(table, coder); status != Status::Ok) {
    error_ = options_.caption_table + ": " + status_name(status);
    return false;
  }
  manifest_.caption_parse_hash = coder->parse_hash();
  return add_file("caption-table", "caption.tbl", table);
}

/// The networks' words; what semanticenc says must be words that the caption coder knows.
bool Packer::pack_vocabulary() {
  Bytes text;
  const std::string path = options_.weights + "/vocab.txt";
  if (read_file(path, kMaxTextBytes, text, error_) != Status::Ok)
    return false;
  if (!std::string(text.begin(), text.end()).starts_with("<pad>\n<unk>\n")) {
    error_ = path + ": does not begin with <pad> and <unk>";
    return false;
  }
  return add_file("vocabulary", "vocab.txt", text);
}

bool Packer::add_structure_header() {
  maps::EncoderSettings settings;
  settings.width = settings.height = manifest_.map_side;
  std::unique_ptr<maps::MapEncoder> encoder;
  if (maps::MapEncoder::create(settings, encoder, error_) != Status::Ok)
    return false;
  manifest_.structure_headers[settings.codec] = encoder->codec_header();
  return true;
}

/// Compact stream headers say the id only, so one id must never mean two contracts outside this machine.
void Packer::warn_of_reused_id() const {
  const bool complete = before_.files.contains("signal") && before_.files.contains("caption-table");
  const bool same = before_.caption_parse_hash == manifest_.caption_parse_hash &&
                    before_.signal_parse_hash == manifest_.signal_parse_hash &&
                    before_.signal_latent_id == manifest_.signal_latent_id &&
                    before_.structure_headers == manifest_.structure_headers;
  if (complete && !same && before_.id != 0)
    std::fprintf(stderr,
                 "warning: streams made with the profile before do not parse with this one, but both have id "
                 "%u: give the new "
                 "one another id (and version) before it is published\n",
                 manifest_.id);
}

bool Packer::run() {
  if (!read_metadata())
    return false;
  std::error_code code;
  std::filesystem::create_directories(options_.out, code);
  for (const char* role : kNetworks)
    if (!pack_network(role))
      return false;
  if (!pack_caption_table() || !pack_vocabulary() || !add_structure_header())
    return false;
  manifest_.training = training_.dump();
  // Last, and in one step: a reader sees the old profile or the new one.
  const std::string json = write_manifest(manifest_);
  const ByteView bytes(reinterpret_cast<const uint8_t*>(json.data()), json.size());
  if (write_file(target("profile.json"), {bytes}, error_) != Status::Ok)
    return false;
  warn_of_reused_id();
  uintmax_t total = json.size();
  for (const auto& [role, file] : manifest_.files)
    total += file.size;
  std::printf("total      %9ju bytes in %s\n", total, options_.out.c_str());
  return true;
}

bool check_result(const std::string& folder, std::string& error) {
  std::shared_ptr<const Profile> profile;
  if (load_profile(std::filesystem::absolute(folder).string(), profile, error) != Status::Ok)
    return false;
  return std::all_of(profile->files.begin(), profile->files.end(), [&](const auto& file) {
    return verify_file(*profile, file.first, error) == Status::Ok;
  });
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Packs trained networks and tables into a profile folder. The same input gives the same bytes.");
  Options options;
  app.add_option("--weights", options.weights,
                 "Folder of ROLE.safetensors as the trainer exports them, and vocab.txt")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--caption-table", options.caption_table, "caption.tbl of gst-semantic-caption-table")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--metadata", options.metadata,
                 "profile.json with name, id, version, licence, kind, sizes and training notes (default: the "
                 "one in --out)")
      ->check(CLI::ExistingFile);
  app.add_option("--out", options.out, "Profile folder to write")->required();
  app.add_option("--half", options.half, "Roles kept at 16 bits instead of 8")
      ->check(CLI::IsMember(kEightBit));
  app.add_option("--latent-id", options.latent_id,
                 "Hexadecimal latent id, when a new analysis keeps the contract of an old one (default: from "
                 "its weights)");
  CLI11_PARSE(app, argc, argv);
  try {
    Packer packer(options);
    std::string error;
    if (!packer.run())
      error = packer.error();
    else if (check_result(options.out, error))
      return 0;
    std::fprintf(stderr, "gst-semantic-pack: %s\n", error.c_str());
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "gst-semantic-pack: %s\n", exception.what());
  }
  return 1;
}
