#include "tools/tandem/gdb/gdb_server.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "devices/backend/unix_socket.h"
#include "tools/tandem/tcp_socket.h"

namespace tandem::tools {

namespace {

Result<int> open_listener(const GdbAddress& address) {
  auto fd = address.path.empty() ? listen_tcp(address.host, address.port) : devices::listen_at(address.path);
  if (!fd) return std::move(fd.error()).in("gdb");
  return fd;
}

}  // namespace

Result<std::unique_ptr<GdbServer>> GdbServer::listen(const GdbAddress& address) {
  TANDEM_TRY_ASSIGN(fd, open_listener(address));
  return std::unique_ptr<GdbServer>(new GdbServer(address, fd));
}

GdbServer::GdbServer(GdbAddress address, int listener)
    : address_(std::move(address)), listener_(listener), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

GdbServer::~GdbServer() {
  stop();
  close(listener_);
  close(wake_);
  if (!address_.path.empty()) unlink(address_.path.c_str());
}

void GdbServer::wake() {
  const u64 one = 1;
  [[maybe_unused]] const ssize_t n = write(wake_, &one, sizeof one);
}

std::string GdbServer::place() const {
  if (!address_.path.empty()) return "unix:" + address_.path;
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  char port[NI_MAXSERV] = "";
  getsockname(listener_, reinterpret_cast<sockaddr*>(&bound), &size);
  getnameinfo(reinterpret_cast<const sockaddr*>(&bound), size, nullptr, 0, port, sizeof port, NI_NUMERICSERV);
  return address_.host + ":" + port;
}

void GdbServer::serve(machine::Machine& machine, debug::StubOptions options,
                      const std::function<void(debug::Monitor&)>& commands) {
  target_ = std::make_unique<debug::Target>(machine, [this] { wake(); });
  monitor_ = std::make_unique<debug::Monitor>(*target_);
  commands(*monitor_);
  options.arch = address_.arch;
  stub_ = std::make_unique<debug::Stub>(*target_, *monitor_, std::move(options));
  if (address_.paused) target_->attach();
  thread_ = std::thread([this] { run(); });
}

void GdbServer::stop() {
  if (!thread_.joinable()) return;
  ending_ = true;
  wake();
  thread_.join();
  if (client_ >= 0) say(stub_->farewell());
  drop_debugger();
  stub_.reset();
  target_.reset();
}

void GdbServer::run() {
  while (!ending_) {
    pollfd fds[] = {{wake_, POLLIN, 0}, {client_ >= 0 ? client_ : listener_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) continue;
    u64 count;
    if (fds[0].revents && read(wake_, &count, sizeof count) > 0 && client_ >= 0) say(stub_->news());
    if (!fds[1].revents || ending_) continue;
    if (client_ >= 0) receive();
    else accept_debugger();
  }
}

void GdbServer::accept_debugger() {
  client_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client_ < 0) return;
  const int on = 1;
  setsockopt(client_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // A debugger that takes nothing holds up this thread no longer than this.
  const timeval limit{10, 0};
  setsockopt(client_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  stub_->connect();
}

void GdbServer::drop_debugger() {
  if (stub_) stub_->disconnect();
  if (client_ >= 0) close(client_);
  client_ = -1;
}

void GdbServer::receive() {
  char buffer[4096];
  const ssize_t n = recv(client_, buffer, sizeof buffer, 0);
  if (n < 0 && errno == EINTR) return;
  if (n <= 0) return drop_debugger();
  say(stub_->receive({buffer, static_cast<std::size_t>(n)}));
}

void GdbServer::say(const std::string& text) {
  std::size_t done = 0;
  while (client_ >= 0 && done < text.size()) {
    const ssize_t n = send(client_, text.data() + done, text.size() - done, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return drop_debugger();
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace tandem::tools
