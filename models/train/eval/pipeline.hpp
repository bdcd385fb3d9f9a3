// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/ptr.hpp"

#include <string>
#include <vector>

namespace gsem::eval {

/// A pipeline from text, with appsrc and appsink elements by name. Errors are std::runtime_error with the
/// element's message. To NULL and freed at the end.
class Pipeline {
public:
  explicit Pipeline(const std::string& description);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  Ptr<GstElement> element(const std::string& name) const;
  /// Queues a buffer (takes the reference) at an appsrc; never waits.
  void push(const std::string& source, GstBuffer* buffer);
  void end(const std::string& source);
  void play();
  /// Waits for the end of the stream; throws after `seconds`.
  void wait(double seconds);
  /// What an appsink has got, oldest first.
  std::vector<Ptr<GstSample>> samples(const std::string& sink);
  /// The next one, waiting; null at the end of the stream. Throws after `seconds` and on errors.
  Ptr<GstSample> next(const std::string& sink, double seconds);

private:
  [[noreturn]] void fail(GstMessage* error);
  Ptr<GstElement> pipeline_;
};

} // namespace gsem::eval
