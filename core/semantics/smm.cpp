// System management mode: entry on SMI and RSM, with the AMD64 save-state map (AMD64 APM vol. 2, 10.2.3;
// revision identifier 0x20064, which SeaBIOS knows).
#include "core/mmu/walk.h"
#include "core/semantics/control.h"
#include "core/semantics/descriptor.h"
#include "core/semantics/interrupt.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

constexpr u32 kSize = 0x200, kStart = 0xfe00;  // save area: SMBASE + 0xfe00 .. 0xffff
constexpr u32 kRevision = 0x20064;

// Offsets from SMBASE + 0x8000 + 0x7e00.
constexpr unsigned kSegmentsAt = 0x00;  // ES CS SS DS FS GS, 16 bytes each
constexpr unsigned kGdtrAt = 0x60, kLdtrAt = 0x70, kIdtrAt = 0x80, kTrAt = 0x90;
constexpr unsigned kEferAt = 0xd0, kRevisionAt = 0xfc, kSmbaseAt = 0x100, kCr4At = 0x148, kCr3At = 0x150,
                   kCr0At = 0x158, kDr7At = 0x160, kDr6At = 0x168, kRflagsAt = 0x170, kRipAt = 0x178,
                   kR15At = 0x180, kRaxAt = 0x1f8, kHaltAt = 0xc9;

u16 attributes(const Segment& s) {
  return static_cast<u16>(s.type | s.s << 4 | s.dpl << 5 | s.present << 7 | s.avl << 8 | s.l << 9 |
                          s.db << 10 | s.g << 11);
}

void put_segment(u8* at, const Segment& s) {
  store_le<u16>(at, s.selector);
  store_le<u16>(at + 2, attributes(s));
  store_le<u32>(at + 4, s.limit);
  store_le<u64>(at + 8, s.base);
}

Segment get_segment(const u8* at) {
  const u16 a = load_le<u16>(at + 2);
  return {.selector = load_le<u16>(at),
          .type = static_cast<u8>(a & 15),
          .s = bit(a, 4),
          .dpl = static_cast<u8>(bits(a, 6, 5)),
          .present = bit(a, 7),
          .avl = bit(a, 8),
          .l = bit(a, 9),
          .db = bit(a, 10),
          .g = bit(a, 11),
          .limit = load_le<u32>(at + 4),
          .base = load_le<u64>(at + 8)};
}

void save_state(const Cpu& cpu, u8* area) {
  const CpuState& s = cpu.state;
  for (unsigned i = 0; i < 6; ++i) put_segment(area + kSegmentsAt + 16 * i, s.segments[i]);
  put_segment(area + kLdtrAt, s.ldtr);
  put_segment(area + kTrAt, s.tr);
  store_le<u32>(area + kGdtrAt + 4, s.gdtr.limit);
  store_le<u64>(area + kGdtrAt + 8, s.gdtr.base);
  store_le<u32>(area + kIdtrAt + 4, s.idtr.limit);
  store_le<u64>(area + kIdtrAt + 8, s.idtr.base);
  area[kHaltAt] = s.activity == Activity::Halted;
  store_le<u64>(area + kEferAt, s.efer);
  store_le<u32>(area + kRevisionAt, kRevision);
  store_le<u32>(area + kSmbaseAt, static_cast<u32>(s.msr.smbase));
  store_le<u64>(area + kCr4At, s.cr4);
  store_le<u64>(area + kCr3At, s.cr3);
  store_le<u64>(area + kCr0At, s.cr0);
  store_le<u64>(area + kDr7At, s.dr[7]);
  store_le<u64>(area + kDr6At, s.dr[6]);
  store_le<u64>(area + kRflagsAt, cpu.rflags());
  store_le<u64>(area + kRipAt, s.rip);
  for (unsigned i = 0; i < 16; ++i) store_le<u64>(area + kRaxAt - 8 * i, s.gpr[i]);
  static_assert(kRaxAt - 8 * 15 == kR15At);
}

void load_state(Cpu& cpu, const u8* area) {
  CpuState& s = cpu.state;
  for (unsigned i = 0; i < 6; ++i) s.segments[i] = get_segment(area + kSegmentsAt + 16 * i);
  s.ldtr = get_segment(area + kLdtrAt);
  s.tr = get_segment(area + kTrAt);
  s.gdtr = {load_le<u64>(area + kGdtrAt + 8), load_le<u16>(area + kGdtrAt + 4)};
  s.idtr = {load_le<u64>(area + kIdtrAt + 8), load_le<u16>(area + kIdtrAt + 4)};
  s.activity = area[kHaltAt] & 1 ? Activity::Halted : Activity::Running;
  s.efer = load_le<u64>(area + kEferAt);
  s.msr.smbase = load_le<u32>(area + kSmbaseAt);
  s.cr4 = load_le<u64>(area + kCr4At);
  s.cr3 = load_le<u64>(area + kCr3At);
  s.cr0 = load_le<u64>(area + kCr0At);
  s.dr[7] = load_le<u64>(area + kDr7At);
  s.dr[6] = load_le<u64>(area + kDr6At);
  cpu.set_rflags(load_le<u64>(area + kRflagsAt));
  s.rip = load_le<u64>(area + kRipAt);
  for (unsigned i = 0; i < 16; ++i) s.gpr[i] = load_le<u64>(area + kRaxAt - 8 * i);
}

}  // namespace

void enter_smm(Cpu& cpu) {
  CpuState& s = cpu.state;
  u8 area[kSize] = {};
  save_state(cpu, area);
  s.events.in_smm = true;
  cpu.memory->write(mmu::smram_view(cpu, s.msr.smbase + kStart, mmu::Access::Write), area);
  s.events.nmi_blocked = true;
  s.activity = Activity::Running;
  s.efer = 0;
  s.cr0 &= ~(kCr0Pe | kCr0Em | kCr0Ts | kCr0Pg);
  s.cr4 = 0;
  s.dr[7] = 0x400;
  cpu.set_rflags(2);
  s.rip = 0x8000;
  for (Segment& segment : s.segments)
    segment = {.selector = 0, .type = 3, .s = true, .present = true, .g = true, .limit = 0xffffffff};
  s.segments[kCs].selector = static_cast<u16>(s.msr.smbase >> 4);
  s.segments[kCs].base = s.msr.smbase;
  s.segments[kCs].type = 0xb;
  mmu::flush_all(cpu);
  update_mode(cpu);
}

Step rsm(Cpu& cpu, const Insn&) {
  CpuState& s = cpu.state;
  if (!s.events.in_smm) return raise(cpu, fault(kInvalidOpcode));
  u8 area[kSize];
  cpu.memory->read(mmu::smram_view(cpu, s.msr.smbase + kStart, mmu::Access::Read), area);
  load_state(cpu, area);
  s.events.in_smm = false;
  s.events.nmi_blocked = false;
  mmu::flush_all(cpu);
  update_mode(cpu);
  return Step::Branch;
}

}  // namespace tandem::semantics
