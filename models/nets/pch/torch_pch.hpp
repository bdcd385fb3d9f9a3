// SPDX-License-Identifier: LGPL-2.1-or-later
// Precompiled: torch/torch.h costs 10 to 20 seconds a file.
#pragma once

#include <torch/torch.h>
