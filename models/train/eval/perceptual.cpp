// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/perceptual.hpp"

#include "models/train/eval/program.hpp"

#include <opencv2/imgcodecs.hpp>

#include <cstdlib>
#include <cstring>

namespace gsem::eval {

namespace {
constexpr double kSeconds = 60;
constexpr const char* kNorm = "3-norm:";
} // namespace

std::vector<PerceptualTool> perceptual_tools() {
  std::vector<PerceptualTool> out;
  for (const char* name : {"butteraugli_main", "ssimulacra2", "ssimulacra_main"}) {
    const std::string program = find_program(name), text = name;
    if (program.empty() || (text == "ssimulacra_main" && !out.empty() && out.back().better_high))
      continue;
    if (text == "butteraugli_main")
      out.push_back({"butteraugli 3-norm (0 is best)", program, false});
    else if (text == "ssimulacra2")
      out.push_back({"SSIMULACRA 2 (100 is best)", program, true});
    else
      out.push_back({"SSIMULACRA 1 (0 is best)", program, false});
  }
  return out;
}

bool judge(const PerceptualTool& tool, const cv::Mat& source, const cv::Mat& shown, double& value) {
  TemporaryFolder folder;
  const std::string a = folder.file("a.png"), b = folder.file("b.png");
  std::string said;
  if (!cv::imwrite(a, source, {cv::IMWRITE_PNG_COMPRESSION, 1}) ||
      !cv::imwrite(b, shown, {cv::IMWRITE_PNG_COMPRESSION, 1}) ||
      !run_program({tool.program, a, b}, kSeconds, said))
    return false;
  const size_t norm = said.find(kNorm);
  const char* begin = said.c_str() + (norm == std::string::npos ? 0 : norm + strlen(kNorm));
  char* end = nullptr;
  value = strtod(begin, &end);
  return end != begin;
}

} // namespace gsem::eval
