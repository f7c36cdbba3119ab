#include "jit/base/assembler.h"

namespace tandem::jit {

namespace {
bool fits_byte(i32 v) { return v >= -128 && v <= 127; }
bool high(u8 reg) { return reg != kNone && reg >= 8; }
}  // namespace

void Assembler::operand(unsigned reg, const Mem& m) {
  const u8 r = static_cast<u8>((reg & 7) << 3);
  if (m.base == kNone) {  // absolute, or index alone: SIB without base
    const u8 index = m.index == kNone ? 4 : m.index & 7;
    bytes({static_cast<u8>(r | 4), static_cast<u8>(m.scale_log2 << 6 | index << 3 | 5)});
    imm(static_cast<u32>(m.disp), 4);
    return;
  }
  const bool sib = m.index != kNone || (m.base & 7) == kSp;
  const u8 mod = m.disp == 0 && (m.base & 7) != kBp ? 0 : fits_byte(m.disp) ? 0x40 : 0x80;
  byte(static_cast<u8>(mod | r | (sib ? 4 : m.base & 7)));
  if (sib) {
    const u8 index = m.index == kNone ? 4 : m.index & 7;
    byte(static_cast<u8>(m.scale_log2 << 6 | index << 3 | (m.base & 7)));
  }
  if (mod == 0x40) imm(static_cast<u8>(m.disp), 1);
  if (mod == 0x80) imm(static_cast<u32>(m.disp), 4);
}

void Assembler::rex(bool wide, unsigned reg, const Mem& m) {
  const u8 r = static_cast<u8>(0x40 | (wide ? 8 : 0) | (reg >= 8 ? 4 : 0) | (high(m.index) ? 2 : 0) |
                               (high(m.base) ? 1 : 0));
  if (r != 0x40) byte(r);
}

void Assembler::with_memory(bool wide, u8 opcode, unsigned reg, const Mem& m) {
  if (m.gs) byte(0x65);
  rex(wide, reg, m);
  byte(opcode);
  operand(reg, m);
}

void Assembler::store_imm(const Mem& m, i32 value, bool wide) {
  with_memory(wide, 0xc7, 0, m);
  imm(static_cast<u32>(value), 4);
}

void Assembler::lea(u8 reg, const Mem& m, bool wide) { with_memory(wide, 0x8d, reg, m); }

void Assembler::mov(u8 to, u8 from, bool wide) {
  const u8 r = static_cast<u8>(0x40 | (wide ? 8 : 0) | (from >= 8 ? 4 : 0) | (to >= 8 ? 1 : 0));
  if (r != 0x40) byte(r);
  bytes({0x89, static_cast<u8>(0xc0 | (from & 7) << 3 | (to & 7))});
}

void Assembler::movzx16(u8 to, u8 from) {
  byte(static_cast<u8>(0x40 | (to >= 8 ? 4 : 0) | (from >= 8 ? 1 : 0)));
  bytes({0x0f, 0xb7, static_cast<u8>(0xc0 | (to & 7) << 3 | (from & 7))});
}

Hole Assembler::lea_rip(u8 reg) {
  bytes({static_cast<u8>(0x48 | (reg >= 8 ? 4 : 0)), 0x8d, static_cast<u8>((reg & 7) << 3 | 5)});
  return hole();
}

void Assembler::alu(Alu op, u8 reg, u8 other) {
  bytes({static_cast<u8>(0x48 | (other >= 8 ? 4 : 0) | (reg >= 8 ? 1 : 0)),
         static_cast<u8>(static_cast<u8>(op) << 3 | 1),
         static_cast<u8>(0xc0 | (other & 7) << 3 | (reg & 7))});
}

void Assembler::mov_imm(u8 reg, u64 value) {
  const u8 b = reg >= 8 ? 1 : 0, low = reg & 7;
  if (value <= 0xffffffff) {
    if (b) byte(0x41);
    byte(static_cast<u8>(0xb8 | low));
    imm(value, 4);
  } else if (static_cast<u64>(static_cast<i64>(static_cast<i32>(value))) == value) {
    bytes({static_cast<u8>(0x48 | b), 0xc7, static_cast<u8>(0xc0 | low)});
    imm(value, 4);
  } else {
    bytes({static_cast<u8>(0x48 | b), static_cast<u8>(0xb8 | low)});
    imm(value, 8);
  }
}

void Assembler::alu_imm(Alu op, u8 reg, i32 value, bool wide) {
  const u8 r = static_cast<u8>(0x40 | (wide ? 8 : 0) | (reg >= 8 ? 1 : 0));
  if (r != 0x40) byte(r);
  bytes({static_cast<u8>(fits_byte(value) ? 0x83 : 0x81),
         static_cast<u8>(0xc0 | static_cast<u8>(op) << 3 | (reg & 7))});
  imm(static_cast<u32>(value), fits_byte(value) ? 1 : 4);
}

void Assembler::alu_imm(Alu op, const Mem& m, i32 value, bool wide) {
  with_memory(wide, fits_byte(value) ? 0x83 : 0x81, static_cast<u8>(op), m);
  imm(static_cast<u32>(value), fits_byte(value) ? 1 : 4);
}

void Assembler::shr(u8 reg, u8 count, bool wide) {
  const u8 r = static_cast<u8>(0x40 | (wide ? 8 : 0) | (reg >= 8 ? 1 : 0));
  if (r != 0x40) byte(r);
  bytes({0xc1, static_cast<u8>(0xe8 | (reg & 7)), count});
}

void Assembler::shl(u8 reg, u8 count) {
  byte(static_cast<u8>(0x48 | (reg >= 8 ? 1 : 0)));
  bytes({0xc1, static_cast<u8>(0xe0 | (reg & 7)), count});
}

void Assembler::rorx(u8 to, u8 from, u8 count) {
  bytes({0xc4, static_cast<u8>((to >= 8 ? 0 : 0x80) | 0x40 | (from >= 8 ? 0 : 0x20) | 3), 0x7b, 0xf0,
         static_cast<u8>(0xc0 | (to & 7) << 3 | (from & 7)), count});
}

void Assembler::jump_reg(u8 reg) {
  if (reg >= 8) byte(0x41);
  bytes({0xff, static_cast<u8>(0xe0 | (reg & 7))});
}

}  // namespace tandem::jit
