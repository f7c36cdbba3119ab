// Insn: one decoded guest instruction, compact enough to be kept by the million.
#pragma once

#include <array>
#include <cstddef>

#include "core/base/types.h"
#include "core/cpu/cpu_state.h"

namespace tandem::isa {

// What an instruction is to the engines: one name for each row of isa.def.
enum class Op : u16;

enum class OperandKind : u8 { None, Gpr, Mem, Imm, Segment, Control, Debug };

// A register is named by its byte offset from the start of CpuState, so that AH..BH, absent registers and RIP
// are all the same to the code that reads them.
constexpr u8 gpr_offset(unsigned index) { return static_cast<u8>(index * 8); }
constexpr u8 high_byte_offset(unsigned index) { return static_cast<u8>(index * 8 + 1); }  // index 0..3
inline constexpr u8 kRipOffset = offsetof(cpu::CpuState, rip);
inline constexpr u8 kZeroOffset = offsetof(cpu::CpuState, zero);

enum Prefix : u8 { kLock = 1, kRep = 2, kRepne = 4, kRexW = 8 };

// How the address of the memory operand is formed.
enum class AddressForm : u8 {
  None,
  Flat64,     // 64-bit address size, segment base 0
  Based64,    // 64-bit mode otherwise: FS or GS base, or a 32-bit address size
  Segmented,  // 16- and 32-bit modes: base and limit of any segment
};

struct Insn {
  // Set by the engine that holds the block; a function of that engine's handler type.
  const void* handler = nullptr;
  // Immediate, sign-extended as the instruction uses it; address of a moffs operand;
  // offset | selector << 32 of a far pointer; a branch's displacement; for ENTER the level in bits 16..23.
  u64 imm = 0;
  // For instructions that the host executes: what semantics/host prepared.
  const void* host = nullptr;
  i64 disp = 0;  // RIP-relative: already relative to the start of the block (rip there is the block's start)
  u8 base = kZeroOffset, index = kZeroOffset, scale_log2 = 0;
  u8 segment = cpu::kDs;
  AddressForm address_form = AddressForm::None;
  u8 address_size = 8;                   // bytes: 2, 4, 8
  u8 size = 4;                           // operand size in bytes: 1, 2, 4, 8
  u8 prefixes = 0;                       // Prefix bits
  std::array<OperandKind, 3> kind = {};  // in the order of the manual's operands
  std::array<u8, 3> reg = {};            // byte offset for Gpr, number for Segment, Control, Debug
  u8 length = 0;                         // bytes of the instruction
  u8 src_size = 0;                       // size in bytes of the second operand where it differs (MOVZX, ...)
  u16 offset = 0;                        // of its first byte from the start of the block
  Op op{};

  bool operator==(const Insn&) const = default;
};

}  // namespace tandem::isa
