// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace gsem::entropy {

/// What a caption table is made from.
struct CaptionTraining {
  std::vector<std::string> captions; ///< UTF-8; captions of one picture next to each other (every tenth block
                                     ///< of ten is held out while the end factors are learned)
  std::vector<std::string> extra_words; ///< in the vocabulary whatever their count, [a-z0-9]+
  int order = 4;                        ///< words in an n-gram, 2..5
  int min_word_count = 2;               ///< rarer words are spelled
  int prune = 1; ///< n-grams of three and more words seen at most so often are left out
};

/// Trains word, letter and separator models (interpolated modified Kneser-Ney for words and letters, absolute
/// discounting for separators) and writes a caption.tbl. Uses floating point: build a table once and ship it.
/// Corrupt when there is nothing to learn from. Needs about 200 bytes of memory a training word.
Status build_caption_table(const CaptionTraining& training, Bytes& out);

} // namespace gsem::entropy
