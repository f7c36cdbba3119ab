#include "jit/base/rewrite.h"

namespace tandem::jit {

namespace {

bool high(u8 reg) { return reg != kNone && reg >= 8; }

// Segment overrides and the address size belong to the operand that is replaced.
bool is_kept(u8 prefix) { return prefix == 0x66 || prefix == 0xf0 || prefix == 0xf2 || prefix == 0xf3; }

void legacy(Assembler& a, const ZydisDecodedInstruction& insn, const Mem& m) {
  for (unsigned i = 0; i < insn.raw.prefix_count; ++i)
    if (is_kept(insn.raw.prefixes[i].value)) a.byte(insn.raw.prefixes[i].value);
  const bool had_rex = insn.attributes & ZYDIS_ATTRIB_HAS_REX;
  const u8 rex =
      static_cast<u8>(0x40 | (had_rex && insn.raw.rex.W ? 8 : 0) | (had_rex && insn.raw.rex.R ? 4 : 0) |
                      (high(m.index) ? 2 : 0) | (high(m.base) ? 1 : 0));
  if (had_rex || rex != 0x40) a.byte(rex);
  if (insn.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT) a.byte(0x0f);
  if (insn.opcode_map == ZYDIS_OPCODE_MAP_0F38) a.byte(0x38);
  if (insn.opcode_map == ZYDIS_OPCODE_MAP_0F3A) a.byte(0x3a);
}

// The bits X and B of VEX and EVEX are inverted.
u8 with_xb(u8 p0, const Mem& m) {
  return static_cast<u8>((p0 & ~0x60) | (high(m.index) ? 0 : 0x40) | (high(m.base) ? 0 : 0x20));
}

void vex(Assembler& a, std::span<const u8> bytes, const ZydisDecodedInstruction& insn, const Mem& m) {
  const u8* v = bytes.data() + insn.raw.vex.offset;
  const bool two = insn.raw.vex.size == 2;
  const u8 p0 = two ? static_cast<u8>((v[1] & 0x80) | 0x61) : v[1];
  const u8 p1 = two ? static_cast<u8>(v[1] & 0x7f) : v[2];
  a.bytes({0xc4, with_xb(p0, m), p1});
}

void evex(Assembler& a, std::span<const u8> bytes, const ZydisDecodedInstruction& insn, const Mem& m) {
  const u8* v = bytes.data() + insn.raw.evex.offset;
  // V' extends a vector index only, of which there is none now.
  a.bytes({0x62, with_xb(v[1], m), v[2], v[3]});
}

}  // namespace

void rewrite(Assembler& a, std::span<const u8> bytes, const ZydisDecodedInstruction& insn, const Mem& m) {
  if (m.gs) a.byte(0x65);
  switch (insn.encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_VEX: vex(a, bytes, insn, m); break;
    case ZYDIS_INSTRUCTION_ENCODING_EVEX: evex(a, bytes, insn, m); break;
    default: legacy(a, insn, m);
  }
  // MOV by an address without ModRM, to or from AL or EAX: the form with ModRM.
  const bool by_address = !(insn.attributes & ZYDIS_ATTRIB_HAS_MODRM);
  a.byte(by_address ? static_cast<u8>(0x88 | (insn.opcode & 1) | (insn.opcode & 2 ? 0 : 2)) : insn.opcode);
  const u32 modrm_at = a.size();
  a.operand(by_address ? 0 : insn.raw.modrm.reg, m);
  // EVEX scales an 8-bit displacement: use the wide one.
  if (insn.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX && a.code()[modrm_at] >> 6 == 1) {
    const i8 disp = static_cast<i8>(a.code().back());
    a.code().pop_back();
    a.code()[modrm_at] = static_cast<u8>((a.code()[modrm_at] & 0x3f) | 0x80);
    a.imm(static_cast<u32>(static_cast<i32>(disp)), 4);
  }
  for (const auto& i : insn.raw.imm)
    for (unsigned k = 0; k < i.size / 8; ++k) a.byte(bytes[i.offset + k]);
}

}  // namespace tandem::jit
