// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/vtm_folder.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace gsem::maps {
namespace {

struct File {
  int fd;
  ~File() {
    if (fd >= 0)
      close(fd);
  }
};

} // namespace

PrivateFolder::~PrivateFolder() {
  std::error_code ignored;
  if (!path_.empty())
    std::filesystem::remove_all(path_, ignored);
}

bool PrivateFolder::create(std::string& error) {
  const char* base = std::getenv("TMPDIR");
  std::string path = base != nullptr && *base == '/' ? base : "/tmp";
  path += "/gst-semantic-vtm-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) {
    error = "no temporary folder " + path + ": " + std::strerror(errno) + "; set TMPDIR to a writable folder";
    return false;
  }
  path_ = path;
  return true;
}

bool PrivateFolder::write(const char* name, ByteView bytes, std::string& error) const {
  const std::string path = path_ + "/" + name;
  File file{open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  bool ok = file.fd >= 0;
  for (size_t done = 0; ok && done < bytes.size();) {
    const ssize_t put = ::write(file.fd, bytes.data() + done, bytes.size() - done);
    if (put > 0)
      done += static_cast<size_t>(put);
    else
      ok = put < 0 && errno == EINTR;
  }
  if (!ok)
    error = "cannot write " + path + ": " + std::strerror(errno);
  return ok;
}

PrivateFolder::Read PrivateFolder::read(const char* name, size_t min, size_t max, Bytes& out,
                                        size_t& size) const {
  size = 0;
  // O_NONBLOCK: a FIFO in place of the file must not hold us up.
  File file{open((path_ + "/" + name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
  struct stat about;
  if (file.fd < 0 || fstat(file.fd, &about) != 0 || !S_ISREG(about.st_mode))
    return Read::Missing;
  size = static_cast<size_t>(about.st_size);
  if (size < min || size > max)
    return Read::WrongSize;
  out.resize(size);
  for (size_t done = 0; done < size;) {
    const ssize_t got = ::read(file.fd, out.data() + done, size - done);
    if (got > 0)
      done += static_cast<size_t>(got);
    else if (got == 0 || errno != EINTR)
      return Read::WrongSize;
  }
  return Read::Ok;
}

} // namespace gsem::maps
