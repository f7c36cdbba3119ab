#include "devices/backend/vsock/vsock_network.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/numbers.h"
#include "devices/backend/unix_socket.h"

namespace tandem::devices::vsock {

namespace {

constexpr std::size_t kMaxConnections = 1024, kMaxCallers = 64, kMaxLine = 32;
constexpr std::string_view kConnect = "CONNECT ";

}  // namespace

Result<std::unique_ptr<Network>> VsockNetwork::create(u64 guest_cid, const std::string& path) {
  TANDEM_TRY_ASSIGN(fd, listen_at(path));
  return std::unique_ptr<Network>(new VsockNetwork(guest_cid, path, fd));
}

VsockNetwork::~VsockNetwork() {
  for (const Caller& c : callers_) close(c.socket);
  close(listener_);
  unlink(path_.c_str());
}

PacketSink VsockNetwork::sink(Ports ports) {
  return [this, ports](const Header& h, std::span<const u8> data) {
    Header full = h;
    full.from_cid = kHostCid;
    full.to_cid = guest_cid_;
    full.from_port = ports.host;
    full.to_port = ports.guest;
    if (const auto known = connections_.find(ports); known != connections_.end())
      known->second->fill_credit(full);
    to_guest_(encode(full, data));
  };
}

void VsockNetwork::reply(const Header& to, Op op) {
  sink({to.from_port, to.to_port})({.type = to.type, .op = op}, {});
}

// From the guest.
void VsockNetwork::send(Frame frame) {
  if (frame.size() < kHeaderSize) return;
  const Header h = parse(frame);
  const std::span<const u8> data = frame.subspan(kHeaderSize);
  if (h.from_cid != guest_cid_ || h.length > data.size()) return;
  const Ports ports{h.from_port, h.to_port};
  const auto known = connections_.find(ports);
  const bool good = h.to_cid == kHostCid && h.type == kStream;
  if (good && h.op == Op::Request && known == connections_.end()) return accept_guest(h);
  if (!good || known == connections_.end()) {
    // 5.10.6.4.1: what belongs to nothing is answered so.
    if (h.op != Op::Reset) reply(h, Op::Reset);
    return;
  }
  Connection& c = *known->second;
  const Connection::State before = c.state();
  c.take(h, data.first(h.length), sink(ports));
  after(c, ports, before);
}

void VsockNetwork::accept_guest(const Header& request) {
  const Ports ports{request.from_port, request.to_port};
  if (connections_.size() >= kMaxConnections) return reply(request, Op::Reset);
  const auto fd = connect_to(fmt::format("{}_{}", path_, request.to_port), SOCK_NONBLOCK);
  if (!fd) return reply(request, Op::Reset);
  auto& c = connections_[ports] = std::make_unique<Connection>(fd.value(), Connection::State::Open);
  c->take({.op = Op::CreditUpdate, .room = request.room, .taken = request.taken}, {}, sink(ports));
  sink(ports)({.op = Op::Response}, {});
}

// A caller hears when the guest has answered; what is over goes.
void VsockNetwork::after(Connection& c, Ports ports, Connection::State before) {
  if (before == Connection::State::Asking && c.state() == Connection::State::Open) {
    const std::string line = fmt::format("OK {}\n", ports.host);
    ::send(c.socket(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  if (c.state() == Connection::State::Over) connections_.erase(ports);
}

// The listener, the callers, then the connections in their order.
void VsockNetwork::prepare(std::vector<pollfd>& fds, int&) {
  fds.push_back({listener_, static_cast<short>(callers_.size() < kMaxCallers ? POLLIN : 0), 0});
  for (const Caller& c : callers_) fds.push_back({c.socket, POLLIN, 0});
  // One that waits for nothing would be told of its end again and again.
  for (const auto& [ports, c] : connections_) fds.push_back({c->wanted() ? c->socket() : -1, c->wanted(), 0});
}

void VsockNetwork::handle(std::span<const pollfd> fds) {
  const std::size_t callers = callers_.size();
  if (fds.size() != 1 + callers + connections_.size()) return;  // somebody came meanwhile: next time
  std::vector<std::pair<Ports, short>> events;
  std::size_t at = 1 + callers;
  for (const auto& [ports, c] : connections_)
    if (const short e = fds[at++].revents) events.emplace_back(ports, e);
  for (const auto& [ports, e] : events) {
    Connection& c = *connections_.at(ports);
    const Connection::State before = c.state();
    c.serve(e, sink(ports));
    after(c, ports, before);
  }
  serve_callers(fds.subspan(1, callers));
  if (fds[0].revents & POLLIN) accept_callers();
}

void VsockNetwork::accept_callers() {
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) callers_.push_back({fd, {}});
}

void VsockNetwork::serve_callers(std::span<const pollfd> fds) {
  std::vector<Caller> left;
  for (std::size_t i = 0; i < fds.size(); ++i)
    if (!fds[i].revents || hear(callers_[i])) left.push_back(std::move(callers_[i]));
  callers_ = std::move(left);
}

// Byte by byte, since what follows the line is for the guest.
bool VsockNetwork::hear(Caller& caller) {
  char byte = 0;
  ssize_t n = 0;
  while ((n = recv(caller.socket, &byte, 1, MSG_DONTWAIT)) == 1 && byte != '\n' &&
         caller.said.size() < kMaxLine)
    caller.said.push_back(byte);
  if (n < 0 && errno == EAGAIN) return true;
  u32 port = 0;
  const std::string_view said = caller.said;
  if (n == 1 && byte == '\n' && said.starts_with(kConnect) && connections_.size() < kMaxConnections &&
      parse_number(said.substr(kConnect.size()), port))
    return call_guest(caller.socket, port), false;
  close(caller.socket);
  return false;
}

void VsockNetwork::call_guest(int socket, u32 port) {
  const Ports ports{port, next_port_++};
  connections_[ports] = std::make_unique<Connection>(socket, Connection::State::Asking);
  sink(ports)({.op = Op::Request}, {});
}

Result<void> VsockNetwork::forward(const Forward&) { return user_error("vsock: it has no ports to forward"); }

}  // namespace tandem::devices::vsock
