// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <exception>

namespace gsem::codec {

/// Runs `body` of a vfunc. What it throws (out of memory, in practice) becomes an element error and
/// `fallback`: no C++ exception may unwind GObject's C frames.
template <class R, class Body>
R guarded(gpointer element, R fallback, Body&& body) {
  try {
    return body();
  } catch (const std::exception& e) {
    GST_ELEMENT_ERROR(element, LIBRARY, FAILED, ("Internal failure: %s.", e.what()), (nullptr));
  } catch (...) {
    GST_ELEMENT_ERROR(element, LIBRARY, FAILED, ("Internal failure."), (nullptr));
  }
  return fallback;
}

} // namespace gsem::codec
