// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/eval/evaluation.hpp"

namespace gsem::eval {

/// Writes `docs`/results.md, results.csv (means by codec and setting), results.json (everything but captions
/// and names of pictures) and img/*.svg, and into settings.out pictures.csv (a row a picture and point).
/// No picture of the data set gets into `docs`. std::runtime_error when a file cannot be written.
void write_report(const Evaluation& e, const EvaluationSettings& settings, const std::string& docs,
                  const std::string& command);

} // namespace gsem::eval
