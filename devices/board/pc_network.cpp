// Network adapters that are no virtio devices, and the way to a user network.
#include <bit>

#include "core/base/bits.h"
#include "devices/board/pc_parts.h"
#include "devices/net/e1000.h"
#include "devices/pci/regs.h"

namespace tandem::devices {

Result<unsigned> Pc::Parts::take_slot() {
  if (free_slot > kLastSlot) return user_error("there are more devices than PCI slots for them");
  return free_slot++;
}

namespace {

// Firmware runs a ROM whose BIOS image names the adapter that it is behind (PCI Firmware
// Specification 3.0, 5.1.2); an image that serves several names one of them. Its bytes go on to add up to 0.
void name_adapter(std::span<u8> rom, u16 vendor, u16 device) {
  constexpr unsigned kPointer = 0x18, kVendor = 4, kDevice = 6, kCodeType = 0x14, kStructure = 0x18,
                     kSpare = 6;
  if (rom.size() < kPointer + 2 || load_le<u16>(rom.data()) != 0xaa55) return;
  const std::size_t at = load_le<u16>(&rom[kPointer]);
  if (at + kStructure > rom.size() || rom[at + kCodeType] != 0) return;
  const auto sum = [&] {
    u8 all = 0;
    for (unsigned i = kVendor; i < kVendor + 4; ++i) all = static_cast<u8>(all + rom[at + i]);
    return all;
  };
  const u8 before = sum();
  store_le(&rom[at + kVendor], vendor);
  store_le(&rom[at + kDevice], device);
  rom[kSpare] = static_cast<u8>(rom[kSpare] + before - sum());
}

}  // namespace

// A ROM from which the firmware starts over the network.
Result<void> Pc::Parts::add_boot_rom(PciDevice& adapter, const std::vector<u8>& rom) {
  if (rom.empty()) return {};
  const u64 size = std::bit_ceil(std::max<u64>(rom.size(), kPageSize));
  TANDEM_TRY_ASSIGN(offset, machine->memory().allocate(size));
  u8* const at = machine->memory().base() + offset;
  std::copy(rom.begin(), rom.end(), at);
  name_adapter({at, rom.size()}, static_cast<u16>(adapter.read_config(pci::kVendorId, 2)),
               static_cast<u16>(adapter.read_config(pci::kDeviceId, 2)));
  adapter.add_rom(size, offset);
  return {};
}

Result<void> Pc::Parts::add_e1000() {
  for (std::size_t i = 0; i < config.e1000.size(); ++i) {
    const NetConfig& net = config.e1000[i];
    TANDEM_TRY_ASSIGN(slot, take_slot());
    auto& adapter = add<E1000>(machine->context(), "e1000-" + std::to_string(i), pci_irq(slot),
                               machine->apic_bus(), *net.backend, net.mac);
    TANDEM_TRY(add_boot_rom(adapter, config.boot_roms.e1000));
    host_bridge->plug(slot, 0, adapter);
  }
  return {};
}

Result<void> Pc::forward(const Forward& what) {
  for (const auto* nets : {&parts_->config.virtio.nets, &parts_->config.e1000})
    if (!nets->empty()) return nets->front().backend->forward(what);
  return user_error("hostfwd: the guest has no network");
}

}  // namespace tandem::devices
