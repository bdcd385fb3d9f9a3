// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"

#include "plugins/semanticcodec/gstsemanticdec.h"
#include "plugins/semanticcodec/gstsemanticenc.h"
#include "plugins/semanticcodec/gstsignaldec.h"
#include "plugins/semanticcodec/gstsignalenc.h"
#include "plugins/semanticcodec/gststructdec.h"
#include "plugins/semanticcodec/gststructenc.h"

static gboolean plugin_init(GstPlugin* plugin) {
  gboolean ok = GST_ELEMENT_REGISTER(semanticenc, plugin);
  ok &= GST_ELEMENT_REGISTER(semanticdec, plugin);
  ok &= GST_ELEMENT_REGISTER(structenc, plugin);
  ok &= GST_ELEMENT_REGISTER(structdec, plugin);
  ok &= GST_ELEMENT_REGISTER(signalenc, plugin);
  ok &= GST_ELEMENT_REGISTER(signaldec, plugin);
  return ok;
}

#define PACKAGE GSEM_PACKAGE
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, semanticcodec,
                  "Codecs of the semantic, structure and signal layers", plugin_init, GSEM_VERSION, "LGPL",
                  GSEM_PACKAGE, GSEM_ORIGIN)
