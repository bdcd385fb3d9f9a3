// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/runtime/caption_search.hpp"

#include <limits>

namespace gsem::runtime {
namespace {

constexpr int64_t kEnd = 0;
constexpr size_t kMaxWords = 20;

bool repeats(const std::vector<int64_t>& words, int64_t next) {
  const size_t n = words.size();
  if (n && words[n - 1] == next)
    return true;
  for (size_t i = 0; i + 3 <= n; ++i)
    if (words[i] == words[n - 2] && words[i + 1] == words[n - 1] && words[i + 2] == next)
      return true;
  return false;
}

/// The most likely word that may follow; the end mark when there is none.
int64_t best_next(const std::vector<int64_t>& words, const at::Tensor& logits) {
  const auto value = logits.accessor<float, 1>();
  int64_t best = kEnd;
  float highest = words.empty() ? -std::numeric_limits<float>::infinity() : value[kEnd];
  for (int64_t w = 1; w < value.size(0); ++w)
    if (value[w] > highest && !repeats(words, w)) {
      best = w;
      highest = value[w];
    }
  return best;
}

} // namespace

std::vector<int64_t> search_caption(nets::CaptionerImpl& captioner, const at::Tensor& grid,
                                    const at::Tensor& allowed, const nets::Between& between) {
  auto state = captioner.start(grid);
  const auto index = torch::dtype(at::kLong).device(grid.device());
  std::vector<int64_t> words;
  for (int64_t last = kEnd; words.size() < kMaxWords; words.push_back(last)) {
    const at::Tensor logits = captioner.step(torch::tensor({last}, index), state);
    last = best_next(words, (logits[0].to(at::kFloat) + allowed).to(at::kCPU));
    if (last == kEnd)
      break;
    if (between && !between())
      return {};
  }
  return words;
}

} // namespace gsem::runtime
