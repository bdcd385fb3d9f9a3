// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/reference/sizes.hpp"

namespace gsem::nets::reference {
namespace {

constexpr int64_t kWidest = 4096, kMostWords = 65000, kMostBlocks = 64;

/// Takes sizes out of shapes; remembers the first that is missing or absurd.
class Reader {
public:
  Reader(const Shapes& shapes, std::string& error) : shapes_(shapes), error_(error) {}
  bool ok() const { return ok_; }

  int64_t side(const std::string& name, size_t dimension, int64_t most = kWidest) {
    const auto found = shapes_.find(name);
    if (found == shapes_.end() || found->second.size() <= dimension)
      return fault("missing " + name);
    const int64_t value = found->second[dimension];
    return value >= 1 && value <= most ? value : fault(name + " has a side of " + std::to_string(value));
  }
  /// How many of NAME0TAIL, NAME1TAIL, ... there are.
  int64_t count(const std::string& name, const std::string& tail) {
    int64_t n = 0;
    while (n < kMostBlocks && shapes_.count(name + std::to_string(n) + tail))
      n++;
    return n ? n : fault("missing " + name + "0" + tail);
  }
  bool check(bool good, const char* what) {
    if (!good)
      fault(what);
    return ok_;
  }

private:
  int64_t fault(const std::string& what) {
    if (ok_)
      error_ = what;
    ok_ = false;
    return 1;
  }
  const Shapes& shapes_;
  std::string& error_;
  bool ok_ = true;
};

} // namespace

bool CaptionerSizes::read(const Shapes& shapes, std::string& error) {
  Reader r(shapes, error);
  stem = r.side("encoder.resnet.0.weight", 0, kWidest / 32);
  for (size_t i = 0; i < blocks.size(); i++)
    blocks[i] = r.count("encoder.resnet." + std::to_string(4 + i) + ".", ".conv1.weight");
  embedding = r.side("encoder.linear.weight", 0);
  hidden = r.side("decoder.lstm.weight_hh_l0", 1);
  words = r.side("decoder.embed.weight", 0, kMostWords);
  return r.ok();
}

bool TextEncoderSizes::read(const Shapes& shapes, std::string& error) {
  Reader r(shapes, error);
  words = r.side("encoder.weight", 0, kMostWords);
  embedding = r.side("encoder.weight", 1);
  width = 2 * r.side("rnn.weight_hh_l0", 1, kWidest / 2);
  return r.ok();
}

bool PainterSizes::read(const Shapes& shapes, std::string& error) {
  Reader r(shapes, error);
  features = r.side("img_net1.img.0.weight", 1, kWidest / 32);
  text = r.side("ca_net.fc.weight", 1);
  condition = r.side("ca_net.fc.weight", 0, 4 * kWidest) / 4;
  noise = r.side("h_net1.fc.0.weight", 1) - condition;
  residuals = r.count("h_net2.residual.", ".block.0.weight");
  return r.check(noise >= 1 && condition >= 1, "h_net1.fc.0.weight and ca_net.fc.weight do not fit");
}

bool RankerSizes::read(const Shapes& shapes, std::string& error) {
  Reader r(shapes, error);
  stem = r.side("Conv2d_1a_3x3.conv.weight", 0, kWidest / 64);
  width = r.side("emb_features.weight", 0);
  return r.check(stem % 2 == 0, "Conv2d_1a_3x3.conv.weight has an odd number of channels");
}

bool EdgeSizes::read(const Shapes& shapes, std::string& error) {
  Reader r(shapes, error);
  stem = r.side("conv1_1.weight", 0, kWidest / 8);
  side = r.side("conv1_1_down.weight", 0);
  return r.ok();
}

bool StructureSizes::read(const Shapes& shapes, std::string& error) {
  Reader r(shapes, error);
  width = r.side("re.weight", 1, kWidest / 4);
  return r.check(width % 2 == 0, "re.weight has an odd number of channels");
}

bool SignalSizes::read(const Shapes& shapes, std::string& error) {
  Reader r(shapes, error);
  width = r.side("g_a.0.weight", 0, 1024);
  latents = r.side("g_a.6.weight", 0, 1024);
  return r.check(width % 2 == 0, "g_a.0.weight has an odd number of channels");
}

CaptionerSizes CaptionerSizes::scaled(double share, int64_t words) {
  CaptionerSizes s;
  s.stem = scaled_width(s.stem, share);
  for (int64_t& count : s.blocks)
    count = scaled_width(count, share);
  s.embedding = scaled_width(s.embedding, share);
  s.hidden = scaled_width(s.hidden, share);
  s.words = words;
  return s;
}

TextEncoderSizes TextEncoderSizes::scaled(double share, int64_t words) {
  TextEncoderSizes s;
  s.words = words;
  s.embedding = scaled_width(s.embedding, share);
  s.width = scaled_width(s.width, share, 2);
  return s;
}

PainterSizes PainterSizes::scaled(double share, int64_t text) {
  PainterSizes s;
  s.features = scaled_width(s.features, share, 2);
  s.text = text;
  s.condition = scaled_width(s.condition, share);
  s.noise = scaled_width(s.noise, share);
  return s;
}

RankerSizes RankerSizes::scaled(double share) {
  RankerSizes s;
  s.stem = scaled_width(s.stem, share, 2);
  s.width = scaled_width(s.width, share, 2);
  return s;
}

EdgeSizes EdgeSizes::scaled(double share) {
  EdgeSizes s;
  s.stem = scaled_width(s.stem, share);
  s.side = scaled_width(s.side, share);
  return s;
}

StructureSizes StructureSizes::scaled(double share) {
  StructureSizes s;
  s.width = scaled_width(s.width, share, 2);
  return s;
}

SignalSizes SignalSizes::scaled(double share) {
  SignalSizes s;
  s.width = scaled_width(s.width, share, 2);
  s.latents = scaled_width(s.latents, share);
  return s;
}

} // namespace gsem::nets::reference
