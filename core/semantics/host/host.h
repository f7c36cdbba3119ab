// Instructions that the host CPU executes for the guest: x87, MMX, SSE, AVX, AVX-512.
#pragma once

#include <Zydis/Zydis.h>

#include <memory>
#include <span>

#include "core/base/result.h"
#include "core/cpu/cpu.h"
#include "core/isa/insn.h"

namespace tandem::semantics {

struct HostInsn;

class HostCode {
 public:
  static Result<std::unique_ptr<HostCode>> create();
  ~HostCode();
  // Prepares one instruction; immutable, lives as long as this object. Null: the host does not execute it.
  const HostInsn* prepare(std::span<const u8> bytes, const ZydisDecodedInstruction& insn,
                          const ZydisDecodedOperand* operands, u8 code_size);
};

cpu::Step run_host(cpu::Cpu& cpu, const isa::Insn& insn);

}  // namespace tandem::semantics
