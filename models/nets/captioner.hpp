// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/layers.hpp"

namespace gsem::nets {

/// Picture to words: a GRU with additive attention over the backbone's stride-32 grid (after Xu et al.,
/// "Show, Attend and Tell", ICML 2015). Token 0 is <pad>: begin mark as input, end mark as output. Token 1 is
/// <unk>.
struct CaptionerImpl : torch::nn::Module {
  explicit CaptionerImpl(int64_t vocabulary = 1265, int64_t channels = 320, int64_t width = 128,
                         int64_t hidden = 320);

  struct State {
    Tensor grid, key, hidden; ///< [B,N,C], [B,N,D], [B,H]
  };

  /// Backbone features [B,320,7,7] -> grid [B,49,320], divided by input_sd (the training features'
  /// deviation).
  Tensor grid(const Tensor& features);
  State start(const Tensor& grid);
  /// tokens [B] -> logits [B,V]; the state goes one step on.
  Tensor step(const Tensor& tokens, State& state);
  /// Teacher forcing: tokens [B,L] beginning with 0 -> logits [B,L,V].
  Tensor forward(const Tensor& grid, const Tensor& tokens);

  Tensor input_sd; ///< buffer [1]

private:
  Embedding embedding_{nullptr};
  Linear initial_{nullptr}, key_{nullptr}, query_{nullptr}, score_{nullptr}, output_{nullptr};
  torch::nn::GRUCell cell_{nullptr};
  torch::nn::Dropout dropout_{nullptr};
};
TORCH_MODULE(Captioner);

/// Words to features: a bidirectional GRU (128 wide), and their sentence feature of length 1, trained against
/// pictures. Names have the prefix "te." in text.safetensors.
struct TextEncoderImpl : torch::nn::Module {
  static constexpr int64_t kMaxWords =
      20; ///< training always padded to this length, and the backward GRU sees the padding

  explicit TextEncoderImpl(int64_t vocabulary = 1265, int64_t width = 128);

  struct Output {
    Tensor words, sentence, mask; ///< [B,L,128], [B,128], [B,L] of 0 and 1
  };
  /// tokens [B,L] (int64), 0 = padding.
  Output forward(const Tensor& tokens);

private:
  Embedding embedding_{nullptr};
  torch::nn::GRU gru_{nullptr};
  Linear output_{nullptr};
  torch::nn::Dropout dropout_{nullptr};
};
TORCH_MODULE(TextEncoder);

} // namespace gsem::nets
