// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/judge_net.hpp"

namespace gsem::train {

JudgeNetImpl::JudgeNetImpl(int64_t vocabulary) : TextSideImpl(vocabulary) {
  backbone = register_module("backbone", nets::Backbone(nets::BackboneSize::Lite1));
}

Tensor JudgeNetImpl::pooled(const Tensor& pictures) {
  return backbone(pictures.contiguous(at::MemoryFormat::ChannelsLast), 4)[3].to(torch::kFloat32).mean({2, 3});
}

} // namespace gsem::train
