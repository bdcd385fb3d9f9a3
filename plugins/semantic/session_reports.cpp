// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/session_reports.hpp"

#include "gst/semantic/ptr.hpp"

#include <cstdio>

namespace gsem {

namespace {

constexpr int kMostLinks = 16;

bool is_a(GstElement* element, const char* factory_name) {
  GstElementFactory* factory = gst_element_get_factory(element);
  return factory && g_str_equal(GST_OBJECT_NAME(factory), factory_name);
}

/// The only pad of this direction; null where there are none or several.
Ptr<GstPad> only_pad(GstElement* element, GstPadDirection direction) {
  ObjectLock lock(element);
  GList* pads = direction == GST_PAD_SINK ? element->sinkpads : element->srcpads;
  if (!pads || pads->next)
    return nullptr;
  return Ptr<GstPad>(GST_PAD(gst_object_ref(pads->data)));
}

/// The pad of an rtpbin or rtpsession at the end of the way.
Ptr<GstPad> find_session(GstPad* from) {
  const GstPadDirection direction = GST_PAD_DIRECTION(from);
  Ptr<GstPad> at(GST_PAD(gst_object_ref(from)));
  for (int i = 0; i < kMostLinks && at; ++i) {
    Ptr<GstPad> peer(gst_pad_get_peer(at.get()));
    if (!peer)
      return nullptr;
    Ptr<GstElement> element(gst_pad_get_parent_element(peer.get()));
    if (element && (is_a(element.get(), "rtpbin") || is_a(element.get(), "rtpsession")))
      return peer;
    if (element && !GST_IS_BIN(element.get()))
      at = only_pad(element.get(), direction);
    else if (!element && GST_IS_PROXY_PAD(peer.get())) // out of a bin, by its ghost pad
      at.reset(GST_PAD(gst_proxy_pad_get_internal(GST_PROXY_PAD(peer.get()))));
    else
      return nullptr;
  }
  return nullptr;
}

std::unique_ptr<PacedReports> pace_session(GstElement* element) {
  GObject* session = nullptr;
  g_object_get(element, "internal-session", &session, nullptr);
  if (!session)
    return nullptr;
  Ptr<GstPad> received(gst_element_get_static_pad(element, "recv_rtp_sink")),
      sent(gst_element_get_static_pad(element, "send_rtp_sink"));
  auto paced = std::make_unique<PacedReports>(session, received.get(), sent.get());
  g_object_unref(session);
  return paced;
}

} // namespace

std::unique_ptr<PacedReports> pace_reports(GstPad* pad) {
  Ptr<GstPad> found = find_session(pad);
  Ptr<GstElement> element(found ? gst_pad_get_parent_element(found.get()) : nullptr);
  if (!element)
    return nullptr;
  if (is_a(element.get(), "rtpsession"))
    return pace_session(element.get());
  guint id = 0;
  if (sscanf(GST_PAD_NAME(found.get()), "recv_rtp_src_%u", &id) != 1 &&
      sscanf(GST_PAD_NAME(found.get()), "send_rtp_sink_%u", &id) != 1)
    return nullptr;
  return std::make_unique<PacedReports>(element.get(), id);
}

} // namespace gsem
