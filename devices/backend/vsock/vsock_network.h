// The host's end of a socket device: streams become connections of Unix sockets, in both directions.
//
//   a program of the host → PATH: it writes "CONNECT PORT\n", reads "OK NUMBER\n", and is connected to the
//     guest's port; the socket closes where nothing listens there
//   a program of the guest → port P of the host (CID 2): a connection to the Unix socket PATH_P
//
// It is a Network whose frames are packets: NetBackend's thread serves it.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "devices/backend/net/net_backend.h"
#include "devices/backend/vsock/connection.h"

namespace tandem::devices::vsock {

class VsockNetwork final : public Network {
 public:
  static Result<std::unique_ptr<Network>> create(u64 guest_cid, const std::string& path);
  ~VsockNetwork() override;

  void connect(FrameSink to_guest) override { to_guest_ = std::move(to_guest); }
  void send(Frame frame) override;
  void prepare(std::vector<pollfd>& fds, int& timeout) override;
  void handle(std::span<const pollfd> fds) override;
  Result<void> forward(const Forward& what) override;
  NetTraits traits() const override { return {}; }

 private:
  // A program of the host that has not yet said where it wants to go.
  struct Caller {
    int socket;
    std::string said;
  };
  VsockNetwork(u64 guest_cid, std::string path, int listener)
      : guest_cid_(guest_cid), path_(std::move(path)), listener_(listener) {}
  PacketSink sink(Ports ports);
  void reply(const Header& to, Op op);
  void accept_guest(const Header& request);
  void accept_callers();
  void serve_callers(std::span<const pollfd> fds);
  bool hear(Caller& caller);  // false: it is a caller no more
  void call_guest(int socket, u32 port);
  void after(Connection& c, Ports ports, Connection::State before);

  const u64 guest_cid_;
  const std::string path_;
  const int listener_;
  FrameSink to_guest_;
  std::vector<Caller> callers_;
  std::map<Ports, std::unique_ptr<Connection>> connections_;
  u32 next_port_ = u32{1} << 30;
};

}  // namespace tandem::devices::vsock
