#include "jit/base/rewrite.h"

namespace tandem::jit {

namespace {

bool high(u8 reg) { return reg != kNone && reg >= 8; }

// Segment overrides and the address size belong to the operand that is replaced.
bool is_kept(u8 prefix) { return prefix == 0x66 || prefix == 0xf0 || prefix == 0xf2 || prefix == 0xf3; }

void prefixes(Assembler& a, std::span<const u8> bytes, const Encoding& insn, OperandPrefix operand) {
  if (operand == OperandPrefix::Added) a.byte(0x66);
  for (const u8 prefix : bytes.first(insn.prefix_count))
    if (is_kept(prefix) && !(prefix == 0x66 && operand == OperandPrefix::Dropped)) a.byte(prefix);
}

void legacy(Assembler& a, std::span<const u8> bytes, const Encoding& insn, const Mem& m,
            OperandPrefix operand) {
  prefixes(a, bytes, insn, operand);
  const u8 rex = static_cast<u8>(0x40 | (insn.rex & 0x0c) | (high(m.index) ? 2 : 0) | (high(m.base) ? 1 : 0));
  if (insn.rex || rex != 0x40) a.byte(rex);
  if (insn.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT) a.byte(0x0f);
  if (insn.opcode_map == ZYDIS_OPCODE_MAP_0F38) a.byte(0x38);
  if (insn.opcode_map == ZYDIS_OPCODE_MAP_0F3A) a.byte(0x3a);
}

// The bits X and B of VEX and EVEX are inverted.
u8 with_xb(u8 p0, const Mem& m) {
  return static_cast<u8>((p0 & ~0x60) | (high(m.index) ? 0 : 0x40) | (high(m.base) ? 0 : 0x20));
}

void vex(Assembler& a, std::span<const u8> bytes, const Encoding& insn, const Mem& m) {
  const u8* v = bytes.data() + insn.vex_at;
  const bool two = v[0] == 0xc5;
  const u8 p0 = two ? static_cast<u8>((v[1] & 0x80) | 0x61) : v[1];
  const u8 p1 = two ? static_cast<u8>(v[1] & 0x7f) : v[2];
  a.bytes({0xc4, with_xb(p0, m), p1});
}

void evex(Assembler& a, std::span<const u8> bytes, const Encoding& insn, const Mem& m) {
  const u8* v = bytes.data() + insn.vex_at;
  // V' extends a vector index only, of which there is none now.
  a.bytes({0x62, with_xb(v[1], m), v[2], v[3]});
}

}  // namespace

void copy_as_is(Assembler& a, const Encoded& d) {
  if (d.operand_prefix == OperandPrefix::Kept) return a.bytes(d.bytes);
  prefixes(a, d.bytes, d.insn, d.operand_prefix);
  a.bytes(d.bytes.subspan(d.insn.prefix_count));
}

void rewrite(Assembler& a, std::span<const u8> bytes, const Encoding& insn, const Mem& m,
             OperandPrefix operand) {
  if (m.gs) a.byte(0x65);
  switch (insn.encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_VEX: vex(a, bytes, insn, m); break;
    case ZYDIS_INSTRUCTION_ENCODING_EVEX: evex(a, bytes, insn, m); break;
    default: legacy(a, bytes, insn, m, operand);
  }
  // MOV by an address without ModRM, to or from AL or EAX: the form with ModRM.
  const bool by_address = !insn.has_modrm;
  a.byte(by_address ? static_cast<u8>(0x88 | (insn.opcode & 1) | (insn.opcode & 2 ? 0 : 2)) : insn.opcode);
  // EVEX scales an 8-bit displacement: use the wide one.
  a.operand(by_address ? 0 : insn.modrm >> 3 & 7, m, insn.encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX);
  a.bytes(bytes.subspan(insn.imm_at, insn.length - insn.imm_at));
}

}  // namespace tandem::jit
