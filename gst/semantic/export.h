// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

/// Symbols of libgstsemanticbase that the two plugins use; everything else is hidden.
#define GST_SEMANTIC_API __attribute__ ((visibility ("default")))
