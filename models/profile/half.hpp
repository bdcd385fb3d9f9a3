// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>

/// 16-bit floating point (IEEE 754 binary16 and bfloat16), stored little-endian. Pure functions.
namespace gsem::profile {

/// `in` holds `count` little-endian values at any alignment. Exact.
void half_to_float(const uint8_t* in, float* out, size_t count);
void bfloat_to_float(const uint8_t* in, float* out, size_t count);

/// Round to nearest, ties to even. Over 65504 gives infinity, NaN stays NaN.
uint16_t float_to_half(float value);

} // namespace gsem::profile
