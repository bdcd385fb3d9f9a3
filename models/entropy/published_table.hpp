// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/entropy/published_model.hpp"
#include "models/entropy/signal_table.hpp"

/// The signal.tbl of a profile with the published layer 3: integers only.
namespace gsem::entropy {

inline constexpr char kPublishedMagic[5] = "GSPT";

struct PublishedRate {
  PublishedLayer up1, up2, last;
  std::vector<int32_t> median;      ///< of z's channels, 14 binary places; z is rounded around them
  std::vector<SymbolFrequencies> z; ///< one a channel
};

struct PublishedTable {
  int hyper_channels = 0, channels = 0;
  std::vector<int32_t> thresholds;  ///< kScales - 1, ascending: scale index = how many are below the scale
  std::vector<SymbolFrequencies> y; ///< kScales
  std::vector<PublishedRate> rates; ///< lowest quality first; the 64 qualities are spread over them evenly

  /// Corrupt when a rule is broken.
  Status check() const;
  void write(Bytes& out) const;
  static Status read(ByteView table, PublishedTable& out, uint64_t& hash);
};

// ---- building (gsementropybuild) -------------------------------------------------------------------------

/// One checkpoint's entropy model as floating point, PyTorch's order of weights.
struct PublishedWeights {
  int hyper_channels = 0, channels = 0;             ///< N, M
  std::vector<float> up1, up1_bias, up2, up2_bias;  ///< transposed [N][N][5][5]
  std::vector<float> last, last_bias;               ///< [M][N][3][3]
  std::vector<float> quantiles;                     ///< [N][3]
  std::vector<float> matrix[5], bias[5], factor[4]; ///< of the factorised prior
};

/// Quantises the hyper-decoders and makes the symbol tables. Corrupt when shapes disagree or a number is not
/// finite. Floating point: build once and ship the bytes.
Status build_published_table(const std::vector<PublishedWeights>& rates, Bytes& out);

/// CompressAI's 64 scales: 0.11 to 256, even in the logarithm.
double published_scale(int index);

} // namespace gsem::entropy
