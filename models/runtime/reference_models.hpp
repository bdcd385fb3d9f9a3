// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/reference/sizes.hpp"
#include "models/runtime/loading.hpp"

/// Profiles of kind "reference": the published networks (docs/reference.md) behind the same interfaces. Every
/// layer works on the picture stretched to 256x256, as published. Called by acquire_*.
///
/// Roles: captioner ("encoder." and "decoder."), text, generator, edges, structure, signal-0, signal-1, ...
/// (one a rate, the lowest first), ranker (evaluation only); vocabulary, captioner-vocabulary (where the
/// captioner has another one), caption-table, signal-table.
namespace gsem::runtime {

std::shared_ptr<SemanticModel> acquire_reference_semantic(const profile::Profile& profile,
                                                          const ModelOptions& options, bool describe,
                                                          bool paint, std::string& error);
std::shared_ptr<StructureModel> acquire_reference_structure(const profile::Profile& profile,
                                                            const ModelOptions& options, bool edges,
                                                            bool synthesis, std::string& error);
std::shared_ptr<SignalModel> acquire_reference_signal(const profile::Profile& profile,
                                                      const ModelOptions& options, bool analysis,
                                                      bool synthesis, std::string& error);

/// The side of the square that the published networks were trained on.
inline constexpr int kReferenceSide = 256;
bool check_reference_profile(const profile::Profile& profile, std::string& error);
/// Shapes of the tensors in the file of `role`.
bool read_shapes(const profile::Profile& profile, const std::string& role, nets::reference::Shapes& shapes,
                 std::string& error);

/// A published network as wide as its file: fills `sizes` and `out`.
template <typename Sizes, typename Net>
bool load_sized(const profile::Profile& profile, const std::string& role, at::Device device, Sizes& sizes,
                Net& out, std::string& error) {
  nets::reference::Shapes shapes;
  if (!read_shapes(profile, role, shapes, error) || !sizes.read(shapes, error))
    return false;
  Net net = make_network<Net>(sizes);
  if (!load_network(profile, role, *net, device, error))
    return false;
  out = net;
  return true;
}

} // namespace gsem::runtime
