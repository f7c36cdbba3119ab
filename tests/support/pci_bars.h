// Places the BARs of all PCI functions, as firmware would, and lets the functions answer there.
#pragma once

#include "core/base/bits.h"
#include "core/machine/machine.h"

namespace tandem::tests {

inline constexpr u64 kBarPorts = 0xc000, kBarPortsEnd = 0xe000, kBarMemory = 0xe0000000,
                     kBarMemoryEnd = 0xfc000000;

inline void place_bars(machine::Machine& machine) {
  const auto access = [&](bus::IoDir dir, u16 port, u64 value) {
    bus::IoAccess a{bus::BusKind::Pio, dir, 4, VcpuId{0}, port, 0, value};
    machine.io(a);
    return static_cast<u32>(a.value);
  };
  u64 ports = kBarPorts, memory = kBarMemory;
  for (u32 function = 0; function < 256; ++function) {
    const auto reg = [&](unsigned offset) { return 0x80000000 | function << 8 | offset; };
    const auto get = [&](unsigned offset) {
      access(bus::IoDir::Write, 0xcf8, reg(offset));
      return access(bus::IoDir::Read, 0xcfc, 0);
    };
    const auto set = [&](unsigned offset, u32 value) {
      access(bus::IoDir::Write, 0xcf8, reg(offset));
      access(bus::IoDir::Write, 0xcfc, value);
    };
    if (get(0) == ~u32{0}) continue;
    for (unsigned bar = 0x10; bar < 0x28; bar += 4) {
      set(bar, ~u32{0});
      const u32 mask = get(bar);
      if (mask == 0) continue;
      const bool io = mask & 1;
      const u64 size = u64{~(mask & (io ? ~3u : ~15u))} + 1;
      u64& next = io ? ports : memory;
      next = align_up(next, io ? size & 0xffff : size);
      set(bar, static_cast<u32>(next));
      next += io ? size & 0xffff : size;
      if (!io && (mask & 4)) set(bar += 4, 0);
    }
    set(4, 7);
  }
}

}  // namespace tandem::tests
