// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/profile/half.hpp"

#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace gsem::profile {
namespace {

uint32_t load_u16(const uint8_t* in) {
  return static_cast<uint32_t>(in[0] | in[1] << 8);
}

float half_bits_to_float(uint32_t half) {
  const uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31, mantissa = half & 1023;
  if (exponent == 31)
    return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent != 0)
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f; // zero and subnormal numbers
  return sign != 0 ? -magnitude : magnitude;
}

void half_to_float_scalar(const uint8_t* in, float* out, size_t count) {
  for (size_t i = 0; i < count; i++)
    out[i] = half_bits_to_float(load_u16(in + 2 * i));
}

#if defined(__x86_64__)
__attribute__((target("avx,f16c"))) void half_to_float_f16c(const uint8_t* in, float* out, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + 2 * i))));
  half_to_float_scalar(in + 2 * i, out + i, count - i);
}

bool have_f16c() {
  // __builtin_cpu_supports knows no "f16c" in Clang 14; "avx" there also asks whether the system saves the
  // registers.
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __builtin_cpu_supports("avx") && __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1) != 0;
}
#endif

} // namespace

void half_to_float(const uint8_t* in, float* out, size_t count) {
#if defined(__x86_64__)
  static const bool f16c = have_f16c();
  if (f16c)
    return half_to_float_f16c(in, out, count);
#endif
  half_to_float_scalar(in, out, count);
}

void bfloat_to_float(const uint8_t* in, float* out, size_t count) {
  for (size_t i = 0; i < count; i++)
    out[i] = std::bit_cast<float>(load_u16(in + 2 * i) << 16);
}

uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), magnitude = bits & 0x7fffffffu;
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  if (magnitude > 0x7f800000u)
    return sign | 0x7e00; // NaN
  if (magnitude >= 0x477ff000u)
    return sign | 0x7c00; // 65520 and more round to infinity
  if (magnitude < 0x38800000u) {
    // Below the smallest normal number: adding 0.5 lets the FPU round to units of 2^-24.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
  }
  const uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
  return static_cast<uint16_t>(sign | ((rounded >> 13) - (112u << 10)));
}

} // namespace gsem::profile
