// An instruction of a block as the translator sees it.
#pragma once

#include <Zydis/Zydis.h>

#include <span>

#include "core/base/types.h"
#include "core/isa/insn.h"

namespace tandem::jit {

struct Decoded {
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  std::span<const u8> bytes;
  const ZydisDecodedOperand* memory = nullptr;  // explicit memory operand
};

// bytes: of the instruction's block; d goes on to refer to them. d.insn.length is 0 where they are none.
// Operands behind the last one are left as they are.
void decode(const ZydisDecoder& decoder, const isa::Insn& insn, std::span<const u8> bytes, Decoded& d);

// How an instruction is translated.
enum class Form : u8 {
  Nothing,
  Copy,
  Memory,
  Lea,
  OffsetLea,  // of a 16-bit address, or in 16-bit code
  Push,
  PushFlags,
  Pop,
  Leave,
  Call,
  CallIndirect,
  Jump,
  JumpIndirect,
  Condition,
  Count,  // LOOP and JCXZ
  Return,
  SetFlag,  // CLI, and those of the direction
  Sti,
  ReadSegment,
  SwapGs,
  ReadTsc,
  // By accesses that look at their segment: see segmented_access.cpp.
  SegmentedMemory,
  SegmentedPush,
  SegmentedPushFlags,
  SegmentedPop,
  SegmentedPopMemory,
  PushAll,
  PopAll,
  PushSegment,
  StoreSegment,
  LoadSegment,     // outside of protected mode
  BitString,       // BT and its kin, with the bit's number in a register
  String,          // not repeated
  RepeatedString,  // MOVS, STOS
  Translate,       // XLAT
  Gather,          // and scatter, in a hosted address space
  SegmentedLeave,
  SegmentedCall,
  SegmentedCallIndirect,
  SegmentedJumpIndirect,
  SegmentedReturn,
  Execute,  // by the interpreter's function
};

}  // namespace tandem::jit
