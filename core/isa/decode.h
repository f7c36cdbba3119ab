// From bytes to Insn, by Zydis and isa.def.
#pragma once

#include <Zydis/Zydis.h>

#include <span>

#include "core/cpu/cpu.h"
#include "core/isa/insn.h"
#include "core/isa/shape.h"

namespace tandem::isa {

enum class DecodeStatus : u8 {
  Ok,
  Truncated,  // more bytes are needed
};

// For one vCPU; used by its thread only.
class Decoder {
 public:
  explicit Decoder(const cpu::CpuModel& model);

  // Decodes the instruction at bytes (at most 15 are looked at). What is not an instruction for this CPU
  // model becomes Op::UNDEFINED or Op::TOO_LONG: such bytes are a guest's fault, not an error. cpu: of that
  // model. offset: of the instruction from the start of its block, for RIP-relative operands.
  DecodeStatus decode(const cpu::Cpu& cpu, std::span<const u8> bytes, u8 code_size, u16 offset, Insn& out);

  // What semantics/host prepared is no more.
  void forget_host_code() { known_.clear(); }

 private:
  struct Known {
    Insn insn;   // but for displacement and immediate
    u8 imm = 0;  // bytes of the immediate
    bool imm_is_signed = false;
  };

  const ZydisDecoder& decoder_for(const cpu::Cpu& cpu, u8 code_size) const;
  bool copy_known(const Shape& shape, const u8* bytes, u16 offset, Insn& out) const;
  void learn(const Shape& shape, const ZydisDecodedInstruction& insn, const Insn& out);

  ZydisDecoder code64_, code32_, code16_, real_;
  ShapeCache<Known> known_;
};

}  // namespace tandem::isa
