#include "hwassist/kvm/doorbells.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "core/base/signals.h"
#include "hwassist/kvm/abi.h"

namespace tandem::hwassist::kvm {

namespace {

// VIRTIO 1.2, 4.1.5.2: a driver's notification is a write of two bytes.
constexpr unsigned kUsualBytes = 2;

HostFd event() { return HostFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

bool take(const HostFd& event) {
  eventfd_t count = 0;
  return eventfd_read(event.get(), &count) == 0;
}

}  // namespace

std::unique_ptr<Doorbells> Doorbells::create(const Fd& vm, bus::Bus& bus) {
  const auto has = [&](int capability) {
    return vm.call(KVM_CHECK_EXTENSION, static_cast<u64>(capability)) > 0;
  };
  if (!has(KVM_CAP_IOEVENTFD)) return nullptr;
  return std::make_unique<Doorbells>(vm, bus, has(KVM_CAP_IOEVENTFD_ANY_LENGTH) ? 0 : kUsualBytes);
}

Doorbells::Doorbells(const Fd& vm, bus::Bus& bus, unsigned length)
    : vm_(vm), bus_(bus), length_(length), changed_(event()), thread_([this] { listen(); }) {
  bus_.add_listener(*this);
  doorbells_changed();
}

Doorbells::~Doorbells() {
  bus_.remove_listener(*this);
  {
    const std::lock_guard lock(mutex_);
    for (const auto& bell : bells_) assign(*bell, KVM_IOEVENTFD_FLAG_DEASSIGN);
    over_ = true;
  }
  eventfd_write(changed_.get(), 1);
  thread_.join();
}

bool Doorbells::assign(const Bell& bell, unsigned flags) {
  kvm_ioeventfd request{};
  request.addr = bell.place.address;
  request.len = length_;
  request.fd = bell.rung.get();
  request.flags = flags;
  return vm_.call(KVM_IOEVENTFD, &request) >= 0;
}

// One that the kernel refuses stays with the exits.
void Doorbells::doorbells_changed() noexcept {
  {
    const std::lock_guard lock(mutex_);
    std::vector<bus::Doorbell> wanted = bus_.doorbells();
    for (auto& bell : std::exchange(bells_, {})) {
      if (std::erase(wanted, bell->place)) {
        bells_.push_back(std::move(bell));
      } else {
        assign(*bell, KVM_IOEVENTFD_FLAG_DEASSIGN);
        gone_.push_back(std::move(bell));
      }
    }
    for (const bus::Doorbell& place : wanted) {
      auto bell = std::make_shared<const Bell>(place, event());
      if (bell->rung.open() && assign(*bell, 0)) bells_.push_back(std::move(bell));
    }
  }
  eventfd_write(changed_.get(), 1);
}

Doorbells::Bells Doorbells::bells() {
  const std::lock_guard lock(mutex_);
  return bells_;
}

void Doorbells::deliver() {
  const std::lock_guard delivering(delivery_);
  Bells all = bells();
  {
    const std::lock_guard lock(mutex_);
    std::ranges::move(std::exchange(gone_, {}), std::back_inserter(all));
  }
  for (const auto& bell : all) {
    if (!take(bell->rung)) continue;
    bus::IoAccess access{bus::BusKind::Mmio,
                         bus::IoDir::Write,
                         kUsualBytes,
                         VcpuId{0},
                         bell->place.address,
                         bell->place.offset,
                         0};
    bell->place.handler->io(access);
  }
}

void Doorbells::listen() {
  block_signals();
  for (;;) {
    const Bells all = bells();
    std::vector<pollfd> fds = {{changed_.get(), POLLIN, 0}};
    for (const auto& bell : all) fds.push_back({bell->rung.get(), POLLIN, 0});
    poll(fds.data(), fds.size(), -1);
    if (take(changed_)) {
      const std::lock_guard lock(mutex_);
      if (over_) return;
    }
    deliver();
  }
}

}  // namespace tandem::hwassist::kvm
