#include "jit/llvm/host_text.h"

#include <fmt/format.h>

#include "jit/llvm/usage.h"

namespace tandem::jit {

namespace {

bool is_plain_evex(const ZydisDecodedInstruction& i) {
  return !i.avx.broadcast.mode && i.avx.mask.reg == ZYDIS_REGISTER_K0 && !i.avx.has_sae &&
         !i.avx.rounding.mode;
}

bool tells_all(const ZydisDecodedInstruction& i) {
  if (i.meta.category == ZYDIS_CATEGORY_CONVERT) return false;
  switch (i.encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_LEGACY:
    case ZYDIS_INSTRUCTION_ENCODING_VEX: return true;
    case ZYDIS_INSTRUCTION_ENCODING_EVEX: return is_plain_evex(i);
    default: return false;
  }
}

// Nothing: neither a vector, nor in memory, nor a constant.
std::optional<std::string> operand_text(const ZydisDecodedOperand& o, std::string_view memory) {
  switch (o.type) {
    case ZYDIS_OPERAND_TYPE_MEMORY: return std::string(memory);
    case ZYDIS_OPERAND_TYPE_IMMEDIATE: return fmt::format("$${}", o.imm.value.u);
    default:
      if (!vector_of(o)) return {};
      return fmt::format("%{}", ZydisRegisterGetString(o.reg.value));
  }
}

}  // namespace

std::optional<std::string> vector_text(const Decoded& d, std::string_view memory) {
  if (!d.memory || d.memory->mem.type != ZYDIS_MEMOP_TYPE_MEM || !tells_all(d.insn)) return {};
  std::string text;
  bool has_vector = false;
  for (unsigned n = d.insn.operand_count_visible; n-- > 0;) {
    const ZydisDecodedOperand& o = d.operands[n];
    if (o.encoding == ZYDIS_OPERAND_ENCODING_MASK) continue;
    const auto operand = operand_text(o, memory);
    if (!operand) return {};
    has_vector |= o.type == ZYDIS_OPERAND_TYPE_REGISTER;
    text += fmt::format("{} {}", text.empty() ? "" : ",", *operand);
  }
  if (!has_vector) return {};
  return ZydisMnemonicGetString(d.insn.mnemonic) + text;
}

}  // namespace tandem::jit
