// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "tests/element/codec_test.hpp"

#include <filesystem>
#include <map>
#include <set>

/// Pipelines written as launch lines, run to their end.
namespace pipeline_test {

using namespace codec_test;

/// One picture that came out.
struct Shown {
  Ptr<GstBuffer> buffer;
  Ptr<GstCaps> caps;
  GstClockTime pts = GST_CLOCK_TIME_NONE;
  guint layers = 0, lost = 0;
};

/// Pipelines of the test that runs. A failed check jumps out of the test without destructors.
inline std::set<GstElement*>& running() {
  static std::set<GstElement*> pipelines;
  return pipelines;
}

/// Teardown of a test case: what a failed check left running is stopped, or its threads would keep the
/// program from ending and the failure from being told.
inline void stop_leftovers() {
  for (GstElement* pipeline : running()) {
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
  running().clear();
}

/// Builds the line, which must have an appsink called `out`.
class Line {
public:
  explicit Line(const std::string& line) {
    GError* error = nullptr;
    pipeline_.reset(GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(line.c_str(), &error))));
    fail_unless(error == nullptr, "%s: %s", line.c_str(), error ? error->message : "");
    running().insert(pipeline_.get());
    bus_.reset(gst_element_get_bus(pipeline_.get()));
    sink_ = get("out");
    if (sink_)
      g_object_set(sink_.get(), "sync", FALSE, nullptr);
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() {
    running().erase(pipeline_.get());
    gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  }

  Ptr<GstElement> get(const char* name) {
    return Ptr<GstElement>(gst_bin_get_by_name(GST_BIN(pipeline_.get()), name));
  }
  GstElement* pipeline() { return pipeline_.get(); }
  GstStateChangeReturn set(GstState state) { return gst_element_set_state(pipeline_.get(), state); }

  /// The next picture, or nothing within the time (end of stream, or silence).
  bool pull(Shown& shown, GstClockTime timeout = 30 * GST_SECOND) {
    GstSample* raw = nullptr;
    g_signal_emit_by_name(sink_.get(), "try-pull-sample", timeout, &raw);
    if (!raw)
      return false;
    Ptr<GstSample> sample(raw);
    shown.buffer.reset(gst_buffer_ref(gst_sample_get_buffer(raw)));
    shown.caps.reset(gst_caps_ref(gst_sample_get_caps(raw)));
    shown.pts = GST_BUFFER_PTS(shown.buffer.get());
    auto meta = gst_buffer_get_semantic_layer_meta(shown.buffer.get());
    shown.layers = meta ? meta->layers : 0;
    shown.lost = meta ? meta->lost : 0;
    return true;
  }

  /// PLAYING to EOS; everything that came out. Fails on an error message.
  std::vector<Shown> play() {
    fail_unless(set(GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE, "%s", errors().c_str());
    std::vector<Shown> all;
    Shown shown;
    while (pull(shown))
      all.push_back(std::move(shown));
    gboolean ended = FALSE;
    g_object_get(sink_.get(), "eos", &ended, nullptr);
    std::string trouble = errors();
    fail_unless(trouble.empty(), "%s", trouble.c_str());
    fail_unless(ended, "no end of stream");
    return all;
  }

  /// Until every sink has seen the end: a file beside `out` is complete only then.
  void wait_for_end() {
    for (int i = 0; i < 6000 && !count(GST_MESSAGE_EOS); i++)
      g_usleep(10000);
    fail_unless_equals_int(count(GST_MESSAGE_EOS), 1);
  }

  /// Reads the bus; texts of all errors so far.
  std::string errors() {
    while (GstMessage* message = gst_bus_pop(bus_.get())) {
      counts_[GST_MESSAGE_TYPE(message)]++;
      GError* error = nullptr;
      gchar* debug = nullptr;
      if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        gst_message_parse_error(message, &error, &debug);
        errors_ += std::string(GST_MESSAGE_SRC_NAME(message)) + ": " + error->message + " / " +
                   (debug ? debug : "") + "\n";
        if (!first_domain_) { // the base classes add a general one
          first_domain_ = error->domain;
          first_code_ = error->code;
        }
        g_error_free(error);
        g_free(debug);
      }
      gst_message_unref(message);
    }
    if (errors_.size() > 1500) // libcheck's messages have a limit
      errors_.resize(1500);
    return errors_;
  }
  int count(GstMessageType type) {
    errors();
    return counts_[type];
  }
  /// The first error was this one.
  bool failed_with(GQuark domain, int code) {
    errors();
    return first_domain_ == domain && first_code_ == code;
  }
  void forget_messages() {
    errors();
    errors_.clear();
    counts_.clear();
    first_domain_ = 0;
  }

private:
  Ptr<GstElement> pipeline_, sink_;
  Ptr<GstBus> bus_;
  std::map<GstMessageType, int> counts_;
  std::string errors_;
  GQuark first_domain_ = 0;
  int first_code_ = 0;
};

/// Which layers a line has.
struct Layers {
  bool caption = true, structure = true, signal = true;
  guint bits() const { return (caption ? 2 : 0) | (structure ? 4 : 0) | (signal ? 8 : 0); }
};

/// `source` ! tee -> the encoders of `layers` -> semanticmux name=mux
inline std::string encode_line(const std::string& source, const Layers& layers) {
  std::string line = source + " ! tee name=source ";
  if (layers.caption)
    line += " source. ! queue ! semanticenc name=cenc ! mux.caption ";
  if (layers.structure)
    line += " source. ! queue ! structenc name=tenc ! mux.structure ";
  if (layers.signal)
    line += " source. ! queue ! signalenc name=senc ! mux.signal ";
  return line + " semanticmux name=mux ";
}

/// semanticdemux name=demux -> the decoders of `layers` -> appsink name=out. To be put behind what gives
/// parsed `video/x-semantic`.
inline std::string decode_line(const Layers& layers) {
  std::string line = " semanticdemux name=demux ", last;
  if (layers.caption) {
    line += " demux.caption ! queue ! semanticdec name=cdec ";
    last = "cdec.";
  }
  if (layers.structure) {
    line += " demux.structure ! tee name=maps  maps. ! queue ! tdec.structure  structdec name=tdec ";
    if (layers.caption)
      line += " cdec. ! tdec.sink ";
    last = "tdec.";
  }
  if (layers.signal) {
    line += " demux.signal ! queue ! sdec.signal  signaldec name=sdec ";
    if (!last.empty())
      line += " " + last + " ! sdec.sink ";
    if (layers.structure)
      line += " maps. ! queue ! sdec.structure ";
    last = "sdec.";
  }
  return line + " " + last + " ! appsink name=out max-buffers=100 ";
}

/// The six codec elements back to back, without mux and demux (whose pads come and go, so that a launch line
/// cannot be started twice).
inline std::string direct_line(const std::string& source) {
  return source +
         " ! tee name=source  source. ! queue ! semanticenc name=cenc ! semanticdec name=cdec ! tdec.sink"
         "  source. ! queue ! structenc name=tenc ! tee name=maps  maps. ! queue ! tdec.structure"
         "  structdec name=tdec ! sdec.sink  maps. ! queue ! sdec.structure"
         "  source. ! queue ! signalenc name=senc ! sdec.signal  signaldec name=sdec ! appsink name=out "
         "max-buffers=100 ";
}

inline std::string test_source(int pictures, int width, int height, const char* more = "") {
  return "videotestsrc pattern=ball num-buffers=" + std::to_string(pictures) + " " + more +
         " ! video/x-raw,format=RGB,framerate=25/1,width=" + std::to_string(width) +
         ",height=" + std::to_string(height);
}

/// A file in the test's own temporary folder, removed with it.
class Folder {
public:
  Folder() : path_(g_dir_make_tmp("gsem-XXXXXX", nullptr)) { fail_unless(!path_.empty()); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

private:
  std::string path_;
};

} // namespace pipeline_test
