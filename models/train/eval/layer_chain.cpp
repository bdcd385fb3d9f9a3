// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/layer_chain.hpp"

#include "gst/bitstream/access_unit.hpp"
#include "models/profile/profile.hpp"
#include "models/train/eval/pipeline.hpp"

#include <gst/video/video.h>
#include <opencv2/imgproc.hpp>

#include <stdexcept>

namespace gsem::eval {

namespace {

constexpr double kSecondsAPicture = 60; ///< until a pipeline counts as hung

/// Queues hold a few pictures only; what comes out of the pipeline is kept by the appsinks.
const char* const kQueue = "queue max-size-buffers=4 max-size-bytes=0 max-size-time=0";

std::string sink(const std::string& name) {
  return "appsink sync=false async=false wait-on-eos=false name=" + name;
}

std::string options(const ChainSettings& settings) {
  std::string out = " threads=" + std::to_string(settings.threads);
  if (!settings.profile.empty())
    out += " profile=\"" + settings.profile + "\"";
  return out;
}

GstBuffer* buffer_of(const uint8_t* data, size_t size, size_t number) {
  GstBuffer* buffer = gst_buffer_new_memdup(data, size);
  GST_BUFFER_PTS(buffer) = number * GST_SECOND;
  GST_BUFFER_DURATION(buffer) = GST_SECOND;
  return buffer;
}

Bytes bytes_of(GstSample* sample) {
  BufferMap map(gst_sample_get_buffer(sample), GST_MAP_READ);
  return map ? Bytes(map.data(), map.data() + map.size()) : Bytes();
}

cv::Mat picture_of(GstSample* sample) {
  GstVideoInfo info;
  if (!gst_video_info_from_caps(&info, gst_sample_get_caps(sample)))
    throw std::runtime_error("an element gave something else than video");
  VideoMap map(&info, gst_sample_get_buffer(sample), GST_MAP_READ);
  if (!map)
    throw std::runtime_error("a picture cannot be read");
  const bool grey = GST_VIDEO_INFO_FORMAT(&info) == GST_VIDEO_FORMAT_GRAY8;
  const cv::Mat view(map.height(), map.width(), grey ? CV_8U : CV_8UC3, map.data(), size_t(map.stride()));
  cv::Mat out;
  if (grey)
    view.copyTo(out);
  else
    cv::cvtColor(view, out, cv::COLOR_RGB2BGR);
  return out;
}

std::vector<Ptr<GstSample>> collect(Pipeline& pipeline, const std::string& name, size_t count) {
  auto out = pipeline.samples(name);
  if (out.size() != count)
    throw std::runtime_error(name + " gave " + std::to_string(out.size()) + " of " + std::to_string(count) +
                             " pictures");
  return out;
}

/// `tee. ! queue ! mux.pad` for every mux that carries the layer.
std::string into(const std::string& tee, const std::string& mux, const char* pad) {
  return " " + tee + ". ! " + kQueue + " ! " + mux + "." + pad;
}

std::string mux(const std::string& name, const std::string& file) {
  return " semanticmux name=" + name + " config-interval=1 ! " + sink(file);
}

bool has_shapes(const ChainSettings& settings) {
  return settings.below && settings.shapes;
}

} // namespace

FileParts read_parts(const Bytes& file) {
  FileParts parts;
  parts.size = file.size();
  bitstream::StreamHeader header;
  bitstream::AccessUnitHeader unit;
  size_t header_size = 0, unit_size = 0;
  if (bitstream::parse_stream_header(file, header, header_size, profile::resolve_profile_id) != Status::Ok)
    throw std::runtime_error("a file does not begin with a stream header");
  const ByteView rest = ByteView(file).subspan(header_size);
  if (bitstream::parse_access_unit_header(rest, unit, unit_size, nullptr) != Status::Ok ||
      rest.size() != unit_size + bitstream::payload_section_size(unit))
    throw std::runtime_error("a file is not one access unit long");
  for (size_t i = 0; i < unit.layers.size(); i++) {
    const auto& layer = unit.layers[i];
    if (size_t(layer.kind) < parts.payload.size())
      parts.payload[size_t(layer.kind)] = layer.size;
    ByteView payload;
    if (layer.kind == bitstream::LayerKind::Caption &&
        bitstream::find_payload(unit, rest.subspan(unit_size), i, payload) == Status::Ok)
      parts.caption.assign(payload.begin(), payload.end());
  }
  return parts;
}

std::vector<CodedLayers> encode_layers(const std::vector<cv::Mat>& pictures, const ChainSettings& settings) {
  const cv::Size size = pictures.at(0).size();
  const std::string own = options(settings), queue = std::string(" ! ") + kQueue + " ! ";
  std::string text = "appsrc name=source format=time max-bytes=0 caps=video/x-raw,format=RGB,width=" +
                     std::to_string(size.width) + ",height=" + std::to_string(size.height) +
                     ",framerate=1/1,colorimetry=sRGB,interlace-mode=progressive ! tee name=t";
  // A refresh every millisecond and a threshold of nothing: every picture is described and its words sent.
  if (settings.below) {
    text += " t." + queue +
            "semanticenc refresh=1 change-threshold=0 effort=" + std::to_string(settings.effort) + own +
            " ! tee name=c";
    text += mux("words", "words-file") + into("c", "words", "caption");
  }
  if (has_shapes(settings)) {
    text += " t." + queue + "structenc" + own;
    if (settings.map_quality >= 0)
      text += " quality=" + std::to_string(settings.map_quality);
    text += " ! tee name=s";
    text += mux("shapes", "shapes-file") + into("c", "shapes", "caption") + into("s", "shapes", "structure");
  }
  for (size_t q = 0; q < settings.qualities.size(); q++) {
    const std::string n = std::to_string(q), all = "all" + n, no_map = "nomap" + n, alone = "alone" + n,
                      tee = "q" + n;
    text += " t." + queue + "signalenc quality=" + std::to_string(settings.qualities[q]) + own +
            " ! tee name=" + tee;
    text += mux(alone, alone + "-file") + into(tee, alone, "signal");
    if (!has_shapes(settings))
      continue;
    text += mux(all, all + "-file") + into("c", all, "caption") + into("s", all, "structure") +
            into(tee, all, "signal");
    text += mux(no_map, no_map + "-file") + into("c", no_map, "caption") + into(tee, no_map, "signal");
  }
  Pipeline pipeline(text);
  pipeline.play();
  for (size_t i = 0; i < pictures.size(); i++) {
    cv::Mat rgb;
    cv::cvtColor(pictures[i], rgb, cv::COLOR_BGR2RGB);
    // Rows of raw video begin at multiples of four bytes.
    const size_t stride = size_t(GST_ROUND_UP_4(rgb.cols * 3));
    Bytes rows(stride * size_t(rgb.rows));
    rgb.copyTo(cv::Mat(rgb.rows, rgb.cols, CV_8UC3, rows.data(), stride));
    pipeline.push("source", buffer_of(rows.data(), rows.size(), i));
  }
  pipeline.end("source");
  pipeline.wait(kSecondsAPicture * double(pictures.size() + 1));

  std::vector<CodedLayers> out(pictures.size());
  auto take = [&](const std::string& name, auto&& place) {
    auto samples = collect(pipeline, name, out.size());
    for (size_t i = 0; i < out.size(); i++)
      place(out[i], bytes_of(samples[i].get()));
  };
  if (settings.below)
    take("words-file", [](CodedLayers& c, Bytes b) { c.words = std::move(b); });
  if (has_shapes(settings))
    take("shapes-file", [](CodedLayers& c, Bytes b) { c.shapes = std::move(b); });
  for (size_t q = 0; q < settings.qualities.size(); q++) {
    const std::string file = std::to_string(q) + "-file";
    take("alone" + file, [](CodedLayers& c, Bytes b) { c.alone.push_back(std::move(b)); });
    if (!has_shapes(settings))
      continue;
    take("all" + file, [](CodedLayers& c, Bytes b) { c.all.push_back(std::move(b)); });
    take("nomap" + file, [](CodedLayers& c, Bytes b) { c.no_map.push_back(std::move(b)); });
  }
  return out;
}

std::vector<ShownLayers> decode_layers(const std::vector<CodedLayers>& coded, const ChainSettings& settings) {
  const std::string own = options(settings), queue = std::string(" ! ") + kQueue + " ! ";
  const std::string source = " appsrc format=time max-bytes=0 name=";
  auto demux = [&](const std::string& name) {
    return source + name + "-file ! semanticparse ! semanticdemux name=" + name;
  };
  std::string text;
  if (has_shapes(settings)) {
    text += demux("shapes");
    text += " shapes.caption" + queue + "semanticdec qos=false" + own + " ! tee name=base";
    text += " base." + queue + sink("words-shown");
    text += " shapes.structure" + queue + "tee name=map";
    text += " map." + queue + "structdec" + own + " ! " + sink("map-shown");
    text += " structdec name=paint" + own + " ! tee name=painted";
    text += " base." + queue + "paint.sink map." + queue + "paint.structure";
    text += " painted." + queue + sink("shapes-shown");
  } else if (settings.below) {
    text += demux("words") + " words.caption" + queue + "semanticdec qos=false" + own + " ! " +
            sink("words-shown");
  }
  for (size_t q = 0; q < settings.qualities.size(); q++) {
    const std::string n = std::to_string(q), all = "all" + n, no_map = "nomap" + n, alone = "alone" + n;
    text +=
        demux(alone) + " " + alone + ".signal" + queue + "signaldec" + own + " ! " + sink(alone + "-shown");
    if (!has_shapes(settings))
      continue;
    for (const std::string& file : {all, no_map})
      text += demux(file) + " " + file + ".signal" + queue + file + "-dec.signal signaldec name=" + file +
              "-dec" + own + " ! " + sink(file + "-shown");
    text += " painted." + queue + all + "-dec.sink map." + queue + all + "-dec.structure";
    text += " base." + queue + no_map + "-dec.sink";
  }
  Pipeline pipeline(text);
  auto feed = [&](const std::string& name, auto&& file) {
    for (size_t i = 0; i < coded.size(); i++) {
      const Bytes& bytes = file(coded[i]);
      pipeline.push(name, buffer_of(bytes.data(), bytes.size(), i));
    }
    pipeline.end(name);
  };
  pipeline.play();
  if (has_shapes(settings))
    feed("shapes-file", [](const CodedLayers& c) -> const Bytes& { return c.shapes; });
  else if (settings.below)
    feed("words-file", [](const CodedLayers& c) -> const Bytes& { return c.words; });
  for (size_t q = 0; q < settings.qualities.size(); q++) {
    const std::string file = std::to_string(q) + "-file";
    feed("alone" + file, [q](const CodedLayers& c) -> const Bytes& { return c.alone[q]; });
    if (!has_shapes(settings))
      continue;
    feed("all" + file, [q](const CodedLayers& c) -> const Bytes& { return c.all[q]; });
    feed("nomap" + file, [q](const CodedLayers& c) -> const Bytes& { return c.no_map[q]; });
  }
  pipeline.wait(kSecondsAPicture * double(coded.size() + 1));

  std::vector<ShownLayers> out(coded.size());
  auto take = [&](const std::string& name, auto&& place) {
    auto samples = collect(pipeline, name, out.size());
    for (size_t i = 0; i < out.size(); i++)
      place(out[i], picture_of(samples[i].get()));
  };
  if (settings.below)
    take("words-shown", [](ShownLayers& s, cv::Mat p) { s.words = std::move(p); });
  if (has_shapes(settings)) {
    take("shapes-shown", [](ShownLayers& s, cv::Mat p) { s.shapes = std::move(p); });
    take("map-shown", [](ShownLayers& s, cv::Mat p) { s.map = std::move(p); });
  }
  for (size_t q = 0; q < settings.qualities.size(); q++) {
    const std::string shown = std::to_string(q) + "-shown";
    take("alone" + shown, [](ShownLayers& s, cv::Mat p) { s.alone.push_back(std::move(p)); });
    if (!has_shapes(settings))
      continue;
    take("all" + shown, [](ShownLayers& s, cv::Mat p) { s.all.push_back(std::move(p)); });
    take("nomap" + shown, [](ShownLayers& s, cv::Mat p) { s.no_map.push_back(std::move(p)); });
  }
  return out;
}

cv::Mat decode_file(const Bytes& file, const ChainSettings& settings, int max_layer) {
  Pipeline pipeline("appsrc name=file ! semanticparse ! semanticdecodebin max-layer=" +
                    std::to_string(max_layer) + options(settings) + " ! " + sink("shown"));
  pipeline.push("file", buffer_of(file.data(), file.size(), 0));
  pipeline.end("file");
  pipeline.play();
  pipeline.wait(kSecondsAPicture);
  return picture_of(collect(pipeline, "shown", 1)[0].get());
}

} // namespace gsem::eval
