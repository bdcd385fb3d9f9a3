// SPDX-License-Identifier: LGPL-2.1-or-later
// Checkpoints and word lists on hostile bytes: every tensor that is accepted can be read within its bounds.
#include "tests/fuzz/fuzz_target.hpp"

#include "models/import/checkpoint.hpp"
#include "models/import/vocabulary.hpp"
#include "tests/core/checkpoint_files.hpp"

using namespace gsem;
using namespace gsem::checkpoint;

std::vector<Bytes> fuzz_seeds() {
  using namespace checkpoint_files;
  TensorSpec t;
  t.count = 4;
  t.shape = {2, 2};
  t.stride = {2, 1};
  const std::string object = dict({{"state_dict", dict({{"module.w", tensor(t)}, {"n", integer(3)}})}});
  const std::vector<float> storage = {1, 2, 3, 4};
  const std::string words = "}(K\x01" + text("bird") + "K" + std::string(1, '\0') + text("<end>") + "u";
  return {zip_checkpoint(object, storage), zip_checkpoint(object, storage, true),
          legacy_checkpoint(object, storage),
          pickle("](](](K\x01"
                 "ee]" +
                 words + "}e"),
          pickle(global("build_vocab", "Vocabulary") + ")\x81}(" + text("idx2word") + words + "ub")};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::shared_ptr<const Checkpoint> read;
  std::string error;
  if (Checkpoint::parse({data, size}, "input", read, error) != Status::Ok)
    FUZZ_CHECK(!error.empty() && !read);
  else
    for (const auto& [name, tensor] : read->tensors())
      FUZZ_CHECK(to_floats(tensor).size() == size_t(tensor.count()) &&
                 uint64_t(tensor.count()) * element_size(tensor.type) <= size + (64u << 20));
  WordList words;
  error.clear();
  if (read_words({data, size}, words, error) != Status::Ok)
    FUZZ_CHECK(!error.empty());
  else
    for (const auto& caption : words.captions)
      for (uint32_t index : caption)
        FUZZ_CHECK(index < words.words.size());
  return 0;
}
