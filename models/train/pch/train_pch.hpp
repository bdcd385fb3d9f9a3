// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once
// torch/torch.h costs 10 to 20 seconds a file without this.
#include <torch/torch.h>
#include <opencv2/core.hpp>
