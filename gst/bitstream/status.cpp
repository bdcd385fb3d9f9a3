// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/bitstream/status.hpp"

namespace gsem {

const char* status_name(Status status) {
  switch (status) {
  case Status::Ok:
    return "ok";
  case Status::NeedMoreData:
    return "more data needed";
  case Status::Corrupt:
    return "corrupt";
  case Status::Unsupported:
    return "unsupported version or kind";
  case Status::TooLarge:
    return "over the size limits";
  case Status::Mismatch:
    return "made with another model";
  case Status::Failed:
    return "failed";
  }
  return "unknown status";
}

} // namespace gsem
