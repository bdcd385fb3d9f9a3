// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/frozen.hpp"

/// Captions and pictures as the published networks see them.
namespace gsem::train {

using Words = std::vector<int64_t>; ///< tokens, without padding

inline constexpr int64_t kPublishedSide = 256;

/// Word list with "<end>" first, as AttnGAN's: vocab.txt of --profile; without one, the words of the training
/// captions in alphabetical order.
class CaptionWords {
public:
  explicit CaptionWords(const Context& context);
  int64_t size() const { return int64_t(words_.size()); }
  const std::string& word(int64_t token) const { return words_[size_t(token)]; }
  /// Unknown words are left out, as published.
  Words tokens(const std::string& caption) const;
  /// vocab.txt and, for the caption table, captions.txt.
  void write(const Context& context) const;

private:
  std::vector<std::string> words_;
  std::map<std::string, int64_t> numbers_;
};

/// Pictures that have captions, stretched to 256x256; those that cannot be decoded or have no known word are
/// left out. std::runtime_error for a train split with fewer than two.
struct CaptionedPictures {
  std::vector<size_t> entries;
  Tensor pictures; ///< u8 [N,3,256,256]
  std::vector<std::vector<Words>> captions;
  Tensor labels; ///< int64 [N], classes; -1 - i where there is none: no two alike
  int64_t size() const { return int64_t(entries.size()); }
};
CaptionedPictures captioned_pictures(const Context& context, const CaptionWords& words, bool train);

/// Captions of a batch, padded with 0 to the longest.
struct CaptionBatch {
  Tensor tokens;  ///< int64 [B,L]
  Tensor lengths; ///< int64 [B]
  Tensor none;    ///< bool [B,L]: no word there
};
/// `most`: of longer captions the first so many words; 0: all. `end`: with "<end>" behind.
CaptionBatch pad_captions(const std::vector<Words>& captions, size_t most, bool end);
/// A random caption of each.
CaptionBatch draw_captions(const CaptionedPictures& from, const std::vector<int64_t>& rows, size_t most,
                           bool end, StepRandom& random);

/// Squares of `part` of 256 pixels at random places of u8 [N,3,256,256], half of them mirrored: float
/// [B,3,part,part] in [-1,1].
Tensor random_parts(const Tensor& pictures, const std::vector<int64_t>& rows, int64_t part,
                    StepRandom& random);
/// [-1,1] -> ImageNet's mean and deviation.
Tensor imagenet_input(const Tensor& x);

} // namespace gsem::train
