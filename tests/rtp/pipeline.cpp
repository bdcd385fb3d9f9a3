// SPDX-License-Identifier: LGPL-2.1-or-later
// The real muxer and demuxer over RTP with losses and a jitter buffer; the coders are stand-ins.
#include "tests/element/fake_codecs.hpp"
#include "tests/rtp/rtp_test.hpp"

#include <mutex>
#include <set>

using namespace rtp_test;

namespace {

/// A launch line, and what went over its pads called `arriving` and `shown`.
class Line {
public:
  explicit Line(const std::string& line) {
    GError* error = nullptr;
    pipeline_.reset(GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(line.c_str(), &error))));
    fail_unless(!error, "%s", error ? error->message : "");
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); }

  void watch(const char* element, const char* pad, std::function<void(GstBuffer*)> see) {
    Ptr<GstElement> found(gst_bin_get_by_name(GST_BIN(pipeline_.get()), element));
    Ptr<GstPad> source(gst_element_get_static_pad(found.get(), pad));
    gst_pad_add_probe(
        source.get(), GstPadProbeType(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
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
        new std::function<void(GstBuffer*)>(std::move(see)),
        [](gpointer data) { delete static_cast<std::function<void(GstBuffer*)>*>(data); });
  }

  void run() {
    gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
    Ptr<GstBus> bus(gst_element_get_bus(pipeline_.get()));
    Ptr<GstMessage> message(gst_bus_timed_pop_filtered(bus.get(), 30 * GST_SECOND,
                                                       GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
    fail_unless(message != nullptr, "neither an end nor an error");
    fail_unless_equals_int(GST_MESSAGE_TYPE(message.get()), GST_MESSAGE_EOS);
    ended_ = true;
  }

  guint64 counter(const char* element, const char* name) {
    fail_unless(ended_);
    Ptr<GstElement> found(gst_bin_get_by_name(GST_BIN(pipeline_.get()), element));
    GstStructure* raw = nullptr;
    g_object_get(found.get(), "stats", &raw, nullptr);
    Ptr<GstStructure> stats(raw);
    guint64 value = 0;
    fail_unless(gst_structure_get_uint64(stats.get(), name, &value));
    return value;
  }

private:
  Ptr<GstElement> pipeline_;
  bool ended_ = false;
};

std::string sender_line(int pictures, const char* live) {
  return "videotestsrc num-buffers=" + std::to_string(pictures) + " " + live +
         " ! video/x-raw,format=RGB,width=32,height=32,framerate=50/1 ! tee name=t "
         "t. ! queue ! semanticenc ! m.caption  t. ! queue ! structenc ! m.structure  "
         "t. ! queue ! signalenc ! m.signal  semanticmux name=m ";
}

} // namespace

GST_START_TEST(a_picture_for_each_unit_that_came) {
  // Two packets a unit at this MTU; config in the caps, so that every unit can be read.
  Line line(sender_line(100, "is-live=true") +
            "! rtpsemanticpay mtu=30 config-interval=0 caption-repeat=\"\" caption-redundancy=0 "
            "key-map-redundancy=0 "
            "! identity name=net drop-probability=0.25 ! rtpjitterbuffer latency=60 do-lost=true "
            "! rtpsemanticdepay name=depay ! fakesink sync=false");
  std::mutex mutex;
  std::map<unsigned, std::set<unsigned>> arrived; // kinds of each unit
  std::vector<unsigned> shown;
  std::map<unsigned, std::set<unsigned>> present;
  size_t packets = 0;
  line.watch("net", "src", [&](GstBuffer* buffer) {
    const Contents c = contents(read_packet(buffer));
    std::lock_guard lock(mutex);
    ++packets;
    for (unsigned kind : c.kinds())
      arrived[c.descriptor.number].insert(kind);
  });
  TimestampState timestamps;
  line.watch("depay", "src", [&](GstBuffer* buffer) {
    const Bytes bytes = stream::bytes_of(buffer);
    ByteView data(bytes);
    StreamHeader header;
    AccessUnitHeader unit;
    size_t size = 0;
    if (parse_stream_header(data, header, size) == gsem::Status::Ok)
      data = data.subspan(size);
    fail_unless(parse_access_unit_header(data, unit, size, &timestamps) == gsem::Status::Ok);
    std::lock_guard lock(mutex);
    shown.push_back(unit.number);
    for (const auto& layer : unit.layers)
      if (!layer.lost)
        present[unit.number].insert(unsigned(layer.kind));
  });
  line.run();
  fail_unless(packets > 100 && packets < 190, "%zu packets came", packets);
  fail_unless_equals_int(shown.size(), arrived.size());
  // On a busy machine the jitter buffer may let go of a packet when its picture is long due.
  const guint64 late = line.counter("depay", "late-packets");
  size_t missing = 0;
  for (const auto& [number, kinds] : arrived) {
    for (unsigned kind : kinds)
      missing += !present[number].count(kind);
    for (unsigned kind : present[number])
      fail_unless(kinds.count(kind));
  }
  fail_unless(missing <= late, "%zu layers came and were not handed on, %u packets were late", missing,
              unsigned(late));
}
GST_END_TEST

GST_START_TEST(through_the_demuxer) {
  Line line(sender_line(40, "") + "! rtpsemanticpay ! rtpsemanticdepay ! semanticdemux name=d "
                                  "d.caption ! queue ! fakesink name=c async=false "
                                  "d.structure ! queue ! fakesink name=s async=false "
                                  "d.signal ! queue ! fakesink name=g async=false");
  std::mutex mutex;
  std::map<std::string, std::vector<GstClockTime>> times;
  for (const char* name : {"c", "s", "g"})
    line.watch(name, "sink", [&times, &mutex, name](GstBuffer* buffer) {
      fail_unless(stream::bytes_of(buffer) == (Bytes{'c', 'o', 'd', 'e', 'd'}));
      std::lock_guard lock(mutex);
      times[name].push_back(GST_BUFFER_PTS(buffer));
    });
  line.run();
  for (const char* name : {"c", "s", "g"}) {
    fail_unless_equals_int(times[name].size(), 40);
    for (size_t i = 0; i < 40; ++i)
      fail_unless_equals_uint64(times[name][i], i * 20 * GST_MSECOND);
  }
}
GST_END_TEST

GST_START_TEST(a_recording_is_a_file) {
  Line line(sender_line(40, "") +
            "! rtpsemanticpay ! identity drop-probability=0.3 ! rtpsemanticdepay name=depay "
            "! semanticparse name=parse ! fakesink");
  size_t in = 0, out = 0;
  line.watch("depay", "src", [&](GstBuffer*) { ++in; });
  line.watch("parse", "src", [&](GstBuffer*) { ++out; });
  line.run();
  fail_unless(in > 0 && in == out);
}
GST_END_TEST

static void fill(TCase* tc) {
  fake_codecs::add();
  tcase_add_test(tc, a_picture_for_each_unit_that_came);
  tcase_add_test(tc, through_the_demuxer);
  tcase_add_test(tc, a_recording_is_a_file);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "pipeline", fill);
}
