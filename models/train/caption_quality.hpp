// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What captions say of a bird, and how well a set of captions says what people say. No torch. Thread-safe.
namespace gsem::train {

using TextWords = std::vector<std::string>;

/// Lower-case runs of letters and digits.
TextWords split_words(std::string_view text);

/// The colour words of a caption.
std::set<std::string> colours_of(const TextWords& words);

/// (colour, part) that a caption names, parts folded to crown, breast, belly, wing, bill and back: colours in
/// front of a part or of several joined by "and" ("white breast and belly"), and behind it ("wings that are
/// brown", "its belly is white").
std::set<std::pair<std::string, std::string>> attributes_of(const TextWords& words);

struct Agreement {
  double precision = 0; ///< of what is said: share that some reference says too
  double recall = 0;    ///< of what three or more references say: share that is said
};

struct CaptionQuality {
  size_t pictures = 0;
  double distinct = 0; ///< share of different captions
  double words = 0;    ///< mean length
  double bleu4 = 0;    ///< Papineni et al., ACL 2002; nearest reference length
  double cider_d =
      0; ///< Vedantam et al., CVPR 2015, sigma 6, times 10; document frequencies of the references
  Agreement colours, attributes;
};

/// `said[i]` against `references[i]` (one at least each).
CaptionQuality rate_captions(const std::vector<TextWords>& said,
                             const std::vector<std::vector<TextWords>>& references);

} // namespace gsem::train
