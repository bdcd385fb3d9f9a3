// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/frozen.hpp"

#include <set>

namespace gsem::train {

using Words = std::vector<int64_t>; ///< tokens, without padding

/// Padded tokens [L] as words.
Words words_of(const Tensor& tokens);

/// BLEU-4 of a set (Papineni et al., ACL 2002): clipped n-gram precision against all references, brevity
/// penalty with the nearest length.
double bleu4(const std::vector<Words>& said, const std::vector<std::vector<Words>>& references);

/// The tokens that name colours.
std::set<int64_t> colour_tokens(const Vocabulary& vocabulary);

/// Colour words of a set of captions: the share of those said that some reference says, and the share said of
/// those that three or more references say.
struct ColourScore {
  double precision, recall;
};
ColourScore score_colours(const std::vector<Words>& said, const std::vector<std::vector<Words>>& references,
                          const std::set<int64_t>& colours);

/// Reward of sampled captions for self-critical training: CIDEr-D (Vedantam et al., CVPR 2015; document
/// frequencies from the training captions) and agreement in colours.
class CaptionReward {
public:
  CaptionReward(const std::vector<std::vector<Words>>& references, std::set<int64_t> colours);
  struct Value {
    double cider, colour;
  };
  Value operator()(size_t picture, const Words& said) const;

private:
  using Gram = std::vector<int64_t>;
  struct Picture {
    std::map<Gram, double> vector; ///< mean of the references' normalised tf-idf
    std::map<Gram, int> most;      ///< most times any reference has it
    double length = 0;
    std::map<int64_t, int> colours; ///< references that name it
  };
  double weight(const Gram& gram) const;
  std::map<Gram, int> frequency_;
  std::vector<Picture> pictures_;
  std::set<int64_t> colours_;
};

} // namespace gsem::train
