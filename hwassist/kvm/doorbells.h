// Doorbells of the machine that the kernel takes itself (KVM_IOEVENTFD): a write there does not end KVM_RUN,
// and a thread tells the handler. All other writes, and all by software engines, reach it by exits.
#pragma once

#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/host_fd.h"
#include "core/bus/bus.h"
#include "hwassist/kvm/host.h"

namespace tandem::hwassist::kvm {

class Doorbells final : public bus::DoorbellListener {
 public:
  // Null: this KVM has none. Both outlive it.
  static std::unique_ptr<Doorbells> create(const Fd& vm, bus::Bus& bus);
  Doorbells(const Fd& vm, bus::Bus& bus, unsigned length);
  ~Doorbells();

  // What has been rung has reached its handlers afterwards, and none of them is being called. Every vCPU does
  // that when it stops, so that nothing comes while none runs. [vcpu-thread], no lock held
  void deliver();
  void doorbells_changed() noexcept override;

 private:
  struct Bell {
    bus::Doorbell place;
    HostFd rung;
  };
  using Bells = std::vector<std::shared_ptr<const Bell>>;

  bool assign(const Bell& bell, unsigned flags);
  Bells bells();
  void listen();

  const Fd& vm_;
  bus::Bus& bus_;
  const unsigned length_;  // bytes of a write that is taken; 0: any
  std::mutex delivery_;    // held while handlers are called
  std::mutex mutex_;       // guards the next three; taken last but for the bus's
  Bells bells_;
  Bells gone_;  // taken back, but perhaps rung before
  bool over_ = false;
  HostFd changed_;
  std::thread thread_;
};

}  // namespace tandem::hwassist::kvm
