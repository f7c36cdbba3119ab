// CpuState there and back through KVM's structures.
#include "hwassist/kvm/registers.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace tandem::tests {
namespace {

using namespace cpu;
using namespace hwassist::kvm;

// Random, within what the structures can hold.
CpuState random_state(u64 seed) {
  std::mt19937_64 random(seed);
  CpuState s;
  for (u64& r : s.gpr) r = random();
  s.rip = random();
  s.rflags = random() & 0x3f7fd5;
  const auto segment = [&](Segment& g) {
    g.selector = static_cast<u16>(random());
    g.type = random() & 15;
    g.s = random() & 1;
    g.dpl = random() & 3;
    g.present = random() & 1;
    g.avl = random() & 1;
    g.l = random() & 1;
    g.db = random() & 1;
    g.g = random() & 1;
    g.limit = static_cast<u32>(random());
    g.base = random();
  };
  for (Segment& g : s.segments) segment(g);
  segment(s.ldtr);
  segment(s.tr);
  s.gdtr = {random(), static_cast<u16>(random())};
  s.idtr = {random(), static_cast<u16>(random())};
  for (u64* r : {&s.cr0,
                 &s.cr2,
                 &s.cr3,
                 &s.cr4,
                 &s.efer,
                 &s.dr[0],
                 &s.dr[1],
                 &s.dr[2],
                 &s.dr[3],
                 &s.dr[6],
                 &s.dr[7],
                 &s.msr.star,
                 &s.msr.lstar,
                 &s.msr.cstar,
                 &s.msr.sfmask,
                 &s.msr.kernel_gs_base,
                 &s.msr.sysenter_cs,
                 &s.msr.sysenter_esp,
                 &s.msr.sysenter_eip,
                 &s.msr.tsc_aux,
                 &s.msr.pat,
                 &s.msr.mtrr_def_type,
                 &s.msr.mtrr_fixed[10],
                 &s.msr.mtrr_phys_base[7],
                 &s.msr.mtrr_phys_mask[7]})
    *r = random();
  for (Zmm& z : s.vector.zmm)
    for (u8& b : z.bytes) b = static_cast<u8>(random());
  for (u64& k : s.vector.k) k = random();
  for (auto& st : s.vector.x87.st)
    for (unsigned i = 0; i < 10; ++i) st[i] = static_cast<u8>(random());
  s.vector.x87.fsw = static_cast<u16>(random());
  s.vector.mxcsr = random() & 0xffff;
  s.events.interrupt_shadow_sti = random() & 1;
  s.events.nmi_blocked = random() & 1;
  s.events.interrupt_accepted = random() & 1;
  s.events.accepted_vector = s.events.interrupt_accepted ? static_cast<u8>(random()) : 0;
  return s;
}

XsaveLayout layout(u64 components) { return {components, 576, 1088, 1152, 1664}; }
constexpr u64 kAll = kXfeatureX87 | kXfeatureSse | kXfeatureAvx | kXfeatureAvx512;

TEST(Registers, ComeBackAsTheyWere) {
  for (u64 seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const CpuState before = random_state(seed);
    CpuState after = random_state(seed + 1000);
    from_regs(to_regs(before), after);
    from_sregs(to_sregs(before, 0), after);
    from_debugregs(to_debugregs(before), after);
    from_msrs(to_msrs(before), after);
    from_events(to_events(before), after);
    EXPECT_EQ(std::memcmp(before.gpr, after.gpr, sizeof before.gpr), 0);
    EXPECT_EQ(before.rip, after.rip);
    EXPECT_EQ(before.rflags, after.rflags);
    for (unsigned i = 0; i < kSegmentCount; ++i) {
      const Segment &a = before.segments[i], &b = after.segments[i];
      EXPECT_TRUE(a.selector == b.selector && a.type == b.type && a.s == b.s && a.dpl == b.dpl &&
                  a.present == b.present && a.avl == b.avl && a.l == b.l && a.db == b.db && a.g == b.g &&
                  a.limit == b.limit && a.base == b.base)
          << "segment " << i;
    }
    EXPECT_EQ(before.tr.base, after.tr.base);
    EXPECT_EQ(before.ldtr.limit, after.ldtr.limit);
    EXPECT_EQ(before.gdtr.base, after.gdtr.base);
    EXPECT_EQ(before.idtr.limit, after.idtr.limit);
    EXPECT_EQ(before.cr0, after.cr0);
    EXPECT_EQ(before.cr2, after.cr2);
    EXPECT_EQ(before.cr3, after.cr3);
    EXPECT_EQ(before.cr4, after.cr4);
    EXPECT_EQ(before.efer, after.efer);
    for (const unsigned i : {0, 1, 2, 3, 6, 7}) EXPECT_EQ(before.dr[i], after.dr[i]) << "dr" << i;
    EXPECT_EQ(before.msr.star, after.msr.star);
    EXPECT_EQ(before.msr.kernel_gs_base, after.msr.kernel_gs_base);
    EXPECT_EQ(before.msr.sysenter_eip, after.msr.sysenter_eip);
    EXPECT_EQ(before.msr.mtrr_fixed[10], after.msr.mtrr_fixed[10]);
    EXPECT_EQ(before.msr.mtrr_phys_mask[7], after.msr.mtrr_phys_mask[7]);
    EXPECT_EQ(before.events.interrupt_shadow_sti, after.events.interrupt_shadow_sti);
    EXPECT_EQ(before.events.nmi_blocked, after.events.nmi_blocked);
    EXPECT_EQ(before.events.interrupt_accepted, after.events.interrupt_accepted);
    EXPECT_EQ(before.events.accepted_vector, after.events.accepted_vector);
  }
}

TEST(Registers, MsrsThatAKernelLacksKeepTheirValue) {
  const CpuState before = random_state(1);
  MsrList list = to_msrs(before);
  ASSERT_GT(list.count, 3u);
  const u32 lacking = list.entries[1].index;  // LSTAR
  ASSERT_EQ(lacking, 0xc0000082u);
  for (u32 i = 1; i + 1 < list.count; ++i) list.entries[i] = list.entries[i + 1];
  --list.count;
  CpuState after = random_state(2);
  const u64 kept = after.msr.lstar;
  from_msrs(list, after);
  EXPECT_EQ(after.msr.lstar, kept);
  EXPECT_EQ(after.msr.pat, before.msr.pat);
}

TEST(Registers, VectorsComeBackAsFarAsTheComponentsGo) {
  struct Row {
    const char* name;
    u64 components;
    unsigned registers, bytes;  // that are kept
  };
  for (const Row& row : {Row{"SSE", 3, 16, 16}, Row{"AVX", 7, 16, 32}, Row{"AVX-512", kAll, 32, 64}}) {
    SCOPED_TRACE(row.name);
    const CpuState before = random_state(7);
    CpuState after = random_state(8);
    alignas(64) std::array<u8, kXsaveBytes> area;
    to_xsave(layout(row.components), before.vector, area);
    from_xsave(layout(row.components), area, after.vector);
    for (unsigned n = 0; n < row.registers; ++n)
      EXPECT_EQ(std::memcmp(before.vector.zmm[n].bytes, after.vector.zmm[n].bytes, n < 16 ? row.bytes : 64),
                0)
          << n;
    EXPECT_EQ(std::memcmp(before.vector.x87.st, after.vector.x87.st, sizeof before.vector.x87.st), 0);
    EXPECT_EQ(before.vector.x87.fsw, after.vector.x87.fsw);
    EXPECT_EQ(before.vector.mxcsr, after.vector.mxcsr);
    if (row.components & kXfeatureOpmask) EXPECT_EQ(before.vector.k[7], after.vector.k[7]);
  }
}

TEST(Registers, ComponentsLeftOutAreInTheirInitialState) {
  alignas(64) std::array<u8, kXsaveBytes> area;
  CpuState state = random_state(9);
  to_xsave(layout(kAll), state.vector, area);
  std::memset(area.data() + 512, 0, 8);  // XSTATE_BV
  from_xsave(layout(kAll), area, state.vector);
  for (const Zmm& z : state.vector.zmm)
    for (const u8 b : z.bytes) ASSERT_EQ(b, 0);
  EXPECT_EQ(state.vector.x87.fcw, X87State{}.fcw);
  EXPECT_EQ(state.vector.k[0], 0u);
}

}  // namespace
}  // namespace tandem::tests
