// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"
#include "models/entropy/latent_coder.hpp"

namespace gsem::codec {

/// Layer 3's payload (docs/bitstream.md): byte 0 frame type (0: intra), byte 1 quality 0..63, then the
/// entropy-coded latents.
Status write_signal_payload(const entropy::LatentCoder& coder, int width, int height,
                            const entropy::Latents& latents, Bytes& out);

/// Unsupported for a frame type of a newer version; Corrupt or TooLarge for damaged data.
Status read_signal_payload(const entropy::LatentCoder& coder, int width, int height, ByteView data,
                           entropy::Latents& latents);

} // namespace gsem::codec
