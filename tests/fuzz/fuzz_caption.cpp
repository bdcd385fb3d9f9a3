// SPDX-License-Identifier: LGPL-2.1-or-later
// Caption payloads and caption tables on hostile bytes. What decodes is valid text and codes again to itself.
#include "tests/fuzz/fuzz_target.hpp"

#include "models/entropy/caption_builder.hpp"
#include "models/entropy/caption_coder.hpp"
#include "models/entropy/table_io.hpp"

#include <algorithm>
#include <string>

using namespace gsem;
using namespace gsem::entropy;

namespace {

Bytes small_table() {
  CaptionTraining training;
  for (int i = 0; i < 40; i++)
    for (const char* text : {"this bird has a white belly, and black wings.",
                             "a small brown bird with a long bill", "the bird is red; it's small. a bird"})
      training.captions.push_back(text + std::string(i % 4 == 0 ? " today" : ""));
  Bytes table;
  FUZZ_CHECK(build_caption_table(training, table) == Status::Ok);
  return table;
}

std::shared_ptr<const CaptionCoder> coder() {
  static const std::shared_ptr<const CaptionCoder> one = [] {
    std::shared_ptr<const CaptionCoder> made;
    FUZZ_CHECK(CaptionCoder::load(small_table(), made) == Status::Ok);
    return made;
  }();
  return one;
}

void try_payload(const CaptionCoder& with, ByteView payload) {
  Caption caption, again;
  if (with.decode(payload, caption) != Status::Ok)
    return;
  FUZZ_CHECK(caption.text.size() <= kMaxCaptionText && caption.hint <= kNoHint);
  Bytes coded;
  FUZZ_CHECK(with.encode(caption, coded) == Status::Ok);
  FUZZ_CHECK(with.decode(coded, again) == Status::Ok && again == caption);
}

/// The input as a table; the hash is put right, or no mutation would come past it.
void try_table(ByteView input) {
  if (input.size() < kTableHeader + kTableTrailer)
    return;
  Bytes table(input.begin(), input.end() - kTableTrailer);
  close_table(table);
  std::shared_ptr<const CaptionCoder> changed;
  if (CaptionCoder::load(table, changed) == Status::Ok)
    try_payload(*changed, input.first(std::min<size_t>(input.size(), 24)));
}

} // namespace

std::vector<Bytes> fuzz_seeds() {
  std::vector<Bytes> seeds{small_table()};
  for (const char* text :
       {"", "this bird has a white belly", "A Zebra, \u00e9 \U0001F426!", "a  small bird.", "qqq 77 QqQ"}) {
    FUZZ_CHECK(coder()->encode({text, 5, uint8_t(text[0] == 'a')}, seeds.emplace_back()) == Status::Ok);
  }
  return seeds;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try_payload(*coder(), {data, size});
  try_table({data, size});
  return 0;
}
