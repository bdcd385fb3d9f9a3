// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"
#include "gst/semantic/layer_meta.hpp"
#include "plugins/semantic/gstrtpsemanticdepay.h"
#include "plugins/semantic/gstrtpsemanticpay.h"
#include "plugins/semantic/gstsemanticdecodebin.h"
#include "plugins/semantic/gstsemanticdemux.h"
#include "plugins/semantic/gstsemanticencodebin.h"
#include "plugins/semantic/gstsemanticlayerfilter.h"
#include "plugins/semantic/gstsemanticmux.h"
#include "plugins/semantic/gstsemanticparse.h"
#include "plugins/semantic/gstsemantictextdec.h"
#include "plugins/semantic/gstsemantictextenc.h"

static gboolean plugin_init(GstPlugin* plugin) {
  gst_semantic_layer_meta_get_info();
  gboolean ok = GST_TYPE_FIND_REGISTER(semantic, plugin);
  ok |= GST_ELEMENT_REGISTER(semanticmux, plugin);
  ok |= GST_ELEMENT_REGISTER(semanticdemux, plugin);
  ok |= GST_ELEMENT_REGISTER(semanticparse, plugin);
  ok |= GST_ELEMENT_REGISTER(semantictextenc, plugin);
  ok |= GST_ELEMENT_REGISTER(semantictextdec, plugin);
  ok |= GST_ELEMENT_REGISTER(semanticencodebin, plugin);
  ok |= GST_ELEMENT_REGISTER(semanticdecodebin, plugin);
  ok |= GST_ELEMENT_REGISTER(rtpsemanticpay, plugin);
  ok |= GST_ELEMENT_REGISTER(rtpsemanticdepay, plugin);
  ok |= GST_ELEMENT_REGISTER(semanticlayerfilter, plugin);
  return ok;
}

#define PACKAGE GSEM_PACKAGE
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, semantic,
                  "Layered semantic streams: container, captions as text, RTP, bins", plugin_init, GSEM_VERSION,
                  "LGPL", GSEM_PACKAGE, GSEM_ORIGIN)
