// The paravirtual devices of the board.
#include "devices/board/pc_parts.h"
#include "devices/virtio/block.h"
#include "devices/virtio/console.h"
#include "devices/virtio/entropy.h"
#include "devices/virtio/input_devices.h"
#include "devices/virtio/mmio_transport.h"
#include "devices/virtio/net.h"
#include "devices/virtio/pci_transport.h"
#include "devices/virtio/plan9.h"
#include "devices/virtio/vsock.h"

namespace tandem::devices {

namespace {

constexpr u32 kMaxQueues = 4;  // of a disk, and pairs of a network

}  // namespace

// Into the next slot.
Result<void> Pc::Parts::plug(std::unique_ptr<virtio::Model> model) {
  if (!config.virtio.packed) model->withhold(virtio::kPacked);
  if (config.virtio.mmio) return plug_mmio(std::move(model));
  TANDEM_TRY_ASSIGN(slot, take_slot());
  const bool net = model->identity().type == virtio::DeviceType::Net;
  auto& transport =
      add<virtio::PciTransport>(machine->context(), std::move(model), pci_irq(slot), machine->apic_bus());
  if (net) TANDEM_TRY(add_boot_rom(transport, config.boot_roms.virtio));
  host_bridge->plug(slot, 0, transport);
  return {};
}

// At the next address.
Result<void> Pc::Parts::plug_mmio(std::unique_ptr<virtio::Model> model) {
  const unsigned number = virtio_mmio_count++;
  if (number == kMaxVirtioMmio) return user_error("virtio: there are more devices than addresses for them");
  auto& transport = add<virtio::MmioTransport>(std::move(model), irq::LevelIrq(gsi[virtio_mmio_gsi(number)]));
  const u64 base = kVirtioMmio + number * kVirtioMmioStep;
  TANDEM_TRY_ASSIGN(place,
                    machine->mmio().claim({base, virtio::MmioTransport::kSize}, transport, transport.name()));
  transport.place(std::move(place));
  return {};
}

Result<void> Pc::set_balloon(u64 bytes) {
  if (!parts_->balloon) return user_error("balloon: the guest has none");
  parts_->balloon->set_target(bytes);
  return {};
}

Result<void> Pc::Parts::add_virtio_input() {
  const auto make = [&](const char* name, virtio::Input::Kind kind) {
    return std::make_unique<virtio::Input>(machine->context(), name, kind);
  };
  auto keyboard = make("virtio-keyboard", virtio::Input::Kind::Keyboard);
  auto tablet = make("virtio-tablet", virtio::Input::Kind::Tablet);
  virtio_input = std::make_unique<virtio::InputDevices>(*keyboard, *tablet, *input);
  TANDEM_TRY(plug(std::move(keyboard)));
  return plug(std::move(tablet));
}

Result<void> Pc::Parts::add_virtio() {
  const machine::DeviceContext context = machine->context();
  for (const auto& [unit, medium] : config.virtio.disks) {
    const std::string letter(1, static_cast<char>('a' + unit));
    TANDEM_TRY(
        plug(std::make_unique<virtio::Block>(context, "virtio-vd" + letter, *medium, "tandem-vd" + letter,
                                             static_cast<u16>(std::min(config.vcpus, kMaxQueues)))));
  }
  for (std::size_t i = 0; i < config.virtio.nets.size(); ++i) {
    const NetConfig& net = config.virtio.nets[i];
    TANDEM_TRY(
        plug(std::make_unique<virtio::Net>(context, "virtio-net" + std::to_string(i), *net.backend, net.mac,
                                           static_cast<u16>(std::min(config.vcpus, kMaxQueues)))));
  }
  for (std::size_t i = 0; i < config.virtio.shares.size(); ++i) {
    const ShareConfig& share = config.virtio.shares[i];
    TANDEM_TRY(plug(
        std::make_unique<virtio::Plan9>(context, "virtio-9p" + std::to_string(i), *share.server, share.tag)));
  }
  if (!config.virtio.consoles.empty()) {
    std::vector<virtio::ConsolePort> ports;
    for (const ConsoleConfig& c : config.virtio.consoles) ports.push_back({c.name, c.backend.get()});
    TANDEM_TRY(plug(std::make_unique<virtio::Console>(context, "virtio-console", std::move(ports))));
  }
  if (const auto& v = config.virtio.vsock)
    TANDEM_TRY(plug(std::make_unique<virtio::Vsock>(context, "virtio-vsock", *v->backend, v->cid)));
  if (config.virtio.gpu) {
    auto model = std::make_unique<virtio::Gpu>(context, "virtio-gpu");
    gpu = model.get();
    TANDEM_TRY(plug(std::move(model)));
  }
  if (config.virtio.input) TANDEM_TRY(add_virtio_input());
  if (config.virtio.balloon) {
    auto model = std::make_unique<virtio::Balloon>(context, "virtio-balloon");
    balloon = model.get();
    TANDEM_TRY(plug(std::move(model)));
  }
  if (config.virtio.entropy)
    TANDEM_TRY(plug(std::make_unique<virtio::Entropy>(context, "virtio-rng", config.virtio.entropy)));
  return {};
}

}  // namespace tandem::devices
