// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/mac_counter.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>

#include <cstring>
#include <memory>
#include <vector>

namespace gsem::nets {
namespace {

thread_local int64_t counted = 0;

/// Output size of dimension `i` (0 or 1) of a convolution, from aten::convolution's arguments.
int64_t convolved(const at::Tensor& x, const at::Tensor& w, const std::vector<int64_t>& stride,
                  const std::vector<int64_t>& padding, const std::vector<int64_t>& dilation, int i) {
  const int64_t span = dilation[i % dilation.size()] * (w.size(2 + i) - 1) + 1;
  return (x.size(2 + i) + 2 * padding[i % padding.size()] - span) / stride[i % stride.size()] + 1;
}

int64_t convolution(c10::ArrayRef<const c10::IValue> in) {
  if (in.size() < 9 || in[6].toBool()) // transposed convolutions: none of the networks has one
    return 0;
  const at::Tensor x = in[0].toTensor(), w = in[1].toTensor();
  if (x.dim() != 4)
    return 0;
  const auto stride = in[3].toIntVector(), padding = in[4].toIntVector(), dilation = in[5].toIntVector();
  const int64_t area =
      convolved(x, w, stride, padding, dilation, 0) * convolved(x, w, stride, padding, dilation, 1);
  return x.size(0) * area * w.numel(); // w is [out, in / groups, kh, kw]
}

int64_t product(const at::Tensor& a, const at::Tensor& b) {
  return a.numel() * b.size(-1);
}

/// Arguments of aten::mkldnn_convolution, which lacks the transposition.
int64_t plain_convolution(c10::ArrayRef<const c10::IValue> in) {
  const at::Tensor x = in[0].toTensor(), w = in[1].toTensor();
  const auto padding = in[3].toIntVector(), stride = in[4].toIntVector(), dilation = in[5].toIntVector();
  const int64_t area =
      convolved(x, w, stride, padding, dilation, 0) * convolved(x, w, stride, padding, dilation, 1);
  return x.size(0) * area * w.numel();
}

enum class Kind { Other, Convolution, PlainConvolution, Addmm, Product };

Kind kind(const char* name) {
  const auto is = [name](const char* other) { return !std::strcmp(name, other); };
  if (is("aten::convolution"))
    return Kind::Convolution;
  if (is("aten::mkldnn_convolution"))
    return Kind::PlainConvolution;
  if (is("aten::addmm"))
    return Kind::Addmm;
  return is("aten::mm") || is("aten::bmm") ? Kind::Product : Kind::Other;
}

int64_t operation(Kind k, c10::ArrayRef<const c10::IValue> in) {
  switch (k) {
  case Kind::Convolution:
    return convolution(in);
  case Kind::PlainConvolution:
    return plain_convolution(in);
  case Kind::Addmm:
    return product(in[1].toTensor(), in[2].toTensor());
  default:
    return product(in[0].toTensor(), in[1].toTensor());
  }
}

/// Marks a counted call, inside which nothing is counted again.
struct Counted : at::ObserverContext {};
thread_local int inside = 0;

std::unique_ptr<at::ObserverContext> on_call(const at::RecordFunction& f) {
  const Kind k = kind(f.name());
  if (k == Kind::Other)
    return nullptr;
  if (inside++ == 0)
    counted += operation(k, f.inputs());
  return std::make_unique<Counted>();
}

void on_return(const at::RecordFunction&, at::ObserverContext* context) {
  if (context)
    --inside;
}

} // namespace

MacCounter::MacCounter() {
  counted = 0;
  handle_ = at::addThreadLocalCallback(
      at::RecordFunctionCallback(on_call, on_return).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
}

MacCounter::~MacCounter() {
  at::removeCallback(handle_);
}

int64_t MacCounter::macs() const {
  return counted;
}

} // namespace gsem::nets
