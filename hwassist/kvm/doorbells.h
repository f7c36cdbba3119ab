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
  // Null: this KVM has none. All of these outlive it.
  static std::unique_ptr<Doorbells> create(const Fd& vm, std::vector<bus::Bus*> buses);
  Doorbells(const Fd& vm, std::vector<bus::Bus*> buses, unsigned any_length);
  ~Doorbells();

  // What has been rung has reached its handlers afterwards, and none of them is being called. Every vCPU does
  // that when it stops, so that nothing comes while none runs. [vcpu-thread], no lock held
  void deliver();
  void doorbells_changed() noexcept override;

 private:
  struct Taken {
    bus::Doorbell doorbell;
    HostFd rung;
  };
  using All = std::vector<std::shared_ptr<const Taken>>;

  bool assign(const Taken& taken, unsigned flags);
  All taken();
  static All rung(const All& all);
  std::vector<bus::Doorbell> wanted() const;
  void listen();

  const Fd& vm_;
  const std::vector<bus::Bus*> buses_;
  const unsigned any_length_;  // that says any: bytes, or 0
  std::mutex delivery_;        // held while handlers are called
  std::mutex mutex_;           // guards the next three; taken last but for the buses'
  All taken_;
  All gone_;  // taken back, but perhaps rung before
  bool over_ = false;
  HostFd changed_;
  std::thread thread_;
};

}  // namespace tandem::hwassist::kvm
