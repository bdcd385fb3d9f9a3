// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/profile/file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gsem::profile {
namespace {

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0)
      ::close(fd);
  }
};

Status fail(const std::string& path, const std::string& what, std::string& error) {
  error = path + ": " + what;
  return Status::Failed;
}

Status open_regular(const std::string& path, Descriptor& file, size_t& size, std::string& error) {
  // Without O_NONBLOCK a FIFO in place of a weight file would hang the state change.
  file.fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info;
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0)
    return fail(path, std::strerror(errno), error);
  if (!S_ISREG(info.st_mode))
    return fail(path, "not a regular file", error);
  size = static_cast<size_t>(info.st_size);
  return Status::Ok;
}

bool write_all(int fd, ByteView bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

} // namespace

Status MappedFile::open(const std::string& path, std::shared_ptr<const MappedFile>& out, std::string& error) {
  Descriptor file;
  size_t size = 0;
  if (Status status = open_regular(path, file, size, error); status != Status::Ok)
    return status;
  if (size == 0)
    return fail(path, "empty file", error);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED)
    return fail(path, std::string("mmap: ") + std::strerror(errno), error);
  out.reset(new MappedFile(ByteView(static_cast<const uint8_t*>(data), size)));
  return Status::Ok;
}

MappedFile::~MappedFile() {
  ::munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
}

Status read_file(const std::string& path, size_t limit, Bytes& out, std::string& error) {
  Descriptor file;
  size_t size = 0;
  if (Status status = open_regular(path, file, size, error); status != Status::Ok)
    return status;
  if (size > limit) {
    error = path + ": " + std::to_string(size) + " bytes, the limit is " + std::to_string(limit);
    return Status::TooLarge;
  }
  out.resize(size);
  size_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(file.fd, out.data() + done, size - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return fail(path, std::strerror(errno), error);
    if (n == 0)
      break; // cut short since fstat
    done += static_cast<size_t>(n);
  }
  out.resize(done);
  return Status::Ok;
}

Status FileWriter::open(const std::string& path, std::string& error) {
  path_ = path;
  temporary_ = path + ".XXXXXX";
  fd_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
  if (fd_ < 0)
    return fail(path, std::string("cannot write: ") + std::strerror(errno), error);
  if (::fchmod(fd_, 0644) != 0)
    reason_ = errno;
  return Status::Ok;
}

FileWriter::~FileWriter() {
  if (fd_ < 0)
    return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void FileWriter::write(ByteView bytes) {
  if (!reason_ && !write_all(fd_, bytes))
    reason_ = errno;
}

Status FileWriter::finish(std::string& error) {
  if (!reason_ && (::fsync(fd_) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0))
    reason_ = errno;
  if (reason_)
    return fail(path_, std::string("cannot write: ") + std::strerror(reason_), error);
  ::close(fd_);
  fd_ = -1;
  return Status::Ok;
}

Status write_file(const std::string& path, std::initializer_list<ByteView> parts, std::string& error) {
  FileWriter file;
  if (const Status status = file.open(path, error); status != Status::Ok)
    return status;
  for (ByteView part : parts)
    file.write(part);
  return file.finish(error);
}

} // namespace gsem::profile
