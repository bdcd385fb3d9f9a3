// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/import/tools/network_check.hpp"

#include "models/nets/reference/attngan.hpp"
#include "models/nets/reference/captioner.hpp"
#include "models/nets/reference/damsm.hpp"
#include "models/nets/reference/signal.hpp"
#include "models/nets/reference/structure.hpp"
#include "models/profile/safetensors.hpp"

namespace gsem::checkpoint {
namespace {

using namespace nets::reference;

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); i++)
    text += (i ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

/// As nets::load_weights lists it, without filling the network: its memory is then never touched.
std::string faults(const Shapes& wanted, const Shapes& shapes) {
  constexpr int kMost = 12;
  std::string text;
  int count = 0;
  const auto fault = [&](const std::string& what) {
    if (count++ < kMost)
      text += (text.empty() ? "" : "; ") + what;
  };
  for (const auto& [name, shape] : wanted)
    if (const auto found = shapes.find(name); found == shapes.end())
      fault("missing " + name);
    else if (found->second != shape)
      fault(name + " has shape " + shape_text(found->second) + ", wanted " + shape_text(shape));
  for (const auto& [name, shape] : shapes)
    if (!wanted.count(name))
      fault("extra " + name);
  return count > kMost ? text + "; and " + std::to_string(count - kMost) + " more" : text;
}

template <typename Network, typename Sizes>
bool check(const Shapes& shapes, std::string& error) {
  Sizes sizes;
  if (!sizes.read(shapes, error))
    return false;
  const nets::SkipInitialisation skip;
  Network network(sizes);
  Shapes wanted;
  for (const auto& p : network->named_parameters())
    wanted[p.key()] = p.value().sizes().vec();
  for (const auto& b : network->named_buffers())
    wanted[b.key()] = b.value().sizes().vec();
  error = faults(wanted, shapes);
  if (!error.empty())
    error = "the weights do not fit the network: " + error;
  return error.empty();
}

} // namespace

bool check_network(const std::string& role, const std::string& path, std::string& error) {
  std::shared_ptr<const profile::SafetensorsFile> file;
  if (profile::SafetensorsFile::open(path, file, error) != Status::Ok)
    return false;
  Shapes shapes;
  for (const auto& [name, tensor] : file->tensors())
    shapes[name] = tensor.shape;
  try {
    if (role == "captioner")
      return check<Captioner, CaptionerSizes>(shapes, error);
    if (role == "text")
      return check<TextEncoder, TextEncoderSizes>(shapes, error);
    if (role == "generator")
      return check<Painter, PainterSizes>(shapes, error);
    if (role == "ranker")
      return check<Ranker, RankerSizes>(shapes, error);
    if (role == "edges")
      return check<Rcf, EdgeSizes>(shapes, error);
    if (role == "structure")
      return check<Structure, StructureSizes>(shapes, error);
    if (role.starts_with("signal-"))
      return check<Signal, SignalSizes>(shapes, error);
    error = "no network has this role";
  } catch (const std::exception& e) {
    error = e.what();
  }
  return false;
}

} // namespace gsem::checkpoint
