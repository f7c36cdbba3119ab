#include "tools/tandem/control/server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "devices/backend/unix_socket.h"

namespace tandem::tools {

namespace {

constexpr std::size_t kMaxLine = 1 * MiB, kMaxOutput = 16 * MiB, kMaxClients = 64;

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::listen(const std::string& path) {
  TANDEM_TRY_ASSIGN(fd, devices::listen_at(path));
  return std::unique_ptr<ControlServer>(new ControlServer(path, fd));
}

ControlServer::ControlServer(std::string path, int listener)
    : path_(std::move(path)), listener_(listener), wake_(eventfd(0, EFD_CLOEXEC)) {}

ControlServer::~ControlServer() {
  stop();
  close(listener_);
  close(wake_);
  unlink(path_.c_str());
}

void ControlServer::serve(Answer answer) {
  answer_ = std::move(answer);
  thread_ = std::thread([this] { run(); });
}

void ControlServer::stop() {
  if (!thread_.joinable()) return;
  const u64 one = 1;
  [[maybe_unused]] const ssize_t n = write(wake_, &one, sizeof one);
  thread_.join();
  for (Client& c : clients_) close(c.fd);
  clients_.clear();
}

void ControlServer::run() {
  for (;;) {
    std::vector<pollfd> fds = {{wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const Client& c : clients_)
      fds.push_back({c.fd, static_cast<short>(c.output.empty() ? POLLIN : POLLOUT), 0});
    if (poll(fds.data(), fds.size(), -1) < 0) continue;
    if (fds[0].revents) return;
    std::vector<Client> kept;
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      Client& c = clients_[i];
      const bool stays = !fds[i + 2].revents || (c.output.empty() ? receive(c) : send(c));
      if (stays) kept.push_back(std::move(c));
      else close(c.fd);
    }
    clients_ = std::move(kept);
    if (fds[1].revents) accept_client();
  }
}

void ControlServer::accept_client() {
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  if (clients_.size() < kMaxClients) clients_.push_back({fd, {}, {}});
  else close(fd);
}

bool ControlServer::receive(Client& c) {
  char buffer[4096];
  const ssize_t n = recv(c.fd, buffer, sizeof buffer, 0);
  if (n <= 0) return n < 0 && (errno == EAGAIN || errno == EINTR);
  c.input.append(buffer, static_cast<std::size_t>(n));
  for (std::size_t end; (end = c.input.find('\n')) != std::string::npos; c.input.erase(0, end + 1)) {
    const std::string line = c.input.substr(0, end);
    const auto replace = Json::error_handler_t::replace;
    if (!line.empty()) c.output += answer_(line).dump(-1, ' ', false, replace) + "\n";
  }
  return c.input.size() <= kMaxLine && c.output.size() <= kMaxOutput && send(c);
}

bool ControlServer::send(Client& c) {
  if (c.output.empty()) return true;
  const ssize_t n = ::send(c.fd, c.output.data(), c.output.size(), MSG_NOSIGNAL);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  c.output.erase(0, static_cast<std::size_t>(n));
  return true;
}

Result<Json> ask(const std::string& path, const Json& request) {
  TANDEM_TRY_ASSIGN(fd, devices::connect_to(path));
  const std::string line = request.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  std::string reply;
  char buffer[4096];
  bool good = ::send(fd, line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size());
  while (good && !reply.ends_with('\n')) {
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    good = n > 0;
    if (good) reply.append(buffer, static_cast<std::size_t>(n));
  }
  close(fd);
  Json parsed = Json::parse(reply, nullptr, false);
  if (!parsed.is_object()) return host_error(path + ": the guest has ended without an answer");
  return parsed;
}

}  // namespace tandem::tools
