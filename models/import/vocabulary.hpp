// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"

#include <cstdint>
#include <string>
#include <vector>

/// Word lists as the published code pickles them.
namespace gsem::checkpoint {

struct WordList {
  std::vector<std::string> words;              ///< word of each index; UTF-8 without line ends
  std::vector<std::vector<uint32_t>> captions; ///< training captions as indices, where the file has some
};

/// AttnGAN's captions.pickle ([training captions, test captions, index to word, word to index]), a Vocabulary
/// object of the captioning tutorial (fields word2idx, idx2word), or one such dictionary alone. Every index
/// from 0 on has exactly one word; at most 65,000. `error` says what is wrong.
Status read_words(ByteView pickle, WordList& out, std::string& error);

} // namespace gsem::checkpoint
