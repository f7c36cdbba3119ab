// A guest's addresses as a debugger sees them: nothing faults, nothing is marked as accessed.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "core/cpu/cpu_state.h"
#include "core/mem/guest_memory.h"

namespace tandem::debug {

struct MappedPage {
  u64 linear = 0, physical = 0, size = 0;  // bytes
  bool writable = false, user = false, executable = true, global = false, accessed = false, dirty = false;
};

// The page that holds a linear address; nothing where it is not mapped.
std::optional<MappedPage> find_page(const cpu::CpuState& state, const mem::GuestMemory& memory, u64 linear);
// All pages of the present address space in their order, until `visit` returns false.
void for_each_page(const cpu::CpuState& state, const mem::GuestMemory& memory,
                   const std::function<bool(const MappedPage&)>& visit);

// The linear address of the next instruction, and back to RIP.
u64 linear_pc(const cpu::CpuState& state);
u64 rip_of_linear(const cpu::CpuState& state, u64 linear);

// Guest memory by linear or physical address; the number of bytes that could be had from the first on. ROM
// can be written.
class Memory {
 public:
  Memory(const cpu::CpuState& state, mem::GuestMemory& memory, bool physical)
      : state_(state), memory_(memory), physical_(physical) {}
  std::size_t read(u64 address, std::span<u8> to) const;
  std::size_t write(u64 address, std::span<const u8> from) const;

 private:
  std::optional<Gpa> find(u64 address) const;

  const cpu::CpuState& state_;
  mem::GuestMemory& memory_;
  bool physical_;
};

}  // namespace tandem::debug
