// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/rtp/bench/call.hpp"
#include "tests/rtp/bench/stage.hpp"

#include <fstream>
#include <sstream>

namespace bench {

using namespace gsem::bitstream;

namespace {

constexpr int kSide = 128; ///< of the edge maps

void read_pictures(const std::string& path, int most, Clip& clip) {
  std::ifstream file(path, std::ios::binary);
  std::string line, field;
  std::getline(file, line);
  std::istringstream header(line);
  header >> field;
  if (field != "YUV4MPEG2")
    fail(path + " is no YUV4MPEG2 file");
  while (header >> field) {
    const std::string value = field.substr(1);
    if (field[0] == 'W')
      clip.width = std::stoi(value);
    if (field[0] == 'H')
      clip.height = std::stoi(value);
    if (field[0] == 'F')
      clip.rate = std::stod(value); // of N:1
  }
  Bytes picture(size_t(clip.width) * size_t(clip.height) * 3 / 2);
  while (int(clip.pictures.size()) < most && std::getline(file, line) &&
         file.read(reinterpret_cast<char*>(picture.data()), std::streamsize(picture.size())))
    clip.pictures.push_back(picture);
  if (clip.pictures.empty() || clip.rate <= 0)
    fail("no pictures in " + path);
}

/// The stream header of the caps.
Bytes header_of(GstSample* sample) {
  const GstStructure* s = gst_caps_get_structure(gst_sample_get_caps(sample), 0);
  const GValue* list = gst_structure_get_value(s, "streamheader");
  if (!list)
    fail("semanticencodebin gives no stream header");
  GstBuffer* buffer = gst_value_get_buffer(gst_value_array_get_value(list, 0));
  gsem::BufferMap map(buffer, GST_MAP_READ);
  return Bytes(map.data(), map.data() + map.size());
}

void take_layers(GstBuffer* buffer, Clip::Coded& coded) {
  gsem::BufferMap map(buffer, GST_MAP_READ);
  gsem::ByteView data(map.data(), map.size());
  StreamHeader header;
  AccessUnitHeader unit;
  size_t size = 0;
  if (data.size() >= 4 && std::equal(data.begin(), data.begin() + 4, "GSEM")) {
    if (parse_stream_header(data, header, size) != gsem::Status::Ok)
      fail("a stream header that does not read");
    data = data.subspan(size);
  }
  if (parse_access_unit_header(data, unit, size, nullptr) != gsem::Status::Ok)
    fail("an access unit that does not read");
  for (size_t i = 0; i < unit.layers.size(); ++i) {
    gsem::ByteView payload;
    if (find_payload(unit, data.subspan(size), i, payload) != gsem::Status::Ok)
      fail("a layer that does not read");
    if (unit.layers[i].kind == LayerKind::Caption)
      coded.caption.assign(payload.begin(), payload.end());
    if (unit.layers[i].kind == LayerKind::Signal)
      coded.signals.back().assign(payload.begin(), payload.end());
  }
}

/// Calls `take` with each picture's buffer behind `line`, with its index.
template <class Take>
void code(const Clip& clip, const std::string& line, Take take) {
  Stage stage("videoconvert ! " + line, raw_caps(clip.width, clip.height, clip.rate));
  for (size_t i = 0; i < clip.pictures.size(); ++i)
    stage.push(clip.pictures[i].data(), clip.pictures[i].size(), clock_time(double(i) * clip.frame()),
               clock_time(clip.frame()));
  stage.end();
  while (auto sample = stage.pull()) {
    GstBuffer* buffer = gst_sample_get_buffer(sample.get());
    const auto index = size_t(double(GST_BUFFER_PTS(buffer)) / double(GST_SECOND) * clip.rate + 0.5);
    if (index < clip.coded.size())
      take(sample.get(), buffer, index);
  }
}

/// structenc's edges, by way of its finest coding.
void find_edges(Clip& clip) {
  code(clip, "structenc live=off quantiser=10 ! structdec ! video/x-raw,format=GRAY8,width=128,height=128",
       [&](GstSample*, GstBuffer* buffer, size_t index) {
         gsem::BufferMap map(buffer, GST_MAP_READ);
         if (map.size() == size_t(kSide) * kSide)
           clip.coded[index].edges = {kSide, kSide, {map.data(), map.data() + map.size()}};
       });
  if (clip.coded.back().edges.data.empty())
    fail("structenc gives no maps");
}

/// Everything of `clip` that was coded, one after the other with its size.
template <class Each>
void each_coded(Clip& clip, Each each) {
  each(clip.stream_header);
  for (auto& coded : clip.coded) {
    each(coded.caption);
    for (auto& signal : coded.signals)
      each(signal);
    each(coded.edges.data);
  }
}

bool load_coded(const std::string& path, Clip& clip) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return false;
  each_coded(clip, [&](Bytes& bytes) {
    uint32_t size = 0;
    file.read(reinterpret_cast<char*>(&size), sizeof size);
    bytes.resize(file ? size : 0);
    file.read(reinterpret_cast<char*>(bytes.data()), std::streamsize(bytes.size()));
  });
  for (auto& coded : clip.coded)
    coded.edges.width = coded.edges.height = kSide;
  if (!file || clip.coded.back().edges.data.size() != size_t(kSide) * kSide)
    fail(path + " is of another clip");
  return true;
}

void save_coded(const std::string& path, Clip& clip) {
  std::ofstream file(path, std::ios::binary);
  each_coded(clip, [&](Bytes& bytes) {
    const auto size = uint32_t(bytes.size());
    file.write(reinterpret_cast<const char*>(&size), sizeof size);
    file.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
  });
}

} // namespace

Clip read_clip(const std::string& path, int most_pictures, const std::string& coded_file) {
  Clip clip;
  read_pictures(path, most_pictures, clip);
  clip.coded.resize(clip.pictures.size());
  if (load_coded(coded_file, clip))
    return clip;
  code(clip, "semanticencodebin semanticenc::refresh=2000 ! semanticparse",
       [&](GstSample* sample, GstBuffer* buffer, size_t index) {
         if (clip.stream_header.empty())
           clip.stream_header = header_of(sample);
         take_layers(buffer, clip.coded[index]);
       });
  for (size_t q = 0; q + 1 < kSignalQualities.size(); ++q)
    code(clip, "signalenc quality=" + std::to_string(kSignalQualities[q]),
         [&](GstSample*, GstBuffer* buffer, size_t index) {
           gsem::BufferMap data(buffer, GST_MAP_READ);
           clip.coded[index].signals[q].assign(data.data(), data.data() + data.size());
         });
  find_edges(clip);
  if (!coded_file.empty())
    save_coded(coded_file, clip);
  return clip;
}

} // namespace bench
