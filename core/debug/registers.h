// Registers as GDB numbers and lays them out (GDB manual, G.5.9 "x86 Features"), over a CpuState.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cpu/cpu_state.h"

namespace tandem::debug {

enum class Arch : u8 { I8086, I386, X86_64 };

std::string_view name_of(Arch arch);
// What a CPU in this state is best looked at as; has_long_mode: where it has not chosen yet.
Arch arch_of(const cpu::CpuState& state, bool has_long_mode);

enum class RegisterKind : u8 {
  Gpr,
  Pc,  // the linear address of the next instruction
  Flags,
  Selector,
  X87,
  X87Control,  // fctrl, fstat, ftag, fiseg, fioff, foseg, fooff, fop
  Xmm,
  YmmHigh,
  Mxcsr,
  SegmentBase,
  KernelGsBase,
  Control,  // CR0, CR2, CR3, CR4, CR8 by number
  Efer,
};

struct Register {
  std::string name;
  RegisterKind kind;
  u8 index = 0;  // of its kind
  u16 bits = 64;
  std::string_view feature, type;
};

// All of an architecture; the place in the list is GDB's number.
const std::vector<Register>& registers(Arch arch);
// target.xml
std::string describe_target(Arch arch);

// Little-endian bytes of a register, bits / 8 of them.
std::string read_register(const cpu::CpuState& state, const Register& reg);
// CR8 is the local APIC's: it has to be taken from state.lapic.tpr. What can't be written keeps its value.
void write_register(cpu::CpuState& state, const Register& reg, std::string_view bytes);
// A register's value by name, for expressions: those of up to 64 bits.
std::optional<u64> value_by_name(const cpu::CpuState& state, std::string_view name);

}  // namespace tandem::debug
