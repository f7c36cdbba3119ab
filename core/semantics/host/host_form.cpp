#include "core/semantics/host/host_form.h"

namespace tandem::semantics {

namespace {

enum class Rm : u8 { Vector, General, Memory };

struct Form {
  Rm rm = Rm::Vector;
  bool general_reg = false;  // ModRM.reg names a general register
};

class Writer {
 public:
  Writer(std::span<const u8> bytes, const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands,
         bool long_mode)
      : bytes_(bytes), insn_(insn), operands_(operands), long_mode_(long_mode) {
    const auto* rm = operand_encoded_by(insn, operands, ZYDIS_OPERAND_ENCODING_MODRM_RM);
    const auto* reg = operand_encoded_by(insn, operands, ZYDIS_OPERAND_ENCODING_MODRM_REG);
    if (rm && rm->type == ZYDIS_OPERAND_TYPE_MEMORY) form_.rm = Rm::Memory;
    else if (rm && is_general_register(*rm)) form_.rm = Rm::General;
    form_.general_reg = reg && is_general_register(*reg);
  }

  std::vector<u8> write() {
    switch (insn_.encoding) {
      case ZYDIS_INSTRUCTION_ENCODING_VEX: vex(); break;
      case ZYDIS_INSTRUCTION_ENCODING_EVEX: evex(); break;
      default: legacy();
    }
    out_.push_back(insn_.opcode);
    if (insn_.attributes & ZYDIS_ATTRIB_HAS_MODRM) modrm();
    immediates();
    return std::move(out_);
  }

 private:
  bool general() const { return form_.general_reg || form_.rm == Rm::General; }

  void legacy() {
    for (unsigned i = 0; i < insn_.raw.prefix_count; ++i)
      if (insn_.raw.prefixes[i].type == ZYDIS_PREFIX_TYPE_MANDATORY)
        out_.push_back(insn_.raw.prefixes[i].value);
    if (insn_.attributes & ZYDIS_ATTRIB_HAS_REX) {
      u8 rex = 0x40;
      if (insn_.raw.rex.W) rex |= 8;
      if (insn_.raw.rex.R && !form_.general_reg) rex |= 4;
      if (insn_.raw.rex.B && form_.rm == Rm::Vector) rex |= 1;
      if (rex != 0x40) out_.push_back(rex);
    }
    if (insn_.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT) out_.push_back(0x0f);
    if (insn_.opcode_map == ZYDIS_OPCODE_MAP_0F38) out_.push_back(0x38);
    if (insn_.opcode_map == ZYDIS_OPCODE_MAP_0F3A) out_.push_back(0x3a);
  }

  // Outside 64-bit mode the bits for registers above 7 and VEX.W of general registers have no meaning.
  void vex() {
    const u8* at = bytes_.data() + insn_.raw.vex.offset;
    const bool two_bytes = insn_.raw.vex.size == 2;
    u8 p0 = two_bytes ? static_cast<u8>((at[1] & 0x80) | 0x61) : at[1];
    u8 p1 = two_bytes ? static_cast<u8>(at[1] & 0x7f) : at[2];
    if (form_.rm != Rm::Vector) p0 |= 0x60;
    if (form_.general_reg) p0 |= 0x80;
    if (!long_mode_) {
      p0 |= 0xe0;
      p1 |= 0x40;
      if (general()) p1 &= 0x7f;
    }
    out_.insert(out_.end(), {0xc4, p0, p1});
  }

  void evex() {
    const u8* at = bytes_.data() + insn_.raw.evex.offset;
    u8 p0 = at[1], p1 = at[2], p2 = at[3];
    if (form_.rm != Rm::Vector) p0 |= 0x60;
    if (form_.general_reg) p0 |= 0x90;
    if (!long_mode_) {
      p0 |= 0xf0;
      p1 |= 0x40;
      p2 |= 0x08;
      if (general()) p1 &= 0x7f;
    }
    out_.insert(out_.end(), {0x62, p0, p1, p2});
  }

  void modrm() {
    constexpr u8 kRdi = 7;
    const u8 reg = form_.general_reg ? 0 : insn_.raw.modrm.reg;
    switch (form_.rm) {
      case Rm::Memory: out_.push_back(static_cast<u8>(reg << 3 | kRdi)); break;
      case Rm::General: out_.push_back(static_cast<u8>(0xc0 | reg << 3)); break;
      case Rm::Vector: out_.push_back(static_cast<u8>(0xc0 | reg << 3 | insn_.raw.modrm.rm)); break;
    }
  }

  void immediates() {
    for (const auto& imm : insn_.raw.imm)
      for (unsigned i = 0; i < imm.size / 8; ++i) out_.push_back(bytes_[imm.offset + i]);
    if (!long_mode_ && operand_encoded_by(insn_, operands_, ZYDIS_OPERAND_ENCODING_IS4)) out_.back() &= 0x7f;
  }

  std::span<const u8> bytes_;
  const ZydisDecodedInstruction& insn_;
  const ZydisDecodedOperand* operands_;
  bool long_mode_;
  Form form_;
  std::vector<u8> out_;
};

}  // namespace

std::vector<u8> host_form(std::span<const u8> bytes, const ZydisDecodedInstruction& insn,
                          const ZydisDecodedOperand* operands, bool long_mode) {
  return Writer(bytes, insn, operands, long_mode).write();
}

const ZydisDecodedOperand* operand_encoded_by(const ZydisDecodedInstruction& insn,
                                              const ZydisDecodedOperand* operands,
                                              ZydisOperandEncoding encoding) {
  for (unsigned i = 0; i < insn.operand_count; ++i)
    if (operands[i].encoding == encoding) return &operands[i];
  return nullptr;
}

bool is_general_register(const ZydisDecodedOperand& operand) {
  if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) return false;
  switch (ZydisRegisterGetClass(operand.reg.value)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64: return true;
    default: return false;
  }
}

}  // namespace tandem::semantics
