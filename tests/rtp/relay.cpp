// SPDX-License-Identifier: LGPL-2.1-or-later
// examples/sfu-relay as a process: packets in over UDP, each receiver's own layers out. $SFU_RELAY is the
// program.
#include "tests/rtp/rtp_test.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

using namespace rtp_test;

namespace {

/// A socket on a free port.
class Socket {
public:
  Socket() : fd_(socket(AF_INET, SOCK_DGRAM, 0)) {
    sockaddr_in address = at(0);
    socklen_t size = sizeof address;
    fail_unless(fd_ >= 0 && bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    fail_unless(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { close(fd_); }
  unsigned port() const { return port_; }
  void send(const Packet& packet, unsigned port) {
    Ptr<GstBuffer> buffer(make_buffer(packet));
    const Bytes bytes = stream::bytes_of(buffer.get());
    sockaddr_in to = at(port);
    fail_unless(sendto(fd_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) ==
                ssize_t(bytes.size()));
  }
  /// False: nothing within `ms`.
  bool receive(int ms, Packet& packet) {
    pollfd wait{fd_, POLLIN, 0};
    if (poll(&wait, 1, ms) != 1)
      return false;
    Bytes bytes(65536);
    const ssize_t size = recv(fd_, bytes.data(), bytes.size(), 0);
    fail_unless(size > 0);
    bytes.resize(size_t(size));
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
    int out = -1;
    GError* error = nullptr;
    fail_unless(g_spawn_async_with_pipes(nullptr, argv.data(), nullptr, G_SPAWN_DO_NOT_REAP_CHILD, nullptr,
                                         nullptr, &pid_, nullptr, &out, nullptr, &error),
                "%s", error ? error->message : "");
    char line[200];
    const ssize_t size = read(out, line, sizeof line); // it says so when it runs, or ends
    running_ = size > 0 && strncmp(line, "relaying", 8) == 0;
    close(out);
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  bool running() const { return running_; }
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
  bool running_ = false;
};

} // namespace

GST_START_TEST(each_receiver_gets_its_layers) {
  constexpr int kUnits = 30;
  Socket outputs[3], sender;
  unsigned in = Socket().port();
  std::vector<std::string> arguments{std::to_string(in)};
  for (int i = 0; i < 3; ++i)
    arguments.push_back("127.0.0.1:" + std::to_string(outputs[i].port()) +
                        ",layers=" + std::to_string(i + 1));
  Relay relay(arguments);
  fail_unless(relay.running());

  std::vector<std::vector<stream::Piece>> units;
  Sender payloader(stream::header({1, 2, 3}), "caption-repeat=\"\"");
  for (int i = 0; i < kUnits; ++i) {
    units.push_back({{1, stream::payload(3 * i, 9)},
                     {2, stream::payload(3 * i + 1, 60)},
                     {3, stream::payload(3 * i + 2, 400), true, true}});
    for (const auto& packet : payloader.send(uint64_t(i), units.back()))
      sender.send(packet, in);
    g_usleep(2000);
  }
  for (int i = 0; i < 3; ++i) {
    std::map<unsigned, std::vector<Bytes>> came;
    Packet packet;
    uint16_t sequence = 0;
    bool first = true;
    // The highest layer of the last unit is the end.
    while (came[unsigned(i + 1)].size() < kUnits && outputs[i].receive(10000, packet)) {
      fail_unless(first || packet.sequence == uint16_t(sequence + 1), "a gap in the sequence numbers");
      first = false;
      sequence = packet.sequence;
      const Contents all = contents(packet);
      for (const auto& entry : all.entries)
        if (entry.type == RtpEntry::Type::Layer)
          came[unsigned(entry.layer.kind)].emplace_back(entry.data.begin(), entry.data.end());
      if (all.descriptor.fragment)
        came[unsigned(all.descriptor.layer.kind)].emplace_back(packet.payload.begin() + kRtpDescriptorBytes,
                                                               packet.payload.end());
    }
    for (unsigned kind = 1; kind <= 3; ++kind) {
      fail_unless_equals_int(came[kind].size(), kind <= unsigned(i + 1) ? kUnits : 0);
      for (size_t k = 0; k < came[kind].size(); ++k)
        fail_unless(came[kind][k] == units[k][kind - 1].payload);
    }
  }
  fail_unless_equals_int(relay.end(), 0);
}
GST_END_TEST

GST_START_TEST(wrong_arguments_are_refused) {
  for (const char* wrong : {"nowhere", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000",
                            "127.0.0.1:5000,layers=4", "127.0.0.1:5000,speed=1", "127.0.0.1:5000,layers",
                            "a b:5000", "x ! filesink location=y:5000", ":5000"}) {
    Relay relay({"5004", wrong});
    fail_unless(!relay.running(), "%s", wrong);
    fail_unless_equals_int(relay.end(), 2);
  }
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, each_receiver_gets_its_layers);
  tcase_add_test(tc, wrong_arguments_are_refused);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "relay", fill);
}
