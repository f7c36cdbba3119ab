// What a region's instructions name of the guest's registers.
#pragma once

#include <optional>

#include "core/isa/insn.h"
#include "jit/base/decoded.h"

namespace tandem::jit {

struct Usage {
  u16 written = 0;  // bit n: general-purpose register n
  bool flags_written = false;
  u32 vectors = 0;  // bit n: vector register n
  u32 vectors_written = 0;
  u32 masks = 0;  // bit n: opmask register n
  u32 masks_written = 0;
  bool mxcsr = false;
  bool x87 = false;            // x87 and MMX registers, as the host has them
  bool clears_upper = false;   // by VZEROUPPER
  unsigned vector_bytes = 16;  // of each that are used: 16, 32, 64
};

// widest_vector: bytes of the guest's vector registers.
void add_usage(Usage& usage, const Decoded& d, unsigned widest_vector);

// A register operand by the number of its register; nothing where it is of another class.
std::optional<u8> gpr_of(const ZydisDecodedOperand& o);
std::optional<u8> vector_of(const ZydisDecodedOperand& o);
// General-purpose registers, by bit, that a string instruction steps; Zydis 4.0 names not all as operands.
u16 stepped_registers(const Decoded& d);
// K0 in the place of a mask means none.
std::optional<u8> mask_of(const ZydisDecodedOperand& o);
// Some elements of its operands may be left out, also of one in memory.
bool is_masked(const Decoded& d);

}  // namespace tandem::jit
