// Where everything is on the PC board: guest physical addresses, ports, interrupt lines.
#pragma once

#include <vector>

#include "core/base/types.h"
#include "core/machine/boot/memory_range.h"
#include "core/mem/guest_memory.h"

namespace tandem::devices {

using machine::MemoryKind;
using machine::MemoryRange;

inline constexpr u64 kLowRamEnd = 0x9fc00;   // EBDA and above belong to the firmware
inline constexpr u64 kAcpiTables = 0xe0000;  // RSDP first; up to 1 MiB
inline constexpr u64 kAcpiTablesEnd = 0x100000;
inline constexpr u64 kPciHoleStart = 0xc0000000, kPciHoleEnd = 0xfec00000;
// Where firmware starts to place PCI memory: as SeaBIOS does, by how much RAM there is.
inline u64 pci_hole_start(const mem::GuestMemory& memory) {
  return memory.low_size() <= 2 * GiB ? 2 * GiB : kPciHoleStart;
}
inline constexpr u64 kIoapicBase = 0xfec00000;
inline constexpr u64 kHpetBase = 0xfed00000;
inline constexpr u64 kLapicBase = 0xfee00000;

inline constexpr u16 kPmBase = 0x600;
inline constexpr u16 kRtcPorts = 0x70, kResetControlPort = 0xcf9, kPvpanicPort = 0x505, kFwCfgPort = 0x510,
                     kFwCfgDmaPort = 0x514, kDebugconPorts[2] = {0xe9, 0x402};
inline constexpr u16 kFloppyPorts = 0x3f0, kFloppyInputPort = 0x3f7;
inline constexpr unsigned kFloppyDma = 2;
inline constexpr u16 kSerialPorts[4] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
inline constexpr u16 kIdeCommandPorts[2] = {0x1f0, 0x170}, kIdeControlPorts[2] = {0x3f6, 0x376};
inline constexpr unsigned kIdeIrqs[2] = {14, 15};
inline constexpr unsigned kSerialIrqs[4] = {4, 3, 4, 3};
inline constexpr unsigned kKeyboardIrq = 1, kFloppyIrq = 6, kRtcIrq = 8, kSciIrq = 9, kMouseIrq = 12;
inline constexpr u64 kVgaWindow = 0xa0000, kVgaWindowSize = 0x20000;
inline constexpr unsigned kVgaSlot = 2, kAhciSlot = 3, kXhciSlot = 4;
// For virtio devices and network adapters: as many as there are, each in a slot of its own. Virtio devices
// without PCI are one behind the other, with the I/O APIC pins that nothing else has in turn.
inline constexpr unsigned kFreeSlots = 8, kLastSlot = 31;
inline constexpr u64 kVirtioMmio = 0xfed80000, kVirtioMmioStep = 0x200;
inline constexpr unsigned kVirtioMmioGsi = 20, kVirtioMmioGsis = 4, kMaxVirtioMmio = 32;
constexpr unsigned virtio_mmio_gsi(unsigned number) { return kVirtioMmioGsi + number % kVirtioMmioGsis; }
// I/O APIC pin of PIRQA#; the next three follow.
inline constexpr unsigned kPirqGsi = 16;
// The PIRQ line (0..3) that INTA# + pin of a slot is wired to.
constexpr unsigned pci_line(unsigned slot, unsigned pin) { return (slot + 3 + pin) & 3; }

// The map that firmware would give (INT 15h, E820), sorted.
std::vector<MemoryRange> memory_map(const mem::GuestMemory& memory);

}  // namespace tandem::devices
