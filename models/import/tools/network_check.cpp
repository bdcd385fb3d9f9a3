// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/import/tools/network_check.hpp"

#include "models/nets/reference/attngan.hpp"
#include "models/nets/reference/captioner.hpp"
#include "models/nets/reference/damsm.hpp"
#include "models/nets/reference/signal.hpp"
#include "models/nets/reference/structure.hpp"
#include "models/nets/weights.hpp"

namespace gsem::checkpoint {
namespace {

using namespace nets::reference;

template <typename Network, typename Sizes>
bool check(const profile::SafetensorsFile& file, const Shapes& shapes, std::string& error) {
  Sizes sizes;
  if (!sizes.read(shapes, error))
    return false;
  const nets::SkipInitialisation skip;
  Network network(sizes);
  return nets::load_weights(*network, file, error);
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
      return check<Captioner, CaptionerSizes>(*file, shapes, error);
    if (role == "text")
      return check<TextEncoder, TextEncoderSizes>(*file, shapes, error);
    if (role == "generator")
      return check<Painter, PainterSizes>(*file, shapes, error);
    if (role == "ranker")
      return check<Ranker, RankerSizes>(*file, shapes, error);
    if (role == "edges")
      return check<Rcf, EdgeSizes>(*file, shapes, error);
    if (role == "structure")
      return check<Structure, StructureSizes>(*file, shapes, error);
    if (role.starts_with("signal-"))
      return check<Signal, SignalSizes>(*file, shapes, error);
    error = "no network has this role";
  } catch (const std::exception& e) {
    error = e.what();
  }
  return false;
}

} // namespace gsem::checkpoint
