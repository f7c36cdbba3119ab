// The instruction that a CPU state is about to execute.
#pragma once

#include <Zydis/Zydis.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/cpu/cpu.h"
#include "core/cpu/cpuid_models.h"

namespace tandem::states {

// Reads from guest memory by a CPU of its own, which sets no more accessed bits in page tables than the
// instruction's fetch is about to set.
class CodeReader {
 public:
  CodeReader(mem::GuestMemory& memory, const cpu::CpuModel& model);  // both outlive it

  // The bytes at rip, fewer where they are not in RAM.
  std::vector<u8> read(const cpu::CpuState& state);

 private:
  std::unique_ptr<cpu::Cpu> walker_;
};

// Nothing: the bytes are no instruction.
std::optional<ZydisDecodedInstruction> decode(const cpu::CpuState& state, std::span<const u8> bytes);
// Linear address, bytes, text.
std::string disassemble(const cpu::CpuState& state, std::span<const u8> bytes);

}  // namespace tandem::states
