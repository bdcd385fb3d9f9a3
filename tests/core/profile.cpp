// SPDX-License-Identifier: LGPL-2.1-or-later
// Profiles: lookup order, what is checked and what the messages name, resolution by id, SHA-256 against
// published vectors.
#include "models/profile/profile.hpp"
#include "models/entropy/caption_builder.hpp"
#include "models/entropy/caption_coder.hpp"
#include "models/profile/file.hpp"
#include "models/profile/manifest.hpp"
#include "models/profile/sha256.hpp"
#include "tests/core/check.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sys/stat.h>

using namespace gsem;
using namespace gsem::profile;
namespace fs = std::filesystem;

namespace {

ByteView view(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/gsem-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { fs::remove_all(path); }
};

void write(const std::string& path, ByteView bytes) {
  std::string error;
  CHECK(write_file(path, {bytes}, error) == Status::Ok);
}

const Bytes& caption_table() {
  static const Bytes table = [] {
    entropy::CaptionTraining training;
    for (int i = 0; i < 200; i++)
      training.captions.push_back(i % 2 ? "this bird is red with a small beak"
                                        : "a blue bird with long wings");
    Bytes out;
    CHECK(entropy::build_caption_table(training, out) == Status::Ok);
    return out;
  }();
  return table;
}

uint64_t caption_hash() {
  std::shared_ptr<const entropy::CaptionCoder> coder;
  CHECK(entropy::CaptionCoder::load(caption_table(), coder) == Status::Ok);
  return coder->parse_hash();
}

void add_file(Manifest& manifest, const std::string& folder, const std::string& role, const std::string& name,
              ByteView bytes) {
  write(folder + "/" + name, bytes);
  manifest.files[role] = {name, bytes.size(), to_hex(sha256(bytes))};
}

Manifest write_profile(const std::string& folder, const std::string& name, uint32_t id) {
  fs::create_directories(folder);
  Manifest manifest;
  manifest.name = name;
  manifest.id = id;
  manifest.version = "1";
  manifest.licence = "none";
  manifest.caption_parse_hash = caption_hash();
  manifest.signal_parse_hash = 0x0123456789abcdef;
  manifest.signal_latent_id = 0xfedcba9876543210;
  manifest.structure_headers["av1"] = {1, 2, 3};
  add_file(manifest, folder, "caption-table", "caption.tbl", caption_table());
  add_file(manifest, folder, "edges", "edges.safetensors", view("weights of " + name));
  write(folder + "/profile.json", view(write_manifest(manifest)));
  return manifest;
}

void rewrite(const std::string& folder, const Manifest& manifest) {
  write(folder + "/profile.json", view(write_manifest(manifest)));
}

void test_sha256() {
  // FIPS 180-4 examples and the NIST long message.
  const std::pair<std::string, const char*> vectors[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopq"
       "rstnopqrstu",
       "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
      {std::string(1000000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}};
  for (const auto& [text, expected] : vectors) {
    CHECK(to_hex(sha256(view(text))) == expected);
    CHECK(to_hex(sha256_scalar(view(text))) == expected);
  }
  // Whatever this machine has agrees with the portable code around the block edges.
  std::string text;
  for (int size = 0; size < 300; size++, text += char(size * 31))
    CHECK(sha256(view(text)) == sha256_scalar(view(text)));
  Bytes bytes;
  CHECK(from_hex("00fFa5", bytes) && bytes == Bytes({0, 255, 0xa5}));
  CHECK(!from_hex("0", bytes) && !from_hex("0g", bytes));
}

void test_manifest() {
  Manifest manifest;
  manifest.name = "a-b.c_1";
  manifest.version = "1.2";
  manifest.licence = "x";
  manifest.id = 77;
  manifest.caption_parse_hash = 0x8000000000000001;
  manifest.files["signal"] = {"sub/signal.safetensors", 5, std::string(64, '0')};
  manifest.training = R"({"steps":3})";
  const std::string text = write_manifest(manifest);
  Manifest read;
  std::string reason;
  CHECK(parse_manifest(view(text), read, reason) == Status::Ok);
  CHECK(read.id == 77 && read.caption_parse_hash == manifest.caption_parse_hash);
  CHECK(read.files.at("signal").path == "sub/signal.safetensors" && read.training == manifest.training);
  CHECK(write_manifest(read) == text);

  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    const size_t at = changed.find(from);
    CHECK(at != std::string::npos);
    changed.replace(at, from.size(), to);
    reason.clear();
    const Status status = parse_manifest(view(changed), read, reason);
    CHECK(status == Status::Ok || !reason.empty());
    return status;
  };
  CHECK(with("\"format\": 1", "\"format\": 2") == Status::Unsupported);
  CHECK(with("\"format\": 1,", "") == Status::Corrupt);
  CHECK(with("\"id\": 77", "\"id\": 4294967296") == Status::Corrupt);
  CHECK(with("\"id\": 77", "\"id\": \"77\"") == Status::Corrupt);
  CHECK(with("\"kind\": \"narrow\"", "\"kind\": \"wide\"") == Status::Corrupt);
  CHECK(with("8000000000000001", "80000000000001") == Status::Corrupt);
  CHECK(with("a-b.c_1", "../birds") == Status::Corrupt);
  for (const char* path : {"/etc/passwd", "../x", "a/../../x", "a//b", "", "./x", ".hidden", "a/"})
    CHECK(with("sub/signal.safetensors", path) == Status::Corrupt &&
          reason.find("signal") != std::string::npos);
  CHECK(with("\"name\"", "\"from-the-future\": [1], \"name\"") == Status::Ok);
  CHECK(parse_manifest(view("{"), read, reason) == Status::Corrupt);
  CHECK(parse_manifest(view("[1]"), read, reason) == Status::Corrupt);
  CHECK(parse_manifest(view(std::string(kMaxManifestBytes + 1, ' ')), read, reason) == Status::TooLarge);
}

void test_lookup() {
  const Folder first, second;
  write_profile(second.path + "/finches", "finches", 90);
  ::setenv("GST_SEMANTIC_PROFILE_PATH", (first.path + "::" + second.path).c_str(), 1);
  std::shared_ptr<const Profile> profile, same;
  std::string error;
  CHECK(load_profile("finches", profile, error) == Status::Ok);
  CHECK(profile && profile->name == "finches" && profile->caption_coder && !profile->latent_coder);
  CHECK(profile &&
        profile->files.at("edges") == fs::canonical(second.path).string() + "/finches/edges.safetensors");
  CHECK(load_profile(second.path + "/finches", same, error) == Status::Ok && same == profile);

  // An earlier folder wins, also with a broken profile.
  fs::create_directories(first.path + "/finches");
  write(first.path + "/finches/profile.json", view("{"));
  CHECK(load_profile("finches", same, error) == Status::Corrupt);
  CHECK(error.find(first.path + "/finches/profile.json") != std::string::npos);
  write_profile(first.path + "/finches", "finches", 91);
  CHECK(load_profile("finches", same, error) == Status::Ok && same->id == 91);

  for (const char* name : {"no-such-profile", ".", ".."}) {
    CHECK(load_profile(name, same, error) == Status::Failed);
    for (const std::string& part :
         {std::string(name), first.path, second.path, std::string("GST_SEMANTIC_PROFILE_PATH")})
      CHECK(error.find(part) != std::string::npos);
  }
  CHECK(load_profile(first.path + "/none/", same, error) == Status::Failed &&
        error.find(first.path) != std::string::npos);
}

void test_checks() {
  const Folder folder;
  const std::string home = folder.path + "/p", json = home + "/profile.json";
  const Manifest good = write_profile(home, "p", 5);
  std::shared_ptr<const Profile> profile;
  std::string error;
  CHECK(load_profile(home, profile, error) == Status::Ok);
  CHECK(verify_file(*profile, "edges", error) == Status::Ok);
  CHECK(verify_file(*profile, "generator", error) == Status::Failed &&
        error.find("generator") != std::string::npos);

  // Another content of the same size is found when the file is opened; its message names file and both
  // hashes.
  const std::string weights = home + "/edges.safetensors";
  write(weights, view("WEIGHTS of p"));
  CHECK(load_profile(home, profile, error) == Status::Ok);
  CHECK(verify_file(*profile, "edges", error) == Status::Mismatch);
  for (const std::string& part : {std::string("edges.safetensors"), good.files.at("edges").sha256,
                                  to_hex(sha256(view("WEIGHTS of p")))})
    CHECK(error.find(part) != std::string::npos);

  // Another size, or no file, already at loading; and mending it mends the profile.
  profile.reset();
  write(weights, view("short"));
  CHECK(load_profile(home, profile, error) == Status::Mismatch &&
        error.find(weights.substr(weights.rfind('/'))) != std::string::npos);
  fs::remove(weights);
  CHECK(load_profile(home, profile, error) == Status::Failed &&
        error.find("edges.safetensors") != std::string::npos);
  write(weights, view("weights of p"));
  CHECK(load_profile(home, profile, error) == Status::Ok &&
        verify_file(*profile, "edges", error) == Status::Ok);

  // Tables are checked at once: damage, and a parse hash that the table does not have.
  profile.reset();
  Bytes table = caption_table();
  table[table.size() / 2] ^= 1;
  write(home + "/caption.tbl", table);
  CHECK(load_profile(home, profile, error) == Status::Mismatch &&
        error.find("caption.tbl") != std::string::npos);
  write(home + "/caption.tbl", caption_table());
  Manifest other = good;
  other.caption_parse_hash ^= 1;
  rewrite(home, other);
  CHECK(load_profile(home, profile, error) == Status::Mismatch);
  CHECK(error.find(hash_to_hex(good.caption_parse_hash)) != std::string::npos);
  CHECK(error.find(hash_to_hex(other.caption_parse_hash)) != std::string::npos);
  other = good;
  add_file(other, home, "signal-table", "signal.tbl", view("not a table"));
  rewrite(home, other);
  CHECK(load_profile(home, profile, error) != Status::Ok && error.find("signal.tbl") != std::string::npos);

  // A FIFO in place of a file neither hangs nor loads.
  rewrite(home, good);
  fs::remove(weights);
  CHECK(::mkfifo(weights.c_str(), 0600) == 0);
  CHECK(load_profile(home, profile, error) != Status::Ok);
}

bitstream::StreamHeader three_layers() {
  bitstream::StreamHeader header;
  for (auto kind :
       {bitstream::LayerKind::Caption, bitstream::LayerKind::Structure, bitstream::LayerKind::Signal})
    header.layers.emplace_back().kind = kind;
  return header;
}

void test_resolve() {
  const Folder folder;
  const Manifest manifest = write_profile(folder.path + "/wrens", "wrens", 4242);
  ::setenv("GST_SEMANTIC_PROFILE_PATH", folder.path.c_str(), 1);
  bitstream::StreamHeader header = three_layers();
  CHECK(!resolve_profile_id(0, header, nullptr));
  CHECK(!resolve_profile_id(4243, header, nullptr));
  CHECK(resolve_profile_id(4242, header, nullptr));
  CHECK(header.layers[0].parse_hash == manifest.caption_parse_hash && header.layers[0].latent_id == 0);
  CHECK(header.layers[1].codec_header == Bytes({1, 2, 3}) && header.layers[1].parse_hash == 0);
  CHECK(header.layers[2].parse_hash == manifest.signal_parse_hash);
  CHECK(header.layers[2].latent_id == manifest.signal_latent_id);

  // A profile that changes or goes is noticed.
  Manifest changed = manifest;
  changed.signal_latent_id = 3;
  changed.licence = "another";
  rewrite(folder.path + "/wrens", changed);
  header = three_layers();
  CHECK(resolve_profile_id(4242, header, nullptr) && header.layers[2].latent_id == 3);
  fs::remove_all(folder.path + "/wrens");
  CHECK(!resolve_profile_id(4242, header, nullptr));
}

} // namespace

int main() {
  test_sha256();
  test_manifest();
  test_lookup();
  test_checks();
  test_resolve();
  return check::result();
}
