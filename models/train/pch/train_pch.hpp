// SPDX-License-Identifier: LGPL-2.1-or-later
// torch/torch.h costs 10 to 20 seconds a file without this.
#include <opencv2/core.hpp>
#include <torch/torch.h>
