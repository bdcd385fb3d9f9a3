// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/runtime/torch_threads.hpp"

#include "models/runtime/executor.hpp"
#include "models/runtime/models.hpp"

#include <torch/torch.h>

#include <ATen/Parallel.h>

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>

namespace gsem::runtime {

void init_thread_for_torch() {
  at::init_num_threads();
#if defined(__GLIBC__)
  // Every layer's output is allocated and freed; by default glibc gives that memory back to the kernel each
  // time and takes it again as zeroed pages, which costs a quarter to a half of the time of a network. Keep
  // up to 64 MiB; larger blocks (pictures over about 1920x1080) still come and go.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

void set_torch_threads(int threads) {
  at::set_num_threads(threads);
  // OpenBLAS' pthreads build has a team of its own, as large as the machine.
  using Set = void (*)(int);
  if (const auto set = reinterpret_cast<Set>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads")))
    set(threads);
}

int torch_threads() {
  return at::get_num_threads();
}

bool cuda_available() {
  return torch::cuda::is_available();
}

namespace {

/// The file name of the first loaded BLAS; Debian's alternatives decide it at run time, and the reference one
/// is ten times slower.
int find_blas(struct dl_phdr_info* info, size_t, void* user) {
  const std::string path = info->dlpi_name ? info->dlpi_name : "";
  for (const char* name : {"openblas", "libmkl", "libblis", "libblas", "libatlas"}) {
    if (path.find(name) != std::string::npos) {
      *static_cast<std::string*>(user) = path;
      return 1;
    }
  }
  return 0;
}

std::string blas() {
  std::string path;
  dl_iterate_phdr(find_blas, &path);
  if (path.empty())
    return "no BLAS library of its own";
  char* resolved = realpath(path.c_str(), nullptr);
  const std::string real = resolved ? resolved : path;
  free(resolved);
  const bool fast = real.find("libblas") == std::string::npos || real.find("openblas") != std::string::npos ||
                    real.find("blis") != std::string::npos;
  const std::string file =
      real.find("openblas") != std::string::npos ? "OpenBLAS" : real.substr(real.rfind('/') + 1);
  return fast ? file : "reference BLAS (slow: install libopenblas0-pthread)";
}

std::string cpu_features() {
#if defined(__x86_64__)
  std::string s;
  const auto add = [&s](bool have, const char* name) {
    if (have)
      s += (s.empty() ? "" : " ") + std::string(name);
  };
  add(__builtin_cpu_supports("avx2"), "AVX2");
  add(__builtin_cpu_supports("fma"), "FMA");
  add(__builtin_cpu_supports("avx512f"), "AVX512");
  add(__builtin_cpu_supports("avx512vnni"), "AVX512_VNNI");
  add(__builtin_cpu_supports("avx512bf16"), "AVX512_BF16");
  return s.empty() ? "no AVX2" : s;
#else
  return "this CPU's features unknown";
#endif
}

} // namespace

std::string describe_runtime() {
  const int threads = Executor::get()->threads();
  return "LibTorch " TORCH_VERSION ", " + blas() + (at::hasMKLDNN() ? ", oneDNN, " : ", no oneDNN (slow), ") +
         cpu_features() + ", " + std::to_string(threads) + (threads == 1 ? " thread" : " threads") +
         (cuda_available() ? ", CUDA" : "");
}

} // namespace gsem::runtime
