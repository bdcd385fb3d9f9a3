// SPDX-License-Identifier: LGPL-2.1-or-later
// A call over a network whose bandwidth falls from 500 to 60, 20 and 2 kbit/s and comes back: rtpbin on both
// sides, transport-wide congestion control feedback, and `semanticlayerfilter adaptive=true`, which sends
// what fits. Draws rates, layer, delays and quality over time into an SVG file.
//
// Usage: adaptive-call [--step SECONDS] [--input FILE.y4m] [--output FILE.svg]
// Five steps of 20 s unless told otherwise; the file should be longer than that (SECONDS_LONG=110
// examples/test-clip FOLDER).
//
// Sender and receiver are two pipelines in this process; between them is a link that this program makes:
// packets wait their turn at its rate, and are dropped when half a second of it (or 3,000 bytes) waits. All
// bytes on the wire are counted there, IP and UDP headers included.
#include "gst/semantic/layer_meta.hpp"
#include "gst/semantic/paced_reports.hpp"
#include "gst/semantic/ptr.hpp"

#include <gst/app/app.h>
#include <gst/rtp/rtp.h>
#include <gst/video/video.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using gsem::Ptr;

namespace {

const char* const kTwcc = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
constexpr double kRates[] = {500e3, 60e3, 20e3, 2e3, 500e3};
constexpr size_t kSteps = std::size(kRates);
constexpr size_t kIpUdp = 28;
constexpr double kOneWay = 0.025, kMostQueued = 0.5;
constexpr size_t kLeastRoom = 3000;

[[noreturn]] void fail(const std::string& what) {
  fprintf(stderr, "adaptive-call: %s\n", what.c_str());
  std::_Exit(1); // threads still run
}

double now_seconds() {
  static const auto start = std::chrono::steady_clock::now();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// ---- what is drawn
// ------------------------------------------------------------------------------------------

struct Point {
  double time, value;
};

/// Filled by many threads.
struct Record {
  std::mutex mutex;
  std::vector<Point> sent, received;  ///< bytes of a packet
  std::vector<Point> back, forth;     ///< the same of RTCP, by its sender
  std::vector<Point> queued, latency; ///< ms
  std::vector<Point> layer, shown, psnr, estimate;
  void add(std::vector<Point>& to, double value) {
    std::lock_guard lock(mutex);
    to.push_back({now_seconds(), value});
  }
};

// ---- the link
// ---------------------------------------------------------------------------------------------------

/// Packets one after the other at the rate of the hour.
class Link {
public:
  Link(Record& record, double step, std::function<void(GstBuffer*)> deliver)
      : record_(record), step_(step), deliver_(std::move(deliver)), worker_([this] { work(); }) {}
  ~Link() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    worker_.join();
    for (auto& packet : queue_)
      gst_buffer_unref(packet.buffer);
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  double rate(double time) const {
    return kRates[std::min(size_t(std::max(time - begin_, 0.0) / step_), kSteps - 1)];
  }
  void begin() { begin_ = now_seconds(); }
  double begun() const { return begin_; }

  void send(GstBuffer* buffer) {
    const size_t bytes = gst_buffer_get_size(buffer) + kIpUdp;
    record_.add(record_.sent, double(bytes));
    std::lock_guard lock(mutex_);
    const double room = std::max(double(kLeastRoom), rate(now_seconds()) * kMostQueued / 8);
    if (double(waiting_ + bytes) > room)
      return;
    waiting_ += bytes;
    queue_.push_back({gst_buffer_ref(buffer), bytes, now_seconds()});
    changed_.notify_all();
  }

private:
  struct Packet {
    GstBuffer* buffer;
    size_t bytes;
    double entered;
  };

  void sleep_until(std::unique_lock<std::mutex>& lock, double time) {
    changed_.wait_for(lock, std::chrono::duration<double>(std::max(0.0, time - now_seconds())),
                      [&] { return stop_ || now_seconds() >= time; });
  }

  void work() {
    std::unique_lock lock(mutex_);
    double free_at = 0;
    while (!stop_) {
      if (queue_.empty()) {
        changed_.wait(lock);
        continue;
      }
      const Packet packet = queue_.front();
      // In small pieces: the rate may change while a packet goes out.
      double left = 8.0 * double(packet.bytes);
      double time = std::max(free_at, packet.entered);
      while (left > 0 && !stop_) {
        const double piece = std::min(left, rate(time) * 0.02);
        time += piece / rate(time);
        left -= piece;
        sleep_until(lock, time);
      }
      free_at = time;
      if (stop_)
        return;
      queue_.pop_front();
      waiting_ -= packet.bytes;
      lock.unlock();
      record_.add(record_.queued, 1000 * (time - packet.entered));
      record_.add(record_.received, double(packet.bytes));
      // The way itself takes the same time for all: the receiver's clock would only be shifted by it.
      deliver_(packet.buffer);
      lock.lock();
    }
  }

  Record& record_;
  double step_, begin_ = 0;
  std::function<void(GstBuffer*)> deliver_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Packet> queue_;
  size_t waiting_ = 0;
  bool stop_ = false;
  std::thread worker_;
};

// ---- pictures
// -----------------------------------------------------------------------------------------------

/// Which source picture is shown: source times by RTP time, RTP times by the receiver's time.
class Pictures {
public:
  explicit Pictures(Record& record) : record_(record) {}

  void source(GstBuffer* buffer) {
    std::lock_guard lock(mutex_);
    sources_[GST_BUFFER_PTS(buffer)] = {Ptr<GstBuffer>(gst_buffer_ref(buffer)), now_seconds()};
    while (sources_.size() > kKept)
      sources_.erase(sources_.begin());
  }
  void sent(guint32 rtp_time, GstClockTime pts) {
    std::lock_guard lock(mutex_);
    keep(sent_, rtp_time, pts);
  }
  void arrived(GstClockTime pts, guint32 rtp_time) {
    std::lock_guard lock(mutex_);
    keep(arrived_, pts, rtp_time);
  }
  void shown(GstBuffer* buffer) {
    const auto* meta = gst_buffer_get_semantic_layer_meta(buffer);
    const guint layers = meta ? meta->layers : 0;
    record_.add(record_.shown, layers & 8 ? 3 : layers & 4 ? 2 : layers & 2 ? 1 : 0);
    std::lock_guard lock(mutex_);
    const auto rtp = arrived_.find(GST_BUFFER_PTS(buffer));
    const auto sent = rtp == arrived_.end() ? sent_.end() : sent_.find(rtp->second);
    const auto source = sent == sent_.end() ? sources_.end() : sources_.find(sent->second);
    if (source == sources_.end())
      return;
    record_.add(record_.latency, 1000 * (now_seconds() - source->second.time));
    record_.add(record_.psnr, psnr(source->second.buffer.get(), buffer));
  }

private:
  static constexpr size_t kKept = 400;
  struct Source {
    Ptr<GstBuffer> buffer;
    double time;
  };

  template <class Map, class Key, class Value>
  static void keep(Map& map, Key key, Value value) {
    map.emplace(key, value);
    while (map.size() > 4 * kKept)
      map.erase(map.begin());
  }
  static double psnr(GstBuffer* a, GstBuffer* b) {
    gsem::BufferMap x(a, GST_MAP_READ), y(b, GST_MAP_READ);
    const size_t size = std::min(x.size(), y.size());
    double sum = 0;
    for (size_t i = 0; i < size; ++i)
      sum += double(x.data()[i] - y.data()[i]) * double(x.data()[i] - y.data()[i]);
    return sum > 0 ? 10 * std::log10(255.0 * 255 * double(size) / sum) : 99;
  }

  Record& record_;
  std::mutex mutex_;
  std::map<GstClockTime, Source> sources_;
  std::map<guint32, GstClockTime> sent_;
  std::map<GstClockTime, guint32> arrived_;
};

// ---- pipelines --------------------------------------------------------------------------------------------

Ptr<GstElement> parse(const std::string& line) {
  GError* error = nullptr;
  GstElement* made = gst_parse_launch(line.c_str(), &error);
  if (error)
    fail(error->message);
  return Ptr<GstElement>(GST_ELEMENT(gst_object_ref_sink(made)));
}

Ptr<GstElement> child(const Ptr<GstElement>& pipeline, const char* name) {
  Ptr<GstElement> found(gst_bin_get_by_name(GST_BIN(pipeline.get()), name));
  if (!found)
    fail(std::string("no element ") + name);
  return found;
}

void free_function(gpointer function) {
  delete static_cast<std::function<void(GstBuffer*)>*>(function);
}

/// Each buffer of an appsink.
void on_buffers(const Ptr<GstElement>& sink, std::function<void(GstBuffer*)> see) {
  GstAppSinkCallbacks callbacks{};
  callbacks.new_sample = [](GstAppSink* from, gpointer data) {
    Ptr<GstSample> sample(gst_app_sink_pull_sample(from));
    if (!sample)
      return GST_FLOW_EOS;
    auto& function = *static_cast<std::function<void(GstBuffer*)>*>(data);
    if (GstBuffer* buffer = gst_sample_get_buffer(sample.get()))
      function(buffer);
    return GST_FLOW_OK;
  };
  gst_app_sink_set_callbacks(GST_APP_SINK(sink.get()), &callbacks,
                             new std::function<void(GstBuffer*)>(std::move(see)), free_function);
}

/// Each buffer that passes a pad.
void watch(const Ptr<GstElement>& element, const char* pad, std::function<void(GstBuffer*)> see) {
  Ptr<GstPad> found(gst_element_get_static_pad(element.get(), pad));
  gst_pad_add_probe(
      found.get(), GstPadProbeType(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
      [](GstPad*, GstPadProbeInfo* info, gpointer data) {
        auto& function = *static_cast<std::function<void(GstBuffer*)>*>(data);
        if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
          GstBufferList* list = GST_PAD_PROBE_INFO_BUFFER_LIST(info);
          for (guint i = 0; i < gst_buffer_list_length(list); ++i)
            function(gst_buffer_list_get(list, i));
        } else {
          function(GST_PAD_PROBE_INFO_BUFFER(info));
        }
        return GST_PAD_PROBE_OK;
      },
      new std::function<void(GstBuffer*)>(std::move(see)), free_function);
}

guint32 rtp_time(GstBuffer* packet) {
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  if (!gst_rtp_buffer_map(packet, GST_MAP_READ, &rtp))
    return 0;
  const guint32 time = gst_rtp_buffer_get_timestamp(&rtp);
  gst_rtp_buffer_unmap(&rtp);
  return time;
}

/// The packets' bytes, without what the other pipeline's clock says of them.
void give(const Ptr<GstElement>& source, GstBuffer* packet) {
  GstBuffer* copy = gst_buffer_copy(packet);
  GST_BUFFER_PTS(copy) = GST_BUFFER_DTS(copy) = GST_CLOCK_TIME_NONE;
  gst_app_src_push_buffer(GST_APP_SRC(source.get()), copy);
}

std::string sender_line(const std::string& input) {
  const std::string source = input.empty()
                                 ? "videotestsrc is-live=true pattern=ball ! video/x-raw,framerate=10/1"
                                 : "filesrc location=" + input + " ! y4mdec ! clocksync";
  return source + " ! videoconvert ! videoscale ! videorate ! "
                  "video/x-raw,format=RGB,width=256,height=256,framerate=10/1 ! identity name=source ! "
                  "semanticencodebin structenc::live=on semanticenc::refresh=5000 ! semanticlayerfilter "
                  "name=filter adaptive=true overhead=48 ! "
                  "rtpsemanticpay name=pay ! rtp.send_rtp_sink_0  rtpbin name=rtp rtp-profile=avpf  "
                  "rtp.send_rtp_src_0 ! appsink name=media sync=false async=false  "
                  "rtp.send_rtcp_src_0 ! appsink name=reports sync=false async=false  "
                  "appsrc name=feedback is-live=true format=time do-timestamp=true caps=application/x-rtcp ! "
                  "rtp.recv_rtcp_sink_0";
}

std::string receiver_line() {
  return std::string("rtpbin name=rtp latency=200 rtp-profile=avpf  appsrc name=media is-live=true "
                     "format=time do-timestamp=true "
                     "caps=\"application/"
                     "x-rtp,media=(string)video,clock-rate=(int)90000,encoding-name=(string)X-SEMANTIC,"
                     "payload=(int)96,"
                     "rtcp-fb-transport-cc=(boolean)true,extmap-1=(string)") +
         kTwcc +
         "\" ! rtp.recv_rtp_sink_0  appsrc name=reports is-live=true format=time do-timestamp=true "
         "caps=application/x-rtcp ! rtp.recv_rtcp_sink_0  "
         "rtp.send_rtcp_src_0 ! appsink name=feedback sync=false async=false  "
         "rtpsemanticdepay name=depay ! semanticdecodebin ! videoconvert ! video/x-raw,format=RGB ! appsink "
         "name=show sync=false max-buffers=4";
}

void link_stream(GstElement*, GstPad* pad, gpointer depay) {
  gchar* name = gst_pad_get_name(pad);
  if (g_str_has_prefix(name, "recv_rtp_src_")) {
    Ptr<GstPad> sink(gst_element_get_static_pad(GST_ELEMENT(depay), "sink"));
    gst_pad_link(pad, sink.get());
  }
  g_free(name);
}

void stop_on_error(const Ptr<GstElement>& pipeline) {
  Ptr<GstBus> bus(gst_element_get_bus(pipeline.get()));
  Ptr<GstMessage> message(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR));
  if (!message)
    return;
  GError* error = nullptr;
  gst_message_parse_error(message.get(), &error, nullptr);
  fail(error->message);
}

// ---- the drawing ------------------------------------------------------------------------------------------

class Chart {
public:
  Chart(FILE* file, double seconds) : file_(file), seconds_(seconds) {
    fprintf(file_,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 900 %d\" font-family=\"sans-serif\" "
            "font-size=\"12\">\n<rect width=\"900\" height=\"%d\" fill=\"#fff\"/>\n",
            kHeight, kHeight);
  }
  ~Chart() { fprintf(file_, "</svg>\n"); }
  Chart(const Chart&) = delete;
  Chart& operator=(const Chart&) = delete;

  void panel(const char* title, std::vector<std::pair<double, std::string>> ticks, double low, double high) {
    top_ = next_;
    next_ += kPanel + 45;
    low_ = low;
    high_ = high;
    names_ = 0;
    fprintf(file_, "<text x=\"%d\" y=\"%g\" font-weight=\"bold\">%s</text>\n", kLeft, top_ - 8, title);
    for (const auto& [value, name] : ticks)
      fprintf(file_,
              "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" "
              "text-anchor=\"end\">%s</text>\n",
              kLeft, y(value), kLeft + kWidth, kLeft - 6, y(value) + 4, name.c_str());
    for (int i = 0; i <= int(kSteps); ++i)
      fprintf(file_,
              "<path d=\"M%.1f %gV%g\" stroke=\"#ccc\"/><text x=\"%.1f\" y=\"%g\" "
              "text-anchor=\"middle\">%.0f s</text>\n",
              x(seconds_ * i / kSteps), top_, top_ + kPanel, x(seconds_ * i / kSteps), top_ + kPanel + 15,
              seconds_ * i / kSteps);
  }
  void line(const char* name, const char* colour, const std::vector<Point>& points, bool dots = false) {
    fprintf(file_, "<text x=\"%d\" y=\"%g\" fill=\"%s\" text-anchor=\"end\">%s</text>\n",
            kLeft + kWidth - 130 * names_++, top_ - 8, colour, name);
    if (dots) {
      for (const auto& point : points)
        fprintf(file_, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"1.3\" fill=\"%s\"/>\n", x(point.time),
                y(point.value), colour);
      return;
    }
    fprintf(file_, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" d=\"", colour);
    for (size_t i = 0; i < points.size(); ++i)
      fprintf(file_, "%c%.1f %.1f", i ? 'L' : 'M', x(points[i].time), y(points[i].value));
    fprintf(file_, "\"/>\n");
  }

private:
  static constexpr int kLeft = 70, kWidth = 800, kPanel = 150, kHeight = 30 + 4 * (kPanel + 45);
  double x(double time) const { return kLeft + kWidth * std::clamp(time / seconds_, 0.0, 1.0); }
  double y(double value) const {
    return top_ + kPanel * (1 - (std::clamp(value, low_, high_) - low_) / (high_ - low_));
  }
  FILE* file_;
  double seconds_, top_ = 0, next_ = 30, low_ = 0, high_ = 1;
  int names_ = 0;
};

/// kbit/s over half a second, as powers of ten.
std::vector<Point> rates(const std::vector<Point>& packets, double seconds) {
  constexpr double kWindow = 0.5;
  std::vector<Point> out;
  for (double time = 0; time < seconds; time += kWindow) {
    double bytes = 0;
    for (const auto& packet : packets)
      bytes += packet.time >= time && packet.time < time + kWindow ? packet.value : 0;
    out.push_back({time + kWindow / 2, std::log10(std::max(8 * bytes / kWindow / 1000, 0.1))});
  }
  return out;
}

void draw(const std::string& path, Record& record, const Link& link, double seconds) {
  FILE* file = fopen(path.c_str(), "w");
  if (!file)
    fail("cannot write " + path);
  std::lock_guard lock(record.mutex);
  for (auto* series : {&record.sent, &record.received, &record.back, &record.forth, &record.queued,
                       &record.latency, &record.layer, &record.shown, &record.psnr, &record.estimate}) {
    for (auto& point : *series)
      point.time -= link.begun();
    std::erase_if(*series, [&](const Point& p) { return p.time < 0 || p.time > seconds; });
  }
  std::vector<Point> capacity, estimate;
  for (size_t i = 0; i < kSteps; ++i)
    for (double edge : {0.0, 1.0})
      capacity.push_back({seconds / kSteps * (double(i) + edge), std::log10(kRates[i] / 1000)});
  for (const auto& point : record.estimate)
    estimate.push_back({point.time, std::log10(std::max(point.value / 1000, 0.1))});
  {
    Chart chart(file, seconds);
    chart.panel("kbit/s on the wire", {{-1, "0.1"}, {0, "1"}, {1, "10"}, {2, "100"}, {3, "1000"}}, -1, 3);
    chart.line("capacity", "#888", capacity);
    chart.line("estimate", "#c80", estimate);
    chart.line("sent", "#06c", rates(record.sent, seconds));
    chart.line("received", "#083", rates(record.received, seconds));
    chart.panel("layer", {{0, "0"}, {1, "1"}, {2, "2"}, {3, "3"}}, 0, 3.2);
    chart.line("sent", "#06c", record.layer);
    chart.line("shown", "#083", record.shown, true);
    chart.panel("delay, ms", {{0, "0"}, {250, "250"}, {500, "500"}, {1000, "1000"}}, 0, 1000);
    chart.line("in the queue", "#c00", record.queued, true);
    chart.line("source to screen", "#083", record.latency, true);
    chart.panel("PSNR of what is shown, dB", {{5, "5"}, {15, "15"}, {25, "25"}, {35, "35"}}, 5, 35);
    chart.line("PSNR", "#083", record.psnr, true);
  }
  if (fclose(file) != 0)
    fail("cannot write " + path);
}

void print_table(Record& record, double seconds) {
  std::lock_guard lock(record.mutex);
  printf("%10s %10s %10s %10s %11s %8s %8s %8s %14s %12s\n", "kbit/s", "sent", "received", "RTCP back",
         "RTCP forth", "of sent", "layer", "shown", "queue ms, p95", "PSNR, median");
  for (size_t i = 0; i < kSteps; ++i) {
    const double from = seconds / kSteps * double(i), to = from + seconds / kSteps;
    const auto values = [&](const std::vector<Point>& points, double begin) {
      std::vector<double> all;
      for (const auto& point : points)
        if (point.time >= begin && point.time < to)
          all.push_back(point.value);
      std::sort(all.begin(), all.end());
      return all;
    };
    const auto rate = [&](const std::vector<Point>& points) {
      double bytes = 0;
      for (double value : values(points, from))
        bytes += value;
      return 8 * bytes / (to - from) / 1000;
    };
    const auto at = [](const std::vector<double>& sorted, double part) {
      return sorted.empty() ? NAN : sorted[std::min(sorted.size() - 1, size_t(part * double(sorted.size())))];
    };
    // The first second of a step is what the estimator needs.
    const double back = rate(record.back), forth = rate(record.forth);
    printf("%10.0f %10.1f %10.1f %10.3f %11.3f %6.1f %% %8.0f %8.0f %14.0f %12.1f\n", kRates[i] / 1000,
           rate(record.sent), rate(record.received), back, forth, 100 * (back + forth) / rate(record.sent),
           at(values(record.layer, from + 1), .5), at(values(record.shown, from + 1), .5),
           at(values(record.queued, from + 1), .95), at(values(record.psnr, from), .5));
  }
}

} // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  std::string input, output = "adaptive-call.svg";
  double step = 20;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc || (name != "--step" && name != "--input" && name != "--output"))
      fail("usage: adaptive-call [--step SECONDS] [--input FILE.y4m] [--output FILE.svg]");
    if (name == "--step")
      step = std::max(0.5, atof(argv[i + 1]));
    else
      (name == "--input" ? input : output) = argv[i + 1];
  }

  Record record;
  Pictures pictures(record);
  auto sender = parse(sender_line(input)), receiver = parse(receiver_line());
  auto media = child(receiver, "media"), reports = child(receiver, "reports"),
       feedback = child(sender, "feedback");
  auto filter = child(sender, "filter"), pay = child(sender, "pay"), depay = child(receiver, "depay"),
       rtp = child(receiver, "rtp");
  GstRTPHeaderExtension* twcc = gst_rtp_header_extension_create_from_uri(kTwcc);
  if (!twcc)
    fail("no rtphdrexttwcc: it belongs to gstreamer1.0-plugins-good");
  gst_rtp_header_extension_set_id(twcc, 1);
  g_signal_emit_by_name(pay.get(), "add-extension", twcc);
  gst_object_unref(twcc);
  g_signal_connect(rtp.get(), "pad-added", G_CALLBACK(link_stream), depay.get());
  // Of the little that is sent only a twentieth goes into reports: the payloader and depayloader see to it,
  // short names help.
  auto sending = child(sender, "rtp");
  for (const auto* bin : {&rtp, &sending})
    gsem::PacedReports::shorten_names(bin->get());

  {
    Link link(record, step, [&](GstBuffer* packet) {
      give(media, packet);
      gst_buffer_unref(packet);
    });
    on_buffers(child(sender, "media"), [&](GstBuffer* packet) { link.send(packet); });
    on_buffers(child(sender, "reports"), [&](GstBuffer* packet) {
      record.add(record.forth, double(gst_buffer_get_size(packet) + kIpUdp));
      give(reports, packet);
    });
    on_buffers(child(receiver, "feedback"), [&](GstBuffer* packet) {
      record.add(record.back, double(gst_buffer_get_size(packet) + kIpUdp));
      give(feedback, packet);
    });
    on_buffers(child(receiver, "show"), [&](GstBuffer* picture) { pictures.shown(picture); });
    watch(child(sender, "source"), "src", [&](GstBuffer* picture) { pictures.source(picture); });
    watch(pay, "src", [&](GstBuffer* packet) { pictures.sent(rtp_time(packet), GST_BUFFER_PTS(packet)); });
    watch(depay, "sink",
          [&](GstBuffer* packet) { pictures.arrived(GST_BUFFER_PTS(packet), rtp_time(packet)); });

    for (auto* pipeline : {&receiver, &sender})
      if (gst_element_set_state(pipeline->get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
        stop_on_error(*pipeline);
        fail("the pipelines do not start");
      }
    // The networks are loaded when the first packet comes.
    for (double until = now_seconds() + 60; now_seconds() < until && record.sent.empty(); g_usleep(10000))
      stop_on_error(sender);
    link.begin();
    while (now_seconds() < link.begun() + step * double(kSteps)) {
      g_usleep(100000);
      guint layer = 0;
      g_object_get(filter.get(), "current-layer", &layer, nullptr);
      record.add(record.layer, layer);
      GstStructure* raw = nullptr;
      g_object_get(filter.get(), "stats", &raw, nullptr);
      Ptr<GstStructure> stats(raw);
      guint64 estimate = 0;
      if (gst_structure_get_uint64(stats.get(), "estimated-bitrate", &estimate))
        record.add(record.estimate, double(estimate));
      stop_on_error(sender);
      stop_on_error(receiver);
    }
    gst_element_set_state(sender.get(), GST_STATE_NULL);
    gst_element_set_state(receiver.get(), GST_STATE_NULL);
    draw(output, record, link, step * double(kSteps));
  }
  print_table(record, step * double(kSteps));
}
