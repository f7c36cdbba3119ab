// From bytes to Insn, by Zydis and isa.def.
#pragma once

#include <span>

#include "core/cpu/cpu.h"
#include "core/isa/insn.h"

namespace tandem::isa {

enum class DecodeStatus : u8 {
  Ok,
  Truncated,  // more bytes are needed
};

// Decodes the instruction at bytes (at most 15 are looked at). What is not an instruction for this CPU model
// becomes Op::UNDEFINED or Op::TOO_LONG: such bytes are a guest's fault, not an error.
// offset: of the instruction from the start of its block, for RIP-relative operands.
DecodeStatus decode(const cpu::Cpu& cpu, std::span<const u8> bytes, u8 code_size, u16 offset, Insn& out);

}  // namespace tandem::isa
