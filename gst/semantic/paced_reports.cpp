// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/semantic/paced_reports.hpp"

#include "gst/semantic/ptr.hpp"
#include "gst/semantic/report_pacing.hpp"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

namespace gsem {

namespace {

constexpr gsize kIpUdp = 28, kRtpHeader = 12;
/// Far more than is sent: what is early is then sent at once, and only `rtcp-min-interval` holds the rest
/// back.
constexpr gdouble kAtOnce = 100000; // bits a second
/// A day. The session reports by itself when this time has passed, or, without one, with each marker.
constexpr guint64 kNotNow = 86400ull * GST_SECOND;
constexpr guint64 kWithMarker = GST_CLOCK_TIME_NONE;
/// Regular reports that nobody asked for: two at the start, and then hardly ever.
constexpr guint64 kByItself = 3600 * GST_SECOND;

struct Header {
  guint32 time = 0, ssrc = 0;
  bool marker = false, extended = false;
};

/// False: no RTP; RTCP may come the same way.
bool read_header(GstBuffer* buffer, Header& header) {
  guint8 data[kRtpHeader];
  if (gst_buffer_extract(buffer, 0, data, kRtpHeader) != kRtpHeader || data[0] >> 6 != 2 ||
      (data[1] >= 192 && data[1] <= 223))
    return false;
  header = {GST_READ_UINT32_BE(data + 4), GST_READ_UINT32_BE(data + 8), (data[1] & 0x80) != 0,
            (data[0] & 0x10) != 0};
  return true;
}

guint clock_rate(GstPad* pad) {
  Ptr<GstCaps> caps(gst_pad_get_current_caps(pad));
  gint rate = 0;
  if (!caps || !gst_structure_get_int(gst_caps_get_structure(caps.get(), 0), "clock-rate", &rate) ||
      rate <= 0)
    return 90000;
  return guint(rate);
}

/// The time of the stream's packets as far as they follow each other.
class SenderTime {
public:
  /// False: a packet of no new time.
  bool advance(const Header& header, guint clock_rate) {
    if (started_ && header.ssrc != ssrc_)
      return false; // other streams' clocks are others
    const auto step = gint32(header.time - time_);
    if (started_ && step <= 0)
      return false;
    ticks_ += started_ ? guint64(step) : 0;
    started_ = true;
    ssrc_ = header.ssrc;
    time_ = header.time;
    ns_ = gst_util_uint64_scale(ticks_, GST_SECOND, clock_rate);
    return true;
  }
  guint64 ns() const { return ns_; }

private:
  bool started_ = false;
  guint32 ssrc_ = 0, time_ = 0;
  guint64 ticks_ = 0, ns_ = 0;
};

} // namespace

/// What is set of an RTPSession. One for each, shared by all that pace it. Thread-safe.
class PacedReports::Session {
public:
  static std::shared_ptr<Session> of(GObject* session) {
    static std::mutex mutex;
    std::lock_guard lock(mutex);
    using Known = std::weak_ptr<Session>;
    static const GQuark quark = g_quark_from_static_string("gsem-paced-reports");
    if (auto* known = static_cast<Known*>(g_object_get_qdata(session, quark)))
      if (auto found = known->lock())
        return found;
    auto made = std::make_shared<Session>(session);
    g_object_set_qdata_full(session, quark, new Known(made),
                            [](gpointer known) { delete static_cast<Known*>(known); });
    return made;
  }

  explicit Session(GObject* session) : session_(G_OBJECT(g_object_ref(session))) {
    g_object_get(session_, "rtcp-reduced-size", &reduced_size_, "rtcp-fraction", &fraction_,
                 "rtcp-min-interval", &min_interval_, "twcc-feedback-interval", &feedback_interval_, nullptr);
    g_object_set(session_, "rtcp-reduced-size", TRUE, "rtcp-fraction", kAtOnce, "rtcp-min-interval",
                 kByItself, nullptr);
  }
  ~Session() {
    g_object_set(session_, "rtcp-reduced-size", reduced_size_, "rtcp-fraction", fraction_,
                 "rtcp-min-interval", min_interval_, "twcc-feedback-interval", feedback_interval_, nullptr);
    g_object_unref(session_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// False: another one watches what comes in or goes out.
  bool claim(bool received) {
    std::lock_guard lock(mutex_);
    return !std::exchange(watched_[received], true);
  }
  void release(bool received) {
    std::lock_guard lock(mutex_);
    watched_[received] = false;
  }

  /// Whether the next packet's marker makes a report.
  void set_reporting(bool now) {
    g_object_set(session_, "twcc-feedback-interval", now ? kWithMarker : kNotNow, nullptr);
  }

  /// What comes or goes. Whenever the session is told how long to wait at least, a regular report goes at
  /// once.
  void take(bool received, uint64_t bytes, uint64_t now) {
    bool due = false;
    {
      std::lock_guard lock(mutex_);
      due = regular_.take(received, bytes, now);
    }
    if (due)
      g_object_set(session_, "rtcp-min-interval", kByItself, nullptr);
  }

private:
  GObject* session_;
  gboolean reduced_size_ = FALSE; ///< these four: as they were
  gdouble fraction_ = 0;
  guint64 min_interval_ = 0, feedback_interval_ = 0;
  std::mutex mutex_;
  bool watched_[2] = {};
  RegularPacing regular_;
};

/// What passes a pad of a session. One streaming thread at a time.
class PacedReports::Watch {
public:
  Watch(std::shared_ptr<Session> session, bool received) : session_(std::move(session)), received_(received) {
    if (received_)
      session_->set_reporting(false);
  }
  ~Watch() { session_->release(received_); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  static GstPadProbeReturn see(GstPad* pad, GstPadProbeInfo* info, gpointer data) {
    auto& self = *static_cast<Watch*>(data);
    bool due = false;
    if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
      GstBufferList* list = GST_PAD_PROBE_INFO_BUFFER_LIST(info);
      for (guint i = 0; i < gst_buffer_list_length(list); ++i)
        due = self.take(pad, gst_buffer_list_get(list, i)) || due;
    } else {
      due = self.take(pad, GST_PAD_PROBE_INFO_BUFFER(info));
    }
    // The session is about to see what was taken.
    if (self.received_ && due != self.reporting_)
      self.session_->set_reporting(due);
    self.reporting_ = due;
    return GST_PAD_PROBE_OK;
  }

private:
  bool take(GstPad* pad, GstBuffer* buffer) {
    Header header;
    if (!read_header(buffer, header))
      return false;
    ReportPacing::Packet packet;
    packet.arrived = gst_util_get_timestamp();
    packet.bytes = gst_buffer_get_size(buffer) + kIpUdp;
    session_->take(received_, packet.bytes, packet.arrived);
    if (!received_)
      return false;
    if (!clock_rate_)
      clock_rate_ = clock_rate(pad);
    packet.first = time_.advance(header, clock_rate_);
    packet.sent = time_.ns();
    packet.numbered = header.extended; // copies that go alone have none
    packet.may_report = header.marker;
    return pacing_.take(packet);
  }

  std::shared_ptr<Session> session_;
  bool received_, reporting_ = false;
  guint clock_rate_ = 0; ///< 0: not read yet
  ReportPacing pacing_;
  SenderTime time_;
};

/// Its Watch goes when the streaming thread is through with it.
class PacedReports::Probe {
public:
  Probe(GstPad* pad, std::unique_ptr<Watch> watch)
      : pad_(GST_PAD(gst_object_ref(pad))),
        id_(gst_pad_add_probe(
            pad, GstPadProbeType(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST), Watch::see,
            watch.release(), [](gpointer watch) { delete static_cast<Watch*>(watch); })) {}
  ~Probe() { gst_pad_remove_probe(pad_.get(), id_); }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

private:
  Ptr<GstPad> pad_;
  gulong id_;
};

PacedReports::PacedReports(GstElement* rtpbin, guint id) {
  GObject* session = nullptr;
  g_signal_emit_by_name(rtpbin, "get-internal-session", id, &session);
  const std::string number = std::to_string(id);
  Ptr<GstPad> received(gst_element_get_static_pad(rtpbin, ("recv_rtp_sink_" + number).c_str()));
  Ptr<GstPad> sent(gst_element_get_static_pad(rtpbin, ("send_rtp_sink_" + number).c_str()));
  if (!session)
    return;
  watch(session, received.get(), sent.get());
  g_object_unref(session);
}

PacedReports::PacedReports(GObject* session, GstPad* received, GstPad* sent) {
  watch(session, received, sent);
}

PacedReports::~PacedReports() = default;

void PacedReports::watch(GObject* session, GstPad* received, GstPad* sent) {
  const auto shared = Session::of(session);
  const auto probe = [&](GstPad* pad, bool in) {
    if (!pad || !shared->claim(in))
      return std::unique_ptr<Probe>();
    return std::make_unique<Probe>(pad, std::make_unique<Watch>(shared, in));
  };
  received_ = probe(received, true);
  sent_ = probe(sent, false);
}

void PacedReports::shorten_names(GstElement* rtpbin) {
  char name[9] = {};
  for (int i = 0; i < 8; ++i)
    name[i] = char('a' + g_random_int_range(0, 26));
  Ptr<GstStructure> sdes(
      gst_structure_new("application/x-rtp-source-sdes", "cname", G_TYPE_STRING, name, nullptr));
  g_object_set(rtpbin, "sdes", sdes.get(), nullptr);
}

} // namespace gsem
