// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

/// Custom downstream event to layer joins (docs/caps.md): guint `max-layer`; nothing is to stand in for layers above.
#define GSEM_EVENT_MAX_LAYER "semantic-max-layer"
