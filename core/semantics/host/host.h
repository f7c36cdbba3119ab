// Instructions that the host CPU executes for the guest: x87, MMX, SSE, AVX, AVX-512.
#pragma once

#include <Zydis/Zydis.h>

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>

#include "core/base/result.h"
#include "core/cpu/cpu.h"
#include "core/isa/insn.h"
#include "core/semantics/host/code_arena.h"
#include "core/semantics/host/host_frame.h"
#include "core/semantics/host/host_insn.h"

namespace tandem::semantics {

// Belongs to one vCPU and is used by its thread only.
class HostCode {
 public:
  static Result<std::unique_ptr<HostCode>> create();

  // Prepares one instruction; immutable, lives until clear(). Null: the host does not execute it.
  const HostInsn* prepare(std::span<const u8> bytes, const ZydisDecodedInstruction& insn,
                          const ZydisDecodedOperand* operands, u8 code_size);

  // Too little room is left for another block: clear() is due.
  bool nearly_full() const;
  // Forgets all instructions; nobody may hold one any more.
  void clear();

  HostFrame& frame() { return *frame_; }
  // Runs a thunk; a signal that it raises ends it. Returns that signal's number, or 0.
  u32 call(Thunk thunk, u8* memory, cpu::CpuState& state);

 private:
  explicit HostCode(std::unique_ptr<CodeArena> arena);
  const HostInsn* remember(std::string key, HostInsn insn);

  std::unique_ptr<CodeArena> arena_;
  u64 first_thunk_ = 0;  // in the arena, behind what all thunks share
  std::unique_ptr<HostFrame> frame_ = std::make_unique<HostFrame>();
  std::deque<HostInsn> insns_;
  std::unordered_map<std::string, const HostInsn*> by_code_;
};

cpu::Step run_host(cpu::Cpu& cpu, const isa::Insn& insn);

}  // namespace tandem::semantics
