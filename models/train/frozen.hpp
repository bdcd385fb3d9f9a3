// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/backbone.hpp"
#include "models/nets/captioner.hpp"
#include "models/train/recipe.hpp"

/// Networks that a recipe uses as they are, and what they say of the data set.
namespace gsem::train {

using torch::Tensor;

/// Strict; throws std::runtime_error naming the file. Convolution weights become channels-last.
void load_network(torch::nn::Module& module, const std::string& file, const std::string& prefix = {});
void make_channels_last(torch::nn::Module& module);
/// Loads, freezes and sets eval mode: ROLE.safetensors of --profile (the backbone also of --teachers).
/// Throws, saying what was looked for.
void load_frozen(torch::nn::Module& module, const Context& context, const std::string& role);
/// Does `file` hold a tensor of this name?
bool has_tensor(const std::string& file, const std::string& name);

/// Frozen picture features (EfficientNet-Lite0) at strides 4, 8, 16, 32. Gradients pass to the picture.
class FrozenFeatures {
public:
  explicit FrozenFeatures(const Context& context);
  std::vector<Tensor> operator()(const Tensor& x, int levels = 4);

private:
  nets::Backbone backbone_;
};

/// Joint embedding of captions and pictures, as in text.safetensors: te.* (captions), ip.* (picture features
/// of stride 32, pooled), mu and sd [320] (their mean and deviation).
struct TextSideImpl : torch::nn::Module {
  explicit TextSideImpl(int64_t vocabulary);
  /// Pooled features [B,320] before normalisation -> unit vectors [B,128].
  Tensor embed(const Tensor& pooled);

  nets::TextEncoder te{nullptr};
  nets::Linear ip{nullptr};
  Tensor mu, sd;
};
TORCH_MODULE(TextSide);

/// Targets of a contrastive loss, [B,B], rows sum to 1: a picture's own caption, and a little of those of its
/// class. labels [B].
Tensor class_targets(const Tensor& labels);
/// Share of pictures whose own caption is at least as near as 99 drawn ones (R-precision); unit vectors
/// [N,D], row i of both belongs together.
double r_precision(const Tensor& pictures, const Tensor& captions);

/// vocab.txt: line i is token i; <pad> and <unk> first.
class Vocabulary {
public:
  explicit Vocabulary(const std::string& file);
  int64_t size() const { return int64_t(words_.size()); }
  const std::string& word(int64_t token) const { return words_[size_t(token)]; }
  /// int64 [n,10,20]: ten captions each (repeated when there are fewer), 0 padded, 1 unknown.
  Tensor tokens(const DataSet& data, const std::vector<size_t>& indices) const;

private:
  std::vector<std::string> words_;
  std::map<std::string, int64_t> numbers_;
};
inline constexpr int64_t kCaptions = 10, kWords = nets::TextEncoderImpl::kMaxWords;
Vocabulary load_vocabulary(const Context& context);

/// Captioned train or test entries: objects where there are any.
std::vector<size_t> captioned(const Context& context, bool train);

/// Every picture of u8 [N,3,S,S] and its mirror image through `f` in batches: f(float [B,3,S,S]) -> [B,...];
/// result [N,2,...].
Tensor each_with_mirror(const Tensor& pictures, bool bf16, const std::function<Tensor(const Tensor&)>& f);

/// Layout codes [N,2] (picture, mirror image) of u8 [N,3,128,128].
Tensor layout_codes(FrozenFeatures& features, nets::LayoutHint& hint, const Tensor& pictures, bool bf16);

/// The captioner's words without search: divided grids [B,49,320] -> tokens [B,20].
Tensor greedy_captions(nets::Captioner& captioner, const Tensor& grids);
/// The same of the pictures of a data set, by the profile's captioner: [N,20]. Leaves out no picture: those
/// that cannot be read were taken out of `indices` before.
Tensor own_captions(const Context& context, FrozenFeatures& features, int64_t vocabulary,
                    std::vector<size_t> indices);

/// A cache file in --out: computed once for a `fingerprint`, read again later. Stages that take long call it
/// in parts.
TensorMap cached(const Context& context, const std::string& name, const std::string& fingerprint,
                 const std::function<TensorMap()>& compute);
/// Hash over names of entries and contents of weight files, for fingerprints.
std::string fingerprint(const DataSet& data, const std::vector<size_t>& indices,
                        const std::vector<std::string>& files);
/// The file of a role in --profile (backbones: or --teachers); throws.
std::string role_file(const Context& context, const std::string& role);

} // namespace gsem::train
