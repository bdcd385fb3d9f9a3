// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

/// Names and fields of the project's caps, in one place. The table with every field is docs/caps.md (a test compares the two).
#define GSEM_CAPS_STREAM "video/x-semantic"
#define GSEM_CAPS_CAPTION "video/x-semantic-caption"
#define GSEM_CAPS_STRUCTURE "video/x-semantic-structure"
#define GSEM_CAPS_SIGNAL "video/x-semantic-signal"
#define GSEM_CAPS_RTP \
  "application/x-rtp, media = (string) video, clock-rate = (int) 90000, encoding-name = (string) X-SEMANTIC"
#define GSEM_CAPS_TEXT "text/x-raw, format=(string)utf8"

/// Raw video the codec elements take and give: full-range sRGB, progressive, 16x16..4096x4096. videoconvert does the rest.
#define GSEM_RAW_SIZES "width=(int)[16,4096], height=(int)[16,4096], framerate=(fraction)[0/1,2147483647/1]"
#define GSEM_CAPS_RAW_RGB "video/x-raw, format=(string)RGB, interlace-mode=(string)progressive, " GSEM_RAW_SIZES
#define GSEM_CAPS_RAW_MAP "video/x-raw, format=(string)GRAY8, interlace-mode=(string)progressive, " GSEM_RAW_SIZES

/// Pad names of mux, demux and the joins.
#define GSEM_PAD_CAPTION "caption"
#define GSEM_PAD_STRUCTURE "structure"
#define GSEM_PAD_SIGNAL "signal"

/// Custom upstream event of semanticlayerfilter: what the encoders may use. guint fields `structure-bitrate` and `signal-bitrate`, payload bits a second;
/// 0: leave the layer out until the next event, G_MAXUINT: no limit. docs/caps.md.
#define GSEM_EVENT_RATE "semantic-rate"
