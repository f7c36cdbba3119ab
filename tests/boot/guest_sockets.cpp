// A program for guests: sockets of the family AF_VSOCK.
//   guest_sockets echo PORT         takes one connection and sends everything back
//   guest_sockets send PORT BYTES   sends so many to the host, and says whether the same come back
#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kPiece = 64 * 1024;

void must(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::exit(1);
}

sockaddr_vm address_of(unsigned cid, unsigned port) {
  sockaddr_vm a{};
  a.svm_family = AF_VSOCK;
  a.svm_cid = cid;
  a.svm_port = port;
  return a;
}
const sockaddr* generic(const sockaddr_vm& a) { return reinterpret_cast<const sockaddr*>(&a); }

void write_all(int fd, const char* data, std::size_t bytes) {
  while (bytes) {
    const ssize_t n = send(fd, data, bytes, 0);
    must(n > 0, "send");
    data += n;
    bytes -= static_cast<std::size_t>(n);
  }
}

int echo(unsigned port) {
  const int listener = socket(AF_VSOCK, SOCK_STREAM, 0);
  const sockaddr_vm a = address_of(VMADDR_CID_ANY, port);
  must(bind(listener, generic(a), sizeof a) == 0 && listen(listener, 1) == 0, "listen");
  std::puts("listening");
  std::fflush(stdout);
  const int fd = accept(listener, nullptr, nullptr);
  must(fd >= 0, "accept");
  std::vector<char> data(kPiece);
  ssize_t n = 0;
  while ((n = recv(fd, data.data(), data.size(), 0)) > 0)
    write_all(fd, data.data(), static_cast<std::size_t>(n));
  close(fd);
  return n == 0 ? 0 : 1;
}

char byte_at(std::size_t i) { return static_cast<char>(i * 7 + (i >> 9)); }

int send_and_compare(unsigned port, std::size_t bytes) {
  const int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
  const sockaddr_vm a = address_of(VMADDR_CID_HOST, port);
  must(connect(fd, generic(a), sizeof a) == 0, "connect");
  std::vector<char> data(bytes);
  for (std::size_t i = 0; i < bytes; ++i) data[i] = byte_at(i);
  std::thread writer([&] { write_all(fd, data.data(), bytes), shutdown(fd, SHUT_WR); });
  std::vector<char> back;
  std::vector<char> piece(kPiece);
  for (ssize_t n = 0; (n = recv(fd, piece.data(), piece.size(), 0)) > 0;)
    back.insert(back.end(), piece.begin(), piece.begin() + n);
  writer.join();
  std::puts(back == data ? "the same came back" : "something else came back");
  return back == data ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view verb = count > 2 ? arguments[1] : "";
  if (verb == "echo") return echo(static_cast<unsigned>(std::atoi(arguments[2])));
  if (verb == "send" && count > 3)
    return send_and_compare(static_cast<unsigned>(std::atoi(arguments[2])),
                            std::strtoul(arguments[3], nullptr, 10));
  std::fprintf(stderr, "usage: guest_sockets echo PORT | send PORT BYTES\n");
  return 2;
}
