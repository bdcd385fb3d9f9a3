// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/caption_quality.hpp"

#include <cstdint>
#include <functional>
#include <map>

namespace gsem::train {

using Tokens = std::vector<int64_t>; ///< of words, without padding

/// Reward of sampled captions for self-critical training: CIDEr-D (Vedantam et al., CVPR 2015; document
/// frequencies from the training captions) and agreement in colours and in pairs of colour and part.
/// Thread-safe once made.
class CaptionReward {
public:
  using WordOf = std::function<const std::string&(int64_t)>;
  /// `references[i]`: captions of picture i.
  CaptionReward(const std::vector<std::vector<Tokens>>& references, WordOf word);

  struct Value {
    double cider;
    double colour, pair; ///< share said of what three or more people say, less a fine for what nobody says
  };
  Value operator()(size_t picture, const Tokens& said) const;

private:
  using Gram = Tokens;
  using Pair = std::pair<std::string, std::string>;
  struct Picture {
    std::map<Gram, double> vector; ///< mean of the references' normalised tf-idf
    std::map<Gram, int> most;      ///< most times any reference has it
    double length = 0;
    std::map<std::string, int> colours; ///< references that name it
    std::map<Pair, int> pairs;
  };
  TextWords text(const Tokens& tokens) const;
  double weight(const Gram& gram) const;
  double cider(const Picture& picture, const Tokens& said) const;

  WordOf word_;
  std::map<Gram, int> frequency_;
  std::vector<Picture> pictures_;
};

} // namespace gsem::train
