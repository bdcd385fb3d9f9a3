// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/captioner.hpp"

#include <vector>

namespace gsem::runtime {

struct CaptionSearch {
  int beams = 3; ///< 1: greedy
  int max_words = 20;
  /// [V] of 0 (may be said) or minus infinity. The end mark, token 0, must be allowed.
  at::Tensor allowed;
};

/// The words of one picture, without the end mark; at least one. A word is never said twice running, nor the
/// same three words twice. Beams are compared by mean log probability a token. Empty when `between`, called
/// after every word, says stop.
std::vector<int64_t> search_caption(nets::CaptionerImpl& captioner, const at::Tensor& grid,
                                    const CaptionSearch& search, const nets::Between& between);

} // namespace gsem::runtime
