// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/import/tools/reference_profile.hpp"

#include "models/entropy/caption_builder.hpp"
#include "models/entropy/caption_coder.hpp"
#include "models/entropy/latent_coder.hpp"
#include "models/entropy/published_table.hpp"
#include "models/import/tools/network_check.hpp"
#include "models/import/tools/published_weights.hpp"
#include "models/profile/file.hpp"
#include "models/profile/sha256.hpp"
#include "vtm_bridge/map_codec.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace gsem::checkpoint {
namespace {

using profile::DType;

bool ends_with_one_of(const std::string& name, std::initializer_list<const char*> tails) {
  return std::any_of(tails.begin(), tails.end(), [&](const char* tail) { return name.ends_with(tail); });
}

/// Saved with the weights, but no weights.
bool is_derived(const std::string& name) {
  return ends_with_one_of(name, {"num_batches_tracked", "._offset", "._quantized_cdf", "._cdf_length",
                                 ".target", ".scale_table", ".scale_bound", ".pedestal", "lower_bound.bound",
                                 "lower_bound_scale.bound"}) ||
         name.starts_with("dists.");
}

bool is_floating(ElementType type) {
  return type == ElementType::F32 || type == ElementType::F64 || type == ElementType::F16 ||
         type == ElementType::BF16;
}

/// CompressAI 1.2 and later -> what the published checkpoints have.
std::string published_name(std::string name) {
  constexpr const char* kPairs[][2] = {{"entropy_bottleneck.matrices.", "entropy_bottleneck._matrix"},
                                       {"entropy_bottleneck.biases.", "entropy_bottleneck._bias"},
                                       {"entropy_bottleneck.factors.", "entropy_bottleneck._factor"}};
  for (const auto& [newer, older] : kPairs)
    if (name.starts_with(newer))
      return older + name.substr(std::strlen(newer));
  return name;
}

bool is_plain_word(const std::string& word) {
  const auto parts = entropy::caption_words(word);
  return parts.size() == 1 && parts[0] == word;
}

std::string lines(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words)
    text += word + "\n";
  return text;
}

/// Converted a piece at a time.
void pour(const Tensor& tensor, const profile::TensorStream::Sink& sink) {
  constexpr int64_t kPiece = 1 << 16;
  const int64_t count = tensor.count();
  std::vector<float> values(size_t(std::min(count, kPiece)));
  for (int64_t at = 0; at < count; at += kPiece) {
    const int64_t n = std::min(kPiece, count - at);
    to_floats(tensor, at, n, values.data());
    sink({reinterpret_cast<const uint8_t*>(values.data()), size_t(n) * 4});
  }
}

ByteView view(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

} // namespace

void collect_tensors(const std::shared_ptr<const Checkpoint>& checkpoint, const std::string& prefix,
                     NetworkTensors& out, std::map<std::string, std::string>& others) {
  for (const auto& [name, why] : checkpoint->others())
    others[prefix + published_name(name)] = why;
  for (const auto& [name, tensor] : checkpoint->tensors()) {
    if (is_derived(name))
      continue;
    const std::string full = prefix + published_name(name);
    if (is_floating(tensor.type))
      out[full] = {full, DType::F32, tensor.shape,
                   [checkpoint, &tensor](const profile::TensorStream::Sink& sink) { pour(tensor, sink); }};
    else
      others[full] = std::string("is of type ") + element_name(tensor.type) + ", which weights do not have";
  }
}

void collect_tensors(const std::shared_ptr<const profile::SafetensorsFile>& file, NetworkTensors& out) {
  for (const auto& [name, tensor] : file->tensors())
    if (!is_derived(name))
      out[name] = {name, DType::F32, tensor.shape,
                   [file, name = name](const profile::TensorStream::Sink& sink) {
                     std::vector<float> values;
                     std::vector<int64_t> shape;
                     if (file->read_float(name, values, shape))
                       sink({reinterpret_cast<const uint8_t*>(values.data()), values.size() * 4});
                   }};
}

ReferenceProfile::ReferenceProfile(std::string folder, profile::Manifest manifest)
    : folder_(std::move(folder)), manifest_(std::move(manifest)) {
  manifest_.kind = "reference";
  manifest_.map_side = 128;
  manifest_.work_side = 256;
  manifest_.files.clear();
  std::error_code code;
  std::filesystem::create_directories(folder_, code);
}

bool ReferenceProfile::note_file(const std::string& role, const std::string& name, std::string& error) {
  std::shared_ptr<const profile::MappedFile> mapping;
  if (profile::MappedFile::open(path(name), mapping, error) != Status::Ok)
    return false;
  manifest_.files[role] = {name, mapping->bytes().size(), profile::to_hex(profile::sha256(mapping->bytes()))};
  return true;
}

bool ReferenceProfile::add_file(const std::string& role, const std::string& name, ByteView bytes,
                                std::string& error) {
  return profile::write_file(path(name), {bytes}, error) == Status::Ok && note_file(role, name, error);
}

bool ReferenceProfile::add_network(const std::string& role, NetworkTensors&& tensors, std::string& error) {
  std::vector<profile::TensorStream> list;
  list.reserve(tensors.size());
  for (auto& [name, tensor] : tensors)
    list.push_back(std::move(tensor));
  tensors.clear();
  const std::string name = role + ".safetensors", trial = path(name + ".new");
  bool good = profile::stream_safetensors(trial, list, {{"network", role}}, error) == Status::Ok;
  list.clear();
  good = good && check_network(role, trial, error);
  std::error_code code;
  if (good)
    std::filesystem::rename(trial, path(name), code);
  else
    std::filesystem::remove(trial, code);
  if (!good)
    error = role + ": " + error;
  else if (code)
    error = path(name) + ": " + code.message();
  return good && !code && note_file(role, name, error);
}

bool ReferenceProfile::add_words(const WordList& list, std::string& error) {
  if (!add_file("vocabulary", "vocab.txt", view(lines(list.words)), error))
    return false;
  entropy::CaptionTraining training;
  for (const auto& caption : list.captions) {
    std::string& text = training.captions.emplace_back();
    for (uint32_t word : caption)
      text += (text.empty() ? "" : " ") + list.words[word];
  }
  std::copy_if(list.words.begin(), list.words.end(), std::back_inserter(training.extra_words), is_plain_word);
  Bytes table;
  std::shared_ptr<const entropy::CaptionCoder> coder;
  Status status = entropy::build_caption_table(training, table);
  if (status == Status::Ok)
    status = entropy::CaptionCoder::load(table, coder);
  if (status != Status::Ok) {
    error = std::string("the word list makes no caption table (") + status_name(status) +
            "): it needs training captions, as AttnGAN's captions.pickle has them";
    return false;
  }
  manifest_.caption_parse_hash = coder->parse_hash();
  return add_file("caption-table", "caption.tbl", table, error);
}

bool ReferenceProfile::add_captioner_words(const WordList& list, std::string& error) {
  return add_file("captioner-vocabulary", "captioner-vocab.txt", view(lines(list.words)), error);
}

bool ReferenceProfile::add_signal_table(std::string& error) {
  std::vector<entropy::PublishedWeights> rates;
  Bytes digests;
  for (int i = 0; manifest_.files.count("signal-" + std::to_string(i)); i++) {
    const profile::ManifestFile& file = manifest_.files["signal-" + std::to_string(i)];
    std::shared_ptr<const profile::SafetensorsFile> opened;
    if (profile::SafetensorsFile::open(path(file.path), opened, error) != Status::Ok ||
        !read_published_weights(*opened, "", rates.emplace_back(), error))
      return false;
    digests.insert(digests.end(), file.sha256.begin(), file.sha256.end());
  }
  if (rates.empty())
    return true;
  Bytes table;
  std::shared_ptr<const entropy::LatentCoder> coder;
  Status status = entropy::build_published_table(rates, table);
  if (status == Status::Ok)
    status = entropy::LatentCoder::load(table, coder);
  if (status != Status::Ok) {
    error = std::string("the signal networks make no table (") + status_name(status) +
            "): they must have the same widths and finite weights";
    return false;
  }
  manifest_.signal_parse_hash = coder->parse_hash();
  const profile::Digest digest = profile::sha256(digests);
  for (size_t i = 0; i < 8; i++)
    manifest_.signal_latent_id = manifest_.signal_latent_id << 8 | digest[i];
  return add_file("signal-table", "signal.tbl", table, error);
}

bool ReferenceProfile::add_structure_header(std::string& error) {
  maps::EncoderSettings settings;
  settings.width = settings.height = manifest_.map_side;
  std::unique_ptr<maps::MapEncoder> encoder;
  if (maps::MapEncoder::create(settings, encoder, error) != Status::Ok)
    return false;
  manifest_.structure_headers[settings.codec] = encoder->codec_header();
  return true;
}

bool ReferenceProfile::finish(std::string& error) {
  return add_signal_table(error) && add_structure_header(error) &&
         profile::write_file(path("profile.json"), {view(profile::write_manifest(manifest_))}, error) ==
             Status::Ok;
}

} // namespace gsem::checkpoint
