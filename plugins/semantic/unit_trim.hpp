// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/access_unit.hpp"

#include <span>

/// Access units of which some layers go on: the others are then *not sent*, not lost. Thread-safety: pure
/// functions.
namespace gsem {

/// Bytes that write_trimmed_unit will copy: a bound, for the allocation.
size_t trimmed_unit_bound(const bitstream::AccessUnitHeader& unit, std::span<const bool> keep);

/// Appends the unit with the layers of `keep` alone; payloads are copied with their checksums as they are.
/// `section`: the payload section of `unit`; where it ends early, so does the new unit. `state`: of the
/// stream as it goes out. `kept` receives the unit's new header. Errors as write_access_unit_header.
Status write_trimmed_unit(const bitstream::AccessUnitHeader& unit, ByteView section,
                          std::span<const bool> keep, bitstream::TimestampState& state,
                          bitstream::AccessUnitHeader& kept, Bytes& out);

} // namespace gsem
