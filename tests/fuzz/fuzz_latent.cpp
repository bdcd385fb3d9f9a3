// SPDX-License-Identifier: LGPL-2.1-or-later
// Signal payloads and signal tables on hostile bytes. What decodes codes again to the same latents.
#include "tests/fuzz/fuzz_target.hpp"

#include "models/entropy/latent_coder.hpp"
#include "tests/core/entropy_random.hpp"

#include <algorithm>

using namespace gsem;
using namespace gsem::entropy;

namespace {

Bytes small_table() {
  entropy_test::Random random{1};
  Bytes table;
  entropy_test::random_signal_table(random).write(table);
  return table;
}

std::shared_ptr<const LatentCoder> coder() {
  static const std::shared_ptr<const LatentCoder> one = [] {
    std::shared_ptr<const LatentCoder> made;
    FUZZ_CHECK(LatentCoder::load(small_table(), made) == Status::Ok);
    return made;
  }();
  return one;
}

/// The first two bytes choose quality and size.
void try_payload(const LatentCoder& with, ByteView input) {
  if (input.size() < 2)
    return;
  const LatentShape shape = with.shape(64 * (1 + (input[1] & 3)), 64 * (1 + (input[1] >> 2 & 3)));
  Latents latents, again;
  latents.quality = again.quality = input[0] & 63;
  if (with.decode(shape, input.subspan(2), latents) != Status::Ok)
    return;
  latents.scale.clear(); // encode() must find the same
  Bytes coded;
  FUZZ_CHECK(with.encode(shape, latents, coded) == Status::Ok);
  FUZZ_CHECK(with.decode(shape, coded, again) == Status::Ok && again.y == latents.y &&
             again.z == latents.z);
}

/// The input as a table; the hash is put right, or no mutation would come past it.
void try_table(ByteView input) {
  if (input.size() < kTableHeader + kTableTrailer)
    return;
  Bytes table(input.begin(), input.end() - kTableTrailer);
  close_table(table);
  std::shared_ptr<const LatentCoder> changed;
  if (LatentCoder::load(table, changed) == Status::Ok)
    try_payload(*changed, input.first(std::min<size_t>(input.size(), 600)));
}

} // namespace

std::vector<Bytes> fuzz_seeds() {
  std::vector<Bytes> seeds{small_table()};
  entropy_test::Random random{2};
  for (uint32_t most : {1u, 30u, 65536u}) {
    const LatentShape shape = coder()->shape(128, 64);
    Latents latents;
    latents.quality = 20;
    for (int i = 0; i < shape.hyper_channels * shape.hyper_height * shape.hyper_width; i++)
      latents.z.push_back(int16_t(int(random.below(128)) - 64));
    for (int i = 0; i < shape.channels * shape.height * shape.width; i++)
      latents.y.push_back(int16_t(random.below(most)));
    Bytes& seed = seeds.emplace_back(Bytes{20, 1});
    FUZZ_CHECK(coder()->encode(shape, latents, seed) == Status::Ok);
  }
  return seeds;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try_payload(*coder(), {data, size});
  try_table({data, size});
  return 0;
}
