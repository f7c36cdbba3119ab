#include "hwassist/kvm/doorbells.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/signals.h"
#include "hwassist/kvm/abi.h"

namespace tandem::hwassist::kvm {

namespace {

// VIRTIO 1.2, 4.1.5.2: a driver's notification on PCI is a write of two bytes.
constexpr u8 kUsualBytes = 2;

HostFd event() { return HostFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

bool take(const HostFd& event) {
  eventfd_t count = 0;
  return eventfd_read(event.get(), &count) == 0;
}

}  // namespace

std::unique_ptr<Doorbells> Doorbells::create(const Fd& vm, std::vector<bus::Bus*> buses) {
  const auto has = [&](int capability) {
    return vm.call(KVM_CHECK_EXTENSION, static_cast<u64>(capability)) > 0;
  };
  if (!has(KVM_CAP_IOEVENTFD)) return nullptr;
  const unsigned any_length = has(KVM_CAP_IOEVENTFD_ANY_LENGTH) ? 0 : kUsualBytes;
  return std::make_unique<Doorbells>(vm, std::move(buses), any_length);
}

Doorbells::Doorbells(const Fd& vm, std::vector<bus::Bus*> buses, unsigned any_length)
    : vm_(vm), buses_(std::move(buses)), any_length_(any_length), changed_(event()), thread_([this] {
        listen();
      }) {
  for (bus::Bus* const bus : buses_) bus->add_listener(*this);
  doorbells_changed();
}

Doorbells::~Doorbells() {
  for (bus::Bus* const bus : buses_) bus->remove_listener(*this);
  {
    const std::lock_guard lock(mutex_);
    for (const auto& t : taken_) assign(*t, KVM_IOEVENTFD_FLAG_DEASSIGN);
    over_ = true;
  }
  eventfd_write(changed_.get(), 1);
  thread_.join();
}

bool Doorbells::assign(const Taken& taken, unsigned flags) {
  const auto& [bus, address, bell, handler] = taken.doorbell;
  kvm_ioeventfd request{};
  request.addr = address;
  request.len = bell.size ? bell.size : any_length_;
  request.datamatch = bell.value;
  request.fd = taken.rung.get();
  request.flags = flags | (bus == bus::BusKind::Pio ? KVM_IOEVENTFD_FLAG_PIO : 0) |
                  (bell.size ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0);
  return vm_.call(KVM_IOEVENTFD, &request) >= 0;
}

std::vector<bus::Doorbell> Doorbells::wanted() const {
  std::vector<bus::Doorbell> all;
  for (const bus::Bus* const bus : buses_) std::ranges::move(bus->doorbells(), std::back_inserter(all));
  return all;
}

// One that the kernel refuses stays with the exits.
void Doorbells::doorbells_changed() noexcept {
  {
    const std::lock_guard lock(mutex_);
    std::vector<bus::Doorbell> missing = wanted();
    for (auto& t : std::exchange(taken_, {})) {
      if (std::erase(missing, t->doorbell)) {
        taken_.push_back(std::move(t));
      } else {
        assign(*t, KVM_IOEVENTFD_FLAG_DEASSIGN);
        gone_.push_back(std::move(t));
      }
    }
    for (const bus::Doorbell& doorbell : missing) {
      auto t = std::make_shared<const Taken>(doorbell, event());
      if (t->rung.open() && assign(*t, 0)) taken_.push_back(std::move(t));
    }
  }
  eventfd_write(changed_.get(), 1);
}

Doorbells::All Doorbells::taken() {
  const std::lock_guard lock(mutex_);
  return taken_;
}

// A vCPU that stops wants to know of all of them: one system call, unless there are some.
Doorbells::All Doorbells::rung(const All& all) {
  std::vector<pollfd> fds;
  for (const auto& t : all) fds.push_back({t->rung.get(), POLLIN, 0});
  All found;
  if (poll(fds.data(), fds.size(), 0) <= 0) return found;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (fds[i].revents && take(all[i]->rung)) found.push_back(all[i]);
  return found;
}

void Doorbells::deliver() {
  const std::lock_guard delivering(delivery_);
  All all = taken();
  {
    const std::lock_guard lock(mutex_);
    std::ranges::move(std::exchange(gone_, {}), std::back_inserter(all));
  }
  for (const auto& t : rung(all)) {
    const auto& [bus, address, bell, handler] = t->doorbell;
    const u8 size = bell.size ? bell.size : kUsualBytes;
    bus::IoAccess access{bus, bus::IoDir::Write, size, VcpuId{0}, address, bell.offset, bell.value};
    handler->io(access);
  }
}

void Doorbells::listen() {
  block_signals();
  for (;;) {
    const All all = taken();
    std::vector<pollfd> fds = {{changed_.get(), POLLIN, 0}};
    for (const auto& t : all) fds.push_back({t->rung.get(), POLLIN, 0});
    poll(fds.data(), fds.size(), -1);
    if (take(changed_)) {
      const std::lock_guard lock(mutex_);
      if (over_) return;
    }
    deliver();
  }
}

}  // namespace tandem::hwassist::kvm
