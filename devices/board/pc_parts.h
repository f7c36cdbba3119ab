// What a Pc is made of; for devices/board only.
#pragma once

#include <algorithm>
#include <string>

#include "devices/board/acpi_tables.h"
#include "devices/board/pc.h"
#include "devices/display/vga.h"
#include "devices/input/i8042.h"
#include "devices/input/input_router.h"
#include "devices/pci/i440fx.h"
#include "devices/pci/piix.h"
#include "devices/platform/call_port.h"
#include "devices/platform/hpet.h"
#include "devices/platform/ioapic.h"
#include "devices/platform/isa_dma.h"
#include "devices/platform/pic.h"
#include "devices/platform/pit.h"
#include "devices/platform/rtc.h"
#include "devices/serial/uart16550.h"
#include "devices/storage/ahci.h"
#include "devices/storage/fdc.h"
#include "devices/storage/piix3_ide.h"
#include "devices/virtio/balloon.h"
#include "devices/virtio/gpu/gpu.h"

namespace tandem::devices {

struct Pc::Parts {
  // The last made goes first: it may reach those before it.
  ~Parts() {
    claims.clear();
    rom_mapping.release();
    while (!owned.empty()) owned.pop_back();
  }

  PcConfig config;
  std::unique_ptr<machine::Machine> machine;
  std::array<irq::IrqWire, IoapicState::kPins> gsi;  // by I/O APIC pin; 0..15 go to the 8259 pair too
  std::vector<std::unique_ptr<machine::Device>> owned;
  std::vector<machine::Device*> devices;  // the registry: reset, saved and loaded in this order
  std::vector<bus::Claim> claims;
  Pic* pic = nullptr;
  Ioapic* ioapic = nullptr;
  Pit* pit = nullptr;
  Rtc* rtc = nullptr;
  I440fx* host_bridge = nullptr;
  PiixPm* pm = nullptr;
  I8042* i8042 = nullptr;
  std::unique_ptr<InputSink> input, virtio_input;
  Piix3Ide* ide = nullptr;
  Ahci* ahci = nullptr;  // where there are drives for it
  Vga* vga = nullptr;
  LegacyWindow legacy_window;
  mem::Mapping rom_mapping;
  virtio::Balloon* balloon = nullptr;
  virtio::Gpu* gpu = nullptr;
  unsigned free_slot = kFreeSlots;  // the next one
  unsigned virtio_mmio_count = 0;
  bool has_floppy = false;
  bool booted = false;

  template <class T, class... Args>
  T& add(Args&&... args) {
    auto made = std::make_unique<T>(std::forward<Args>(args)...);
    T& device = *made;
    devices.push_back(&device);
    owned.push_back(std::move(made));
    return device;
  }
  Result<void> claim(bus::Bus& bus, bus::IoRange range, bus::IoHandler& handler, std::string_view owner);
  // Ports of an 8-bit device.
  Result<void> claim(u64 start, u64 length, bus::IoHandler& handler, std::string_view owner) {
    return claim(machine->pio(), {start, length, 1}, handler, owner);
  }
  // INTA# of a slot.
  irq::LevelIrq pci_irq(unsigned slot) { return irq::LevelIrq(gsi[kPirqGsi + pci_line(slot, 0)]); }
  Result<void> place_rom();
  Result<void> add_flash();
  Result<void> add_firmware_configuration();
  Result<void> add_virtio();  // pc_virtio.cpp
  Result<void> add_virtio_input();
  Result<void> plug(std::unique_ptr<virtio::Model> model);
  Result<void> plug_mmio(std::unique_ptr<virtio::Model> model);
  Result<unsigned> take_slot();  // pc_network.cpp
  Result<void> add_boot_rom(PciDevice& adapter, const std::vector<u8>& rom);
  Result<void> add_e1000();
  Result<void> add_interrupts();
  Result<void> add_timers();
  Result<void> add_pci();
  Result<void> add_ide();  // this and the next two: pc_storage.cpp
  Result<void> add_ahci();
  Result<void> add_floppy();
  Result<void> add_vga();
  InputRouter::Usb add_usb();
  Result<void> add_isa();
  AcpiTables acpi_tables() const;
  Result<void> boot(machine::ResetKind kind);
  Result<cpu::CpuState> load_kernel();
};

}  // namespace tandem::devices
