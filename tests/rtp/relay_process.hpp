// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "tests/rtp/rtp_test.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>

/// examples/sfu-relay as a process, and sockets for both of its sides. $SFU_RELAY is the program.
namespace relay_test {

using namespace rtp_test;

/// A socket on this machine, unless told otherwise on a free port.
class Socket {
public:
  explicit Socket(unsigned port = 0) : fd_(socket(AF_INET, SOCK_DGRAM, 0)) {
    sockaddr_in address = at(port);
    socklen_t size = sizeof address;
    fail_unless(fd_ >= 0);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
        getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0)
      port_ = ntohs(address.sin_port);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { close(fd_); }
  /// 0: it was not free.
  unsigned port() const { return port_; }
  void send(const Packet& packet, unsigned port) {
    Ptr<GstBuffer> buffer(make_buffer(packet));
    send(stream::bytes_of(buffer.get()), port);
  }
  void send(const Bytes& bytes, unsigned port) {
    sockaddr_in to = at(port);
    fail_unless(sendto(fd_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) ==
                ssize_t(bytes.size()));
  }
  /// False: nothing within `ms`.
  bool receive(int ms, Bytes& bytes) {
    pollfd wait{fd_, POLLIN, 0};
    if (poll(&wait, 1, ms) != 1)
      return false;
    bytes.resize(65536);
    const ssize_t size = recv(fd_, bytes.data(), bytes.size(), 0);
    fail_unless(size > 0);
    bytes.resize(size_t(size));
    return true;
  }
  bool receive(int ms, Packet& packet) {
    Bytes bytes;
    if (!receive(ms, bytes))
      return false;
    Ptr<GstBuffer> buffer(stream::buffer(bytes));
    packet = read_packet(buffer.get());
    return true;
  }

private:
  static sockaddr_in at(unsigned port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(uint16_t(port));
    return address;
  }
  int fd_;
  unsigned port_ = 0;
};

/// Two ports in a row, for RTP and RTCP.
struct PortPair {
  std::unique_ptr<Socket> rtp, rtcp;
  PortPair() {
    do {
      rtp = std::make_unique<Socket>();
      rtcp = rtp->port() < 65535 ? std::make_unique<Socket>(rtp->port() + 1) : nullptr;
    } while (!rtcp || !rtcp->port());
  }
  unsigned port() const { return rtp->port(); }
};

class Relay {
public:
  explicit Relay(std::vector<std::string> arguments) {
    const gchar* program = g_getenv("SFU_RELAY");
    fail_unless(program != nullptr, "SFU_RELAY does not name the program");
    arguments.insert(arguments.begin(), program);
    std::vector<gchar*> argv;
    for (auto& argument : arguments)
      argv.push_back(argument.data());
    argv.push_back(nullptr);
    GError* error = nullptr;
    fail_unless(g_spawn_async_with_pipes(nullptr, argv.data(), nullptr, G_SPAWN_DO_NOT_REAP_CHILD, nullptr,
                                         nullptr, &pid_, nullptr, &out_, nullptr, &error),
                "%s", error ? error->message : "");
    std::string said; // it says so when it runs, or ends
    running_ = line(-1, said) && said.rfind("relaying", 0) == 0;
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay() { close(out_); }
  bool running() const { return running_; }
  /// The next line that it prints; false: none within `ms`.
  bool line(int ms, std::string& said) {
    for (;;) {
      if (const size_t end = text_.find('\n'); end != std::string::npos) {
        said = text_.substr(0, end);
        text_.erase(0, end + 1);
        return true;
      }
      pollfd wait{out_, POLLIN, 0};
      char more[200];
      const ssize_t size = poll(&wait, 1, ms) == 1 ? read(out_, more, sizeof more) : 0;
      if (size <= 0)
        return false;
      text_.append(more, size_t(size));
    }
  }
  /// Its exit status.
  int end() {
    if (running_)
      kill(pid_, SIGTERM);
    int status = 0;
    fail_unless(waitpid(pid_, &status, 0) == pid_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

private:
  GPid pid_ = 0;
  int out_ = -1;
  std::string text_;
  bool running_ = false;
};

} // namespace relay_test
