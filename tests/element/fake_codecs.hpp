// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

/// Stand-ins for the six codec elements, so that the bins' plumbing is tested without networks. Encoders code
/// each picture as five bytes. Decoders write down what they got: semanticdec 'c' for a caption and '.' for
/// none; structdec and signaldec what is below, a colon, and the join's letters (P present, N not sent, L
/// lost, E eos, U unlinked) of map and signal: "c:P:PP" has everything.
namespace fake_codecs {

void add();

} // namespace fake_codecs
