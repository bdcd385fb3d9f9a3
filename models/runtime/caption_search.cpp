// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/runtime/caption_search.hpp"

#include <algorithm>
#include <limits>

namespace gsem::runtime {
namespace {

constexpr int64_t kEnd = 0;
constexpr float kNever = -std::numeric_limits<float>::infinity();

struct Beam {
  std::vector<int64_t> words;
  float score = 0; ///< sum of log probabilities
  float mean() const { return score / float(words.size() + 1); }
};

bool repeats(const std::vector<int64_t>& words, int64_t next) {
  const size_t n = words.size();
  if (n && words[n - 1] == next)
    return true;
  for (size_t i = 0; i + 3 <= n; ++i)
    if (words[i] == words[n - 2] && words[i + 1] == words[n - 1] && words[i + 2] == next)
      return true;
  return false;
}

struct Candidate {
  float score;
  size_t beam;
  int64_t word;
};

/// The best continuations of all beams, best first.
std::vector<Candidate> continuations(const std::vector<Beam>& beams, const at::Tensor& log_p, size_t count) {
  // A few more than needed a beam: some of them the repetition guard takes away.
  const int64_t each = std::min<int64_t>(int64_t(count) + 8, log_p.size(1));
  const auto [values, words] = log_p.topk(each, 1);
  const auto value = values.accessor<float, 2>();
  const auto word = words.accessor<int64_t, 2>();
  std::vector<Candidate> all;
  for (size_t b = 0; b < beams.size(); ++b)
    for (int64_t k = 0; k < each; ++k) {
      const int64_t w = word[int64_t(b)][k];
      const float v = value[int64_t(b)][k];
      if (v == kNever || (w == kEnd ? beams[b].words.empty() : repeats(beams[b].words, w)))
        continue;
      all.push_back({beams[b].score + v, b, w});
    }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  if (all.size() > count)
    all.resize(count);
  return all;
}

} // namespace

std::vector<int64_t> search_caption(nets::CaptionerImpl& captioner, const at::Tensor& grid,
                                    const CaptionSearch& search, const nets::Between& between) {
  auto state = captioner.start(grid);
  const at::Tensor shared_grid = state.grid, shared_key = state.key;
  const auto index = torch::dtype(at::kLong).device(grid.device());
  std::vector<Beam> beams(1);
  std::vector<int64_t> last{kEnd};
  Beam best;
  best.score = kNever;
  for (int n = 0; n < search.max_words && !beams.empty(); ++n) {
    const int64_t b = int64_t(beams.size());
    state.grid = shared_grid.expand({b, -1, -1});
    state.key = shared_key.expand({b, -1, -1});
    const at::Tensor logits = captioner.step(torch::tensor(last, index), state);
    const at::Tensor log_p = (logits.log_softmax(1) + search.allowed).to(at::kCPU);
    std::vector<Beam> next;
    std::vector<int64_t> parents;
    last.clear();
    for (const Candidate& c : continuations(beams, log_p, size_t(search.beams))) {
      Beam grown = beams[c.beam];
      grown.score = c.score;
      if (c.word == kEnd) {
        if (best.words.empty() || grown.mean() > best.mean())
          best = grown;
        continue;
      }
      grown.words.push_back(c.word);
      last.push_back(c.word);
      parents.push_back(int64_t(c.beam));
      next.push_back(std::move(grown));
    }
    beams = std::move(next);
    // Later words only lower a sum; a beam that even with free words ahead stays behind cannot win.
    if (!best.words.empty() && !beams.empty() && beams[0].score / float(search.max_words + 1) < best.mean())
      break;
    if (!parents.empty())
      state.hidden = state.hidden.index_select(0, torch::tensor(parents, index));
    if (between && !between())
      return {};
  }
  for (const Beam& b : beams) // cut off at the longest length
    if (best.words.empty() || b.mean() > best.mean())
      best = b;
  return best.words;
}

} // namespace gsem::runtime
