// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/eval/evaluation.hpp"

#include <nlohmann/json.hpp>

namespace gsem::eval {

/// Sections of results.md about layers 1 and 1-2: captions, R-precision, shuffles, Frechet distance, effort.
std::string painted_sections(const Evaluation& e);
nlohmann::ordered_json painted_json(const Evaluation& e);

/// "0.123 [0.100, 0.145]"
std::string interval(const Interval& i, const char* pattern);
nlohmann::ordered_json to_json(const Interval& i);

} // namespace gsem::eval
