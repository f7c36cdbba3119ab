#include "jit/base/assembler.h"

namespace tandem::jit {

namespace {
bool fits_byte(i32 v) { return v >= -128 && v <= 127; }
bool high(u8 reg) { return reg != kNone && reg >= 8; }
}  // namespace

void Assembler::pad_front(u32 padding) {
  std::memmove(buffer_.data() + padding, buffer_.data(), size_);
  std::memset(buffer_.data(), 0xcc, padding);
  advance(padding);
}

void Assembler::operand(unsigned reg, const Mem& m, bool short_disp) {
  const u8 r = static_cast<u8>((reg & 7) << 3);
  const u8 index = m.index == kNone ? 4 : m.index & 7;
  u8* const first = here();
  u8* to = first;
  unsigned disp = 4;
  if (m.base == kNone) {  // absolute, or index alone: SIB without base
    *to++ = static_cast<u8>(r | 4);
    *to++ = static_cast<u8>(m.scale_log2 << 6 | index << 3 | 5);
  } else {
    const u8 base = m.base & 7;
    const bool sib = m.index != kNone || base == kSp;
    u8 mod = 0x80;
    if (m.disp == 0 && base != kBp) mod = 0, disp = 0;
    else if (short_disp && fits_byte(m.disp)) mod = 0x40, disp = 1;
    *to++ = static_cast<u8>(mod | r | (sib ? 4 : base));
    if (sib) *to++ = static_cast<u8>(m.scale_log2 << 6 | index << 3 | base);
  }
  store_le<u32>(to, static_cast<u32>(m.disp));
  advance(static_cast<std::size_t>(to - first) + disp);
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

void Assembler::movsxd(u8 to, u8 from) {
  byte(static_cast<u8>(0x48 | (to >= 8 ? 4 : 0) | (from >= 8 ? 1 : 0)));
  bytes({0x63, static_cast<u8>(0xc0 | (to & 7) << 3 | (from & 7))});
}

void Assembler::movzx16(u8 to, u8 from) {
  byte(static_cast<u8>(0x40 | (to >= 8 ? 4 : 0) | (from >= 8 ? 1 : 0)));
  bytes({0x0f, 0xb7, static_cast<u8>(0xc0 | (to & 7) << 3 | (from & 7))});
}

void Assembler::movzx16(u8 to, const Mem& m) {
  rex(false, to, m);
  bytes({0x0f, 0xb7});
  operand(to, m);
}

// AL to BL, and R8B to R15B.
void Assembler::movzx8(u8 to, u8 from) {
  byte(static_cast<u8>(0x40 | (to >= 8 ? 4 : 0) | (from >= 8 ? 1 : 0)));
  bytes({0x0f, 0xb6, static_cast<u8>(0xc0 | (to & 7) << 3 | (from & 7))});
}

void Assembler::part(u8 opcode, u8 reg, const Mem& m, unsigned size) {
  if (size == 2) half();
  with_memory(size == 8, static_cast<u8>(opcode | (size != 1)), reg, m);
}

void Assembler::test_byte(const Mem& m, u8 bits) {
  with_memory(false, 0xf6, 0, m);
  byte(bits);
}

// VMOVDQU, VEX.256.F3.0F, by an address that names no register beyond the eighth.
void Assembler::store_ymm(const Mem& m, u8 reg) {
  bytes({0xc5, static_cast<u8>((reg & 8 ? 0 : 0x80) | 0x7e), 0x7f});
  operand(reg, m);
}

// VMOVDQU64, EVEX.512.F3.0F.W1; the same.
void Assembler::store_zmm(const Mem& m, u8 reg) {
  bytes({0x62, static_cast<u8>((reg & 8 ? 0 : 0x80) | 0x60 | (reg & 16 ? 0 : 0x10) | 1), 0xfe, 0x48, 0x7f});
  operand(reg, m, false);
}

void Assembler::store16_imm(const Mem& m, u16 value) {
  half();
  with_memory(false, 0xc7, 0, m);
  imm(value, 2);
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

void Assembler::sar(u8 reg, u8 count) {
  byte(static_cast<u8>(0x48 | (reg >= 8 ? 1 : 0)));
  bytes({0xc1, static_cast<u8>(0xf8 | (reg & 7)), count});
}

void Assembler::shl(u8 reg, u8 count) {
  byte(static_cast<u8>(0x48 | (reg >= 8 ? 1 : 0)));
  bytes({0xc1, static_cast<u8>(0xe0 | (reg & 7)), count});
}

void Assembler::rorx(u8 to, u8 from, u8 count) {
  bytes({0xc4, static_cast<u8>((to >= 8 ? 0 : 0x80) | 0x40 | (from >= 8 ? 0 : 0x20) | 3), 0x7b, 0xf0,
         static_cast<u8>(0xc0 | (to & 7) << 3 | (from & 7)), count});
}

ShortHole Assembler::jump_if_no_count(bool wide) {
  if (!wide) byte(0x67);
  bytes({0xe3, 0});
  return {size() - 1};
}

void Assembler::jump_reg(u8 reg) {
  if (reg >= 8) byte(0x41);
  bytes({0xff, static_cast<u8>(0xe0 | (reg & 7))});
}

}  // namespace tandem::jit
