// Random user-mode programs that both the host CPU and an engine can run.
#pragma once

#include <Zydis/Zydis.h>

#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "core/cpu/cpuid_models.h"
#include "tests/support/run_state.h"

namespace tandem::tests {

struct Decoded {
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};
bool decode64(std::span<const u8> bytes, Decoded& out);
std::string disassemble(std::span<const u8> bytes);

struct Program {
  std::vector<std::vector<u8>> insns;
  // Flags that the manual leaves undefined: [i] before instruction i, [size] at the end.
  std::vector<u32> undefined_flags;
  RunState start;

  std::vector<u8> code() const;
};

class Generator {
 public:
  // filter: only mnemonics that contain this text.
  Generator(const cpu::CpuModel& model, u64 seed, const std::string& filter);

  Program next();
  // One instruction of a mnemonic, with values only in what it reads.
  Program single(ZydisMnemonic mnemonic);
  const std::map<ZydisMnemonic, std::vector<std::vector<u8>>>& pool() const { return pool_; }

 private:
  u64 random(u64 below) { return random_() % below; }
  bool chance(unsigned percent) { return random(100) < percent; }
  std::vector<u8> random_bytes();
  bool allowed(const Decoded& d) const;
  std::vector<u8> vary(std::vector<u8> bytes, const Decoded& d, u64 at);
  void set_memory_form(std::vector<u8>& bytes, const Decoded& d, u64 at);
  bool append(Program& program, const std::vector<u8>& encoding);
  u64 interesting(unsigned bits);
  void fill_vector(u8* bytes, unsigned size);
  void fill_state(RunState& state);

  const cpu::CpuModel& model_;
  std::mt19937_64 random_;
  std::map<ZydisMnemonic, std::vector<std::vector<u8>>> pool_;
  std::vector<ZydisMnemonic> mnemonics_;
  std::vector<ZydisMnemonic> carry_;  // of which programs that hand on carries consist
};

}  // namespace tandem::tests
