// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/captioner.hpp"

namespace gsem::nets {

CaptionerImpl::CaptionerImpl(int64_t vocabulary, int64_t channels, int64_t width, int64_t hidden) {
  embedding_ = register_module("e", Embedding(vocabulary, width));
  initial_ = register_module("h0", Linear(channels, hidden));
  key_ = register_module("k", Linear(channels, width));
  query_ = register_module("q", Linear(hidden, width));
  score_ = register_module("s", Linear(width, 1));
  cell_ = register_module("g", torch::nn::GRUCell(width + channels, hidden));
  output_ = register_module("o", Linear(hidden + channels, vocabulary));
  dropout_ = register_module("drop", torch::nn::Dropout(0.4));
  input_sd = register_buffer("input_sd", torch::ones({1}));
}

Tensor CaptionerImpl::grid(const Tensor& features) {
  return features.to(at::kFloat).flatten(2).transpose(1, 2) / input_sd;
}

CaptionerImpl::State CaptionerImpl::start(const Tensor& grid) {
  const Tensor g = dropout_(grid);
  return {g, key_(g), torch::tanh(initial_(g.mean(1)))};
}

Tensor CaptionerImpl::step(const Tensor& tokens, State& state) {
  const Tensor energy = score_(torch::tanh(state.key + query_(state.hidden).unsqueeze(1)));
  const Tensor context = (energy.softmax(1) * state.grid).sum(1);
  state.hidden = cell_(torch::cat({embedding_(tokens), context}, 1), state.hidden);
  return output_(dropout_(torch::cat({state.hidden, context}, 1)));
}

Tensor CaptionerImpl::forward(const Tensor& grid, const Tensor& tokens) {
  State state = start(grid);
  std::vector<Tensor> out;
  for (const Tensor& t : tokens.unbind(1))
    out.push_back(step(t, state));
  return torch::stack(out, 1);
}

TextEncoderImpl::TextEncoderImpl(int64_t vocabulary, int64_t width) {
  embedding_ = register_module("e", Embedding(vocabulary, width, 0));
  gru_ = register_module(
      "g", torch::nn::GRU(torch::nn::GRUOptions(width, width / 2).batch_first(true).bidirectional(true)));
  output_ = register_module("o", Linear(width, width));
  dropout_ = register_module("drop", torch::nn::Dropout(0.3));
}

TextEncoderImpl::Output TextEncoderImpl::forward(const Tensor& tokens) {
  const Tensor mask = (tokens > 0).to(at::kFloat), column = mask.unsqueeze(2);
  const Tensor words = std::get<0>(gru_(dropout_(embedding_(tokens)) * column)) * column;
  const Tensor pooled = output_(words.masked_fill(column == 0, -1e4).amax(1));
  const Tensor length = pooled.norm(2, {-1}, true).clamp_min(1e-12);
  return {words, pooled / length, mask};
}

} // namespace gsem::nets
