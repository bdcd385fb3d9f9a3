// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/captioner.hpp"

#include <vector>

namespace gsem::runtime {

/// The words of one picture, without the end mark (token 0), 1 to 20: the most likely each time, but never
/// one twice running, nor the same three words twice. No beams: self-critical training rewards single
/// captions, and what is likely as a whole is what fits all birds (docs/training.md has the figures).
/// `allowed`: [V] of 0 (may be said) or minus infinity; the end mark must be allowed. Empty when `between`,
/// called after every word, says stop.
std::vector<int64_t> search_caption(nets::CaptionerImpl& captioner, const at::Tensor& grid,
                                    const at::Tensor& allowed, const nets::Between& between);

} // namespace gsem::runtime
