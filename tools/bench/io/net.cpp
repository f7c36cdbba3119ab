#include "tools/bench/io/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tools/bench/io/transfer.h"

namespace tandem::bench {

namespace {

constexpr u64 kSocketPiece = 128 * KiB;

// What the other end is told.
enum Wish : char { kSend = 's', kTake = 't', kEcho = 'e' };

class Connection {
 public:
  Connection(const std::string& address, u16 port, Wish wish)
      : socket_(::socket(AF_INET, SOCK_STREAM, 0), "socket") {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    must(inet_aton(address.c_str(), &to.sin_addr) != 0, "address");
    // SAFETY: as connect() wants it.
    must(connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0, "connect");
    const int one = 1;
    must(setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0, "TCP_NODELAY");
    put(wish);
    get();
  }
  void put(char byte) { must(::send(socket_.get(), &byte, 1, 0) == 1, "send"); }
  char get() {
    char byte = 0;
    must(recv(socket_.get(), &byte, 1, 0) == 1, "recv");
    return byte;
  }
  int fd() const { return socket_.get(); }

 private:
  Descriptor socket_;
};

// The other end is told how much, in eight bytes.
void say_how_much(const Connection& c, u64 bytes) {
  must(::send(c.fd(), &bytes, sizeof bytes, 0) == sizeof bytes, "send");
}

}  // namespace

u64 receive(const std::string& address, u16 port, u64 bytes) {
  const Connection c(address, port, kSend);
  std::vector<u8> data(kSocketPiece);
  const u64 start = monotonic_ns();
  say_how_much(c, bytes);
  for (u64 done = 0; done < bytes;) {
    const ssize_t n = recv(c.fd(), data.data(), data.size(), 0);
    must(n > 0, "recv");
    done += static_cast<u64>(n);
  }
  return monotonic_ns() - start;
}

u64 send(const std::string& address, u16 port, u64 bytes) {
  Connection c(address, port, kTake);
  const std::vector<u8> data(kSocketPiece, 0x5a);
  const u64 start = monotonic_ns();
  say_how_much(c, bytes);
  for (u64 done = 0; done < bytes;) {
    const ssize_t n = ::send(c.fd(), data.data(), std::min<u64>(data.size(), bytes - done), 0);
    must(n > 0, "send");
    done += static_cast<u64>(n);
  }
  c.get();
  return monotonic_ns() - start;
}

u64 ask(const std::string& address, u16 port, u64 count) {
  Connection c(address, port, kEcho);
  const u64 start = monotonic_ns();
  for (u64 i = 0; i < count; ++i) c.put('?'), c.get();
  return monotonic_ns() - start;
}

}  // namespace tandem::bench
