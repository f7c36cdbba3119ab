// The user network: libslirp plays a router at 10.0.2.2 with DHCP and a name server at 10.0.2.3, and makes of
// the guest's connections those of this process. No rights are needed. IPv4.
#pragma once

#include <list>

#include "devices/backend/net/net_backend.h"

struct Slirp;

namespace tandem::devices {

struct SlirpOptions {
  bool restricted = false;  // the guest reaches neither the host nor what is behind it
  u16 mtu = 0;              // 0: the usual
  std::vector<Forward> forwards;
};

class SlirpNetwork final : public Network {
 public:
  static Result<std::unique_ptr<Network>> create(const SlirpOptions& options);
  ~SlirpNetwork() override;

  void connect(FrameSink to_guest) override { to_guest_ = std::move(to_guest); }
  void send(Frame frame) override;
  void prepare(std::vector<pollfd>& fds, int& timeout) override;
  void handle(std::span<const pollfd> fds) override;
  Result<void> forward(const Forward& what) override;
  NetTraits traits() const override { return {mtu_, true, true}; }

 private:
  struct Timer {
    void (*call)(void*);
    void* argument;
    i64 due = -1;  // ms; -1: not armed
  };
  struct Callbacks;
  explicit SlirpNetwork(const SlirpOptions& options);

  u16 mtu_;
  FrameSink to_guest_;
  std::list<Timer> timers_;
  Slirp* slirp_;
};

}  // namespace tandem::devices
