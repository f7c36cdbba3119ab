// FWAIT and the x87 environment in memory (SDM vol. 1, 8.1.10, figures 8-9 to 8-12).
#include <array>
#include <cstring>

#include "core/isa/op.h"
#include "core/semantics/host/availability.h"
#include "core/semantics/host/vector_system.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

constexpr unsigned kRegisterBytes = 10, kRegisters = 8;
constexpr unsigned kMaxEnvironment = 28;

// Two bits a physical register: 0 valid, 1 zero, 2 special, 3 empty (SDM vol. 1, 8.1.7).
unsigned tag_of(const u8* reg) {
  const u64 significand = load_le<u64>(reg);
  const unsigned exponent = load_le<u16>(reg + 8) & 0x7fff;
  if (exponent == 0 && significand == 0) return 1;
  return exponent == 0 || exponent == 0x7fff || !(significand >> 63) ? 2 : 0;
}

u16 full_tags(const X87State& x) {
  const unsigned top = x.fsw >> 11 & 7;
  unsigned tags = 0;
  for (unsigned physical = 0; physical < kRegisters; ++physical) {
    const bool used = x.ftw_abridged >> physical & 1;
    tags |= (used ? tag_of(x.st[(physical - top) & 7]) : 3) << 2 * physical;
  }
  return static_cast<u16>(tags);
}

u8 abridged_tags(u16 full) {
  unsigned used = 0;
  for (unsigned i = 0; i < kRegisters; ++i)
    if ((full >> 2 * i & 3) != 3) used |= 1u << i;
  return static_cast<u8>(used);
}

bool has_selectors(const Cpu& cpu) { return cpu.mode.protected_mode; }

// Seven fields of 2 or 4 bytes: FCW FSW FTW, instruction pointer, its selector and opcode, data pointer, its
// selector.
struct Environment {
  std::array<u32, 7> fields;
  unsigned width;  // bytes of a field
  unsigned bytes() const { return 7 * width; }
};

Environment environment_of(const Cpu& cpu, unsigned width) {
  const X87State& x = cpu.state.vector.x87;
  const u32 ip = static_cast<u32>(x.fip), dp = static_cast<u32>(x.fdp), opcode = x.fop & 0x7ff;
  const u32 ones = width == 4 ? 0xffff0000 : 0;
  Environment e{{ones | x.fcw, ones | x.fsw, ones | full_tags(x), ip, 0, dp, ones}, width};
  if (has_selectors(cpu)) {
    e.fields[4] = width == 4 ? opcode << 16 : 0;
  } else if (width == 4) {
    e.fields[3] = ones | (ip & 0xffff);
    e.fields[4] = (ip >> 16) << 12 | opcode;
    e.fields[5] = ones | (dp & 0xffff);
    e.fields[6] = (dp >> 16) << 12;
  } else {
    e.fields[4] = (ip >> 4 & 0xf000) | opcode;
    e.fields[6] = dp >> 4 & 0xf000;
  }
  return e;
}

void encode(const Environment& e, u8* out) {
  for (unsigned i = 0; i < e.fields.size(); ++i) {
    if (e.width == 4) store_le<u32>(out + 4 * i, e.fields[i]);
    else store_le<u16>(out + 2 * i, static_cast<u16>(e.fields[i]));
  }
}

void load_environment(Cpu& cpu, const u8* in, unsigned width) {
  X87State& x = cpu.state.vector.x87;
  auto field = [&](unsigned i) -> u32 {
    return width == 4 ? load_le<u32>(in + 4 * i) : load_le<u16>(in + 2 * i);
  };
  x.fcw = static_cast<u16>((field(0) & 0x1f7f) | 0x40);  // as CPUs keep it: bit 6 reads as 1
  x.fsw = static_cast<u16>(field(1));
  x.ftw_abridged = abridged_tags(static_cast<u16>(field(2)));
  if (has_selectors(cpu)) {
    x.fip = field(3);
    x.fop = static_cast<u16>(width == 4 ? field(4) >> 16 & 0x7ff : 0);
    x.fdp = field(5);
  } else {
    const u32 high_ip = width == 4 ? (field(4) >> 12) << 16 : (field(4) & 0xf000) << 4;
    const u32 high_dp = width == 4 ? (field(6) >> 12) << 16 : (field(6) & 0xf000) << 4;
    x.fip = (field(3) & 0xffff) | high_ip;
    x.fop = static_cast<u16>(field(4) & 0x7ff);
    x.fdp = (field(5) & 0xffff) | high_dp;
  }
  update_exception_summary(x);
}

unsigned field_width(const Insn& insn) { return insn.size == 2 ? 2 : 4; }

void mask_exceptions(X87State& x) {
  x.fcw |= kFswExceptions;
  update_exception_summary(x);
}

}  // namespace

Step fwait(Cpu& cpu, const Insn&) {
  const u64 both = kCr0Ts | kCr0Mp;
  if ((cpu.state.cr0 & both) == both) return raise(cpu, fault(kDeviceNotAvailable));
  return no_pending_x87_exception(cpu) ? Step::Next : Step::Fault;
}

Step fnstenv(Cpu& cpu, const Insn& insn) {
  if (!unit_available(cpu, Unit::X87)) return Step::Fault;
  const Environment e = environment_of(cpu, field_width(insn));
  u8 image[kMaxEnvironment];
  encode(e, image);
  u64 linear;
  if (!mmu::operand_address(cpu, insn, e.bytes(), mmu::Access::Write, linear) ||
      !mmu::write_bytes(cpu, linear, image, e.bytes()))
    return Step::Fault;
  mask_exceptions(cpu.state.vector.x87);
  return Step::Next;
}

Step fldenv(Cpu& cpu, const Insn& insn) {
  if (!unit_available(cpu, Unit::X87) || !no_pending_x87_exception(cpu)) return Step::Fault;
  const unsigned width = field_width(insn);
  u8 image[kMaxEnvironment];
  u64 linear;
  if (!mmu::operand_address(cpu, insn, 7 * width, mmu::Access::Read, linear) ||
      !mmu::read_bytes(cpu, linear, image, 7 * width))
    return Step::Fault;
  load_environment(cpu, image, width);
  return Step::Next;
}

Step fnsave(Cpu& cpu, const Insn& insn) {
  if (!unit_available(cpu, Unit::X87)) return Step::Fault;
  const Environment e = environment_of(cpu, field_width(insn));
  X87State& x = cpu.state.vector.x87;
  u8 image[kMaxEnvironment + kRegisters * kRegisterBytes];
  encode(e, image);
  for (unsigned i = 0; i < kRegisters; ++i)
    std::memcpy(image + e.bytes() + i * kRegisterBytes, x.st[i], kRegisterBytes);
  const unsigned size = e.bytes() + kRegisters * kRegisterBytes;
  u64 linear;
  if (!mmu::operand_address(cpu, insn, size, mmu::Access::Write, linear) ||
      !mmu::write_bytes(cpu, linear, image, size))
    return Step::Fault;
  // As FNINIT: the registers keep their contents, in physical order.
  const unsigned top = x.fsw >> 11 & 7;
  X87State cleared;
  for (unsigned i = 0; i < kRegisters; ++i) std::memcpy(cleared.st[(i + top) & 7], x.st[i], sizeof x.st[i]);
  x = cleared;
  return Step::Next;
}

Step frstor(Cpu& cpu, const Insn& insn) {
  if (!unit_available(cpu, Unit::X87) || !no_pending_x87_exception(cpu)) return Step::Fault;
  const unsigned width = field_width(insn), size = 7 * width + kRegisters * kRegisterBytes;
  u8 image[kMaxEnvironment + kRegisters * kRegisterBytes];
  u64 linear;
  if (!mmu::operand_address(cpu, insn, size, mmu::Access::Read, linear) ||
      !mmu::read_bytes(cpu, linear, image, size))
    return Step::Fault;
  load_environment(cpu, image, width);
  for (unsigned i = 0; i < kRegisters; ++i)
    std::memcpy(cpu.state.vector.x87.st[i], image + 7 * width + i * kRegisterBytes, kRegisterBytes);
  return Step::Next;
}

}  // namespace tandem::semantics
