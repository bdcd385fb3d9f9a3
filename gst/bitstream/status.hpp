// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

namespace gsem {

/// Outcome of every parse and write function of the torch-free libraries. They neither throw nor log.
enum class Status {
  Ok,
  NeedMoreData, ///< the bytes so far are fine, but the structure goes on after them
  Corrupt,      ///< a rule of the format or a checksum is broken
  Unsupported,  ///< well-formed, but of a version or kind this code does not know
  TooLarge,     ///< a declared size is over the limits (checked before memory is taken)
  Mismatch,     ///< made with other tables or another model (parse-hash differs)
  Failed,       ///< an external part (codec library, program, file) said no
};

/// Static, never null, never freed.
const char* status_name(Status status);

} // namespace gsem
