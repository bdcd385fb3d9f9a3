// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/entropy/caption_coder.hpp"
#include "models/entropy/latent_coder.hpp"
#include "models/profile/profile.hpp"
#include "models/runtime/executor.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

/// The networks of a profile behind plain pictures. No torch in this header; the elements include only this.
/// All calls run on the Executor and wait for it; all objects are shared between elements by (profile, device) and thread-safe.
namespace gsem::runtime {

/// Packed 8-bit pictures, full-range sRGB; rows `stride` bytes apart.
struct PictureView {
  const uint8_t* data = nullptr;
  int width = 0, height = 0, stride = 0;
};
struct PictureSpan {
  uint8_t* data = nullptr;
  int width = 0, height = 0, stride = 0;
};
/// Owned, rows packed, `channels` 3 (RGB) or 1 (grey).
struct Picture {
  int width = 0, height = 0, channels = 3;
  std::vector<uint8_t> data;
};

struct CallOptions {
  CancelToken* cancel = nullptr;
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max ();
};

struct Outcome {
  JobResult result = JobResult::Done;
  std::string error; ///< set when Failed
  explicit operator bool () const { return result == JobResult::Done; }
};

/// Layer 1. Any picture size: stretched to the square inside.
class SemanticModel {
public:
  virtual ~SemanticModel () = default;
  /// Words from the caption coder's vocabulary and the layout hint of `picture`. Background priority.
  virtual Outcome describe (PictureView picture, entropy::Caption& caption, const CallOptions& options) = 0;
  /// Paints the caption at 256x256. Unknown words are ignored; an empty text still gives a picture. Background priority. Deterministic in
  /// (caption, profile) on one machine.
  virtual Outcome paint (const entropy::Caption& caption, Picture& picture, const CallOptions& options) = 0;
  /// Mean colour-and-layout feature distance of two pictures (for effort=N): smaller is more alike.
  virtual Outcome distance (PictureView a, PictureView b, float& distance, const CallOptions& options) = 0;
};

/// Layer 2.
class StructureModel {
public:
  virtual ~StructureModel () = default;
  /// Soft edge map, map_side x map_side, 0..255.
  virtual Outcome edges (PictureView picture, Picture& map, const CallOptions& options) = 0;

  /// Base branch of the synthesis, computed once a base picture.
  struct BaseFeatures;
  using BasePtr = std::shared_ptr<const BaseFeatures>;
  virtual Outcome prepare_base (PictureView base, BasePtr& features, const CallOptions& options) = 0;
  /// `base` null: painted from the map alone. `map` any size. Writes out (any size: the square is stretched).
  virtual Outcome synthesize (BasePtr base, PictureView map, PictureSpan out, const CallOptions& options) = 0;
};

/// Layer 3. Works at the picture's own size (padded inside).
class SignalModel {
public:
  virtual ~SignalModel () = default;
  virtual const entropy::LatentCoder& coder () const = 0;
  /// quality 0..63.
  virtual Outcome analyze (PictureView picture, int quality, entropy::Latents& latents, const CallOptions& options) = 0;
  /// `latents` as LatentCoder::decode gave them. `base` (any size) and `map` may have data == null: absent.
  virtual Outcome synthesize (const entropy::Latents& latents, PictureView base, PictureView map, PictureSpan out,
                              const CallOptions& options) = 0;
};

struct ModelOptions {
  std::string device = "cpu"; ///< "cpu" or "cuda"
  int threads = 0;            ///< Executor::set_threads
  /// 32-bit floats throughout, also on a CPU that multiplies bfloat16 at twice the speed (for comparisons and tests).
  bool float32 = false;
};

/// Loads (or shares) the networks of one layer; files are verified against the profile first. On failure null and `error` (cause, remedy).
/// Freed with the last user.
std::shared_ptr<SemanticModel> acquire_semantic (const profile::Profile& profile, const ModelOptions& options, bool describe, bool paint,
                                                 std::string& error);
std::shared_ptr<StructureModel> acquire_structure (const profile::Profile& profile, const ModelOptions& options, bool edges, bool synthesis,
                                                   std::string& error);
std::shared_ptr<SignalModel> acquire_signal (const profile::Profile& profile, const ModelOptions& options, bool analysis, bool synthesis,
                                             std::string& error);

/// "LibTorch 1.13.1, OpenBLAS 0.3.21, oneDNN, AVX512_BF16, 1 thread": for the INFO log and the reports.
std::string describe_runtime ();

} // namespace gsem::runtime
