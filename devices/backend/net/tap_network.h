// A tap device of the host: an interface whose other end is the guest's. Needs the right to make one, or one
// that belongs to the user.
#pragma once

#include <string>

#include "devices/backend/net/net_backend.h"

namespace tandem::devices {

class TapNetwork final : public Network {
 public:
  // `interface`: empty for one that the host names.
  static Result<std::unique_ptr<Network>> create(const std::string& interface, u16 mtu);
  ~TapNetwork() override;

  void connect(FrameSink to_guest) override { to_guest_ = std::move(to_guest); }
  void send(Frame frame) override;
  void prepare(std::vector<pollfd>& fds, int& timeout) override;
  void handle(std::span<const pollfd> fds) override;
  Result<void> forward(const Forward& what) override;
  NetTraits traits() const override { return {mtu_, false, false}; }

 private:
  TapNetwork(int fd, u16 mtu) : fd_(fd), mtu_(mtu), buffer_(kMaxFrame) {}

  int fd_;
  u16 mtu_;
  FrameSink to_guest_;
  std::vector<u8> buffer_;
};

}  // namespace tandem::devices
