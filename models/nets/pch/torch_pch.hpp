// SPDX-License-Identifier: LGPL-2.1-or-later
// Precompiled: torch/torch.h costs 10 to 20 seconds a file.
#ifndef GSEM_NETS_TORCH_PCH // not #pragma once: the compiler warns of it in a precompiled header
#define GSEM_NETS_TORCH_PCH

#include <torch/torch.h>

#endif
