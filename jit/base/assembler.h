// Writes host instructions into a buffer. Registers by number: 0 RAX .. 15 R15.
#pragma once

#include <cstring>
#include <span>
#include <vector>

#include "core/base/bits.h"
#include "core/base/types.h"

namespace tandem::jit {

enum HostReg : u8 {
  kAx,
  kCx,
  kDx,
  kBx,
  kSp,
  kBp,
  kSi,
  kDi,
  k8,
  k9,
  k10,
  k11,
  k12,
  k13,
  k14,
  k15,
  kNone = 0xff
};

// The guest's registers of these names stay in CpuState; the host's are free for addresses. They are those
// that compilers take last: Clang R13, GCC R15.
inline constexpr HostReg kT0 = k13, kT1 = k15;

// A memory operand: [base + index << scale + disp], in the GS segment where gs is set. Without registers it
// is the address disp, which is below 2 GiB.
struct Mem {
  u8 base = kNone, index = kNone, scale_log2 = 0;
  i32 disp = 0;
  bool gs = false;
};

inline Mem at(u8 base, i32 disp = 0) { return {base, kNone, 0, disp, false}; }
inline Mem at_address(i32 address) { return {kNone, kNone, 0, address, false}; }

// Second operand of the eight classic operations by their opcode extension.
enum class Alu : u8 { Add, Or, Adc, Sbb, And, Sub, Xor, Cmp };
// Condition codes of Jcc that are used.
enum class Cc : u8 { B = 2, Z = 4, Nz = 5, A = 7, S = 8 };

// Place of a 32-bit field that holds a distance to be filled in.
struct Hole {
  u32 at = 0;
};
// The same of 8 bits.
struct ShortHole {
  u32 at = 0;
};

class Assembler {
 public:
  u32 size() const { return size_; }
  std::span<u8> code() { return {buffer_.data(), size_}; }
  void clear() { size_ = 0; }
  // Moves what there is, with so many bytes of INT3 before it: fewer than kRoom.
  void pad_front(u32 padding);

  void byte(u8 b) {
    *here() = b;
    advance(1);
  }
  // Of one instruction.
  void bytes(std::span<const u8> b) {
    std::memcpy(here(), b.data(), b.size());
    advance(b.size());
  }
  void bytes(std::initializer_list<u8> b) {
    std::memcpy(here(), b.begin(), b.size());
    advance(b.size());
  }
  void imm(u64 v, unsigned size) {
    store_le<u64>(here(), v);
    advance(size);
  }

  // ModRM, SIB and displacement behind an opcode. short_disp: as one byte, where that is enough.
  void operand(unsigned reg, const Mem& m, bool short_disp = true);
  // REX for a 64-bit (wide) or 32-bit operation with a memory operand; nothing where none is needed.
  void rex(bool wide, unsigned reg, const Mem& m);

  void load(u8 reg, const Mem& m, bool wide = true) { with_memory(wide, 0x8b, reg, m); }
  void store(const Mem& m, u8 reg, bool wide = true) { with_memory(wide, 0x89, reg, m); }
  void store_imm(const Mem& m, i32 value, bool wide = true);
  void lea(u8 reg, const Mem& m, bool wide = true);
  void mov(u8 to, u8 from, bool wide = true);
  void movzx16(u8 to, u8 from);
  // 16-bit operations, which leave the rest of a register as it is, but for the load.
  void movzx16(u8 to, const Mem& m);
  void store16_imm(const Mem& m, u16 value);
  void mov16(u8 to, u8 from) { half(), mov(to, from, false); }
  void lea16(u8 reg, const Mem& m) { half(), lea(reg, m, false); }
  void movzx8(u8 to, u8 from);
  // Of 1, 2, 4 or 8 bytes; of a register, its lower part: not one that is a high byte without REX. What a
  // load of one or two bytes leaves of a register stays.
  void load_part(u8 reg, const Mem& m, unsigned size) { part(0x8a, reg, m, size); }
  void store_part(const Mem& m, u8 reg, unsigned size) { part(0x88, reg, m, size); }
  void compare_part(u8 reg, const Mem& m, unsigned size) { part(0x3a, reg, m, size); }
  void movsxd(u8 to, u8 from);
  void load_signed32(u8 reg, const Mem& m) { with_memory(true, 0x63, reg, m); }  // to 64 bits
  void test_byte(const Mem& m, u8 bits);                                         // flags of what they are
  void store_ymm(const Mem& m, u8 reg);                                          // registers 0 to 15
  void store_zmm(const Mem& m, u8 reg);
  Hole lea_rip(u8 reg);             // the address of a place to be filled in
  void mov_imm(u8 reg, u64 value);  // the shortest that leaves flags alone
  void alu(Alu op, u8 reg, const Mem& m, bool wide = true) {
    with_memory(wide, static_cast<u8>(static_cast<u8>(op) << 3 | 3), reg, m);
  }
  void alu(Alu op, u8 reg, u8 other);
  void alu_imm(Alu op, u8 reg, i32 value, bool wide = true);
  void alu_imm(Alu op, const Mem& m, i32 value, bool wide = true);
  void shr(u8 reg, u8 count, bool wide);
  void shl(u8 reg, u8 count);           // 64 bits
  void sar(u8 reg, u8 count);           // 64 bits
  void rorx(u8 to, u8 from, u8 count);  // 32 bits, BMI2, flags stay

  // Guest flags in the host's -> AX as LAHF and SETO give them, and back. Clobber RAX.
  void flags_to_ax() { bytes({0x9f, 0x0f, 0x90, 0xc0}); }  // LAHF; SETO AL
  void flags_from_ax() { bytes({0x04, 0x7f, 0x9e}); }      // ADD AL, 127; SAHF

  Hole jump() {
    byte(0xe9);
    return hole();
  }
  Hole jump(Cc cc) {
    bytes({0x0f, static_cast<u8>(0x80 | static_cast<u8>(cc))});
    return hole();
  }
  ShortHole jump_if_no_count(bool wide);  // JRCXZ or JECXZ, which leave flags alone
  void jump(const Mem& m) { with_memory(false, 0xff, 4, m); }
  void call(const Mem& m) { with_memory(false, 0xff, 2, m); }
  void jump_reg(u8 reg);
  // The distance to here / to the place at.
  void fill(Hole h) { fill(h, size()); }
  void fill(ShortHole h) { buffer_[h.at] = static_cast<u8>(size() - (h.at + 1)); }
  void fill(Hole h, u32 to) { store_le<u32>(buffer_.data() + h.at, to - (h.at + 4)); }

  Hole hole() {
    const Hole h{size()};
    imm(0, 4);
    return h;
  }

 private:
  void half() { byte(0x66); }
  void part(u8 opcode, u8 reg, const Mem& m, unsigned size);
  void with_memory(bool wide, u8 opcode, unsigned reg, const Mem& m);

  // Where the next instruction, or a part of it, goes: kRoom bytes at least.
  u8* here() { return buffer_.data() + size_; }
  void advance(std::size_t bytes) {
    size_ += static_cast<u32>(bytes);
    if (size_ + kRoom > buffer_.size()) [[unlikely]]
      buffer_.resize(2 * buffer_.size());
  }

  static constexpr u32 kRoom = 64;
  std::vector<u8> buffer_ = std::vector<u8>(16 * KiB);
  u32 size_ = 0;
};

}  // namespace tandem::jit
