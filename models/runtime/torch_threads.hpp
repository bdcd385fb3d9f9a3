// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

/// The few things the executor and the INFO log need from LibTorch, apart so that the rest compiles without
/// its headers.
namespace gsem::runtime {

/// At the start of the inference thread. Without it, OpenMP in a new thread ignores what was set elsewhere
/// and spawns a whole team.
void init_thread_for_torch();
/// OpenMP team of the calling thread.
void set_torch_threads(int threads);
int torch_threads();
bool cuda_available();

} // namespace gsem::runtime
