// A debugger's breakpoints: as debug registers, in a KVM with a script, and in that of this host.
#include "hwassist/kvm/guest_debug.h"

#include <gtest/gtest.h>

#include "tests/hwassist/assisted_fixture.h"
#include "tests/support/kvm_engines.h"

namespace tandem::tests {
namespace {

using namespace hwassist;
using cpu::DebugHit;
using cpu::DebugPoints;
using cpu::StopReason;
using cpu::WatchKind;

struct Row {
  const char* name;
  DebugPoints points;
  std::optional<u64> dr7;  // nothing: they are not for the registers
};

// DR7: GE, the bit that is always set, and a bit G for each register.
TEST(GuestDebug, BreakpointsBecomeDebugRegisters) {
  const Row rows[] = {
      {"none", {}, 0},
      {"one", {{0x1000}, {}}, 0x602},
      {"four", {{1, 2, 3, 4}, {}}, 0x6aa},
      {"five", {{1, 2, 3, 4, 5}, {}}, {}},
      {"a watchpoint", {{1}, {{0x1000, 4, WatchKind::Write}}}, {}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const auto debug = kvm::to_guest_debug(row.points);
    ASSERT_EQ(debug.has_value(), row.dr7.has_value());
    if (!debug) continue;
    EXPECT_EQ(debug->arch.debugreg[7], *row.dr7);
    EXPECT_EQ(debug->control, *row.dr7 ? u32{KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP} : 0u);
    std::unordered_set<u64> addresses;
    for (unsigned n = 0; n < row.points.breakpoints.size(); ++n) addresses.insert(debug->arch.debugreg[n]);
    EXPECT_EQ(addresses, row.points.breakpoints);
  }
}

TEST(GuestDebug, ExitsNameTheBreakpoint) {
  kvm_guest_debug debug = *kvm::to_guest_debug({{0x1000, 0x2000}, {}});
  debug.arch.debugreg[0] = 0x1000;
  debug.arch.debugreg[1] = 0x2000;
  const auto hit = [&](u64 dr6) {
    return kvm::debug_hit({.exception = 1, .pad = 0, .pc = 0, .dr6 = dr6, .dr7 = 0}, debug);
  };
  EXPECT_EQ(hit(0xffff0ff1)->kind, DebugHit::Kind::Breakpoint);
  EXPECT_EQ(hit(0xffff0ff1)->address, 0x1000u);
  EXPECT_EQ(hit(0xffff0ff2)->address, 0x2000u);
  EXPECT_FALSE(hit(0xffff4ff0)) << "a step of the guest's own";
  EXPECT_FALSE(hit(0xffff0ff8)) << "a register that is not in use";
}

// --- With a script ----------------------------------------------------------------------------------------

class Debugged : public AssistedTest {
 protected:
  void debug(const DebugPoints& points) {
    ASSERT_TRUE(vcpu->set_debug_points(std::make_shared<DebugPoints>(points)));
  }
  static FakeKvm::Step stop_at(u64 rip, u64 dr6) {
    return [=](kvm_run& run, kvm_regs& regs) {
      run.exit_reason = KVM_EXIT_DEBUG;
      run.debug.arch = {.exception = 1, .pad = 0, .pc = rip, .dr6 = dr6, .dr7 = 0};
      regs.rip = rip;
      return 0;
    };
  }
};

TEST_F(Debugged, KvmStopsAtABreakpoint) {
  start({0x90, 0x90, 0xf4});
  debug({{kCode + 1}, {}});
  fake->script = {stop_at(kCode + 1, 0xffff0ff1)};
  const cpu::Stop stop = vcpu->run({}, sink);
  EXPECT_EQ(stop.why, StopReason::DebugTrap);
  EXPECT_EQ(stop.hit.kind, DebugHit::Kind::Breakpoint);
  EXPECT_EQ(stop.hit.address, kCode + 1);
  EXPECT_EQ(state().rip, kCode + 1);
  EXPECT_EQ(fake->guest_debug.arch.debugreg[0], kCode + 1);
  EXPECT_EQ(counter("kvm.failures.real"), 0u);
  EXPECT_EQ(vcpu->retired(), 0u) << "all of it was KVM's";

  EXPECT_EQ(vcpu->run({.step = true}, sink).why, StopReason::DebugTrap);
  EXPECT_EQ(state().rip, kCode + 2) << "steps are the software engine's";
  ASSERT_TRUE(vcpu->set_debug_points(nullptr));
  EXPECT_EQ(run(), StopReason::Halted);
  EXPECT_EQ(fake->guest_debug.control, 0u) << "none any more";
}

TEST_F(Debugged, PointsThatKvmCantHaveAreSoftwares) {
  start({0x90, 0x90, 0xf4});
  debug({{kCode + 1, 1, 2, 3, 4}, {}});
  EXPECT_EQ(run(), StopReason::DebugTrap);
  EXPECT_EQ(state().rip, kCode + 1);
  EXPECT_EQ(fake->runs, 0u);
  fake->refused[KVM_SET_GUEST_DEBUG] = -EINVAL;
  start({0x90, 0x90, 0xf4});
  debug({{kCode + 1}, {}});
  EXPECT_EQ(run(), StopReason::DebugTrap);
  EXPECT_EQ(fake->runs, 0u);
}

// There is one set of registers.
TEST_F(Debugged, AGuestThatUsesItsDebugRegistersIsSoftwares) {
  start({0x90, 0x90, 0xf4});
  cpu::CpuState s = state();
  s.dr[7] |= 1;
  ASSERT_TRUE(vcpu->import_state(s));
  debug({{kCode + 1}, {}});
  EXPECT_EQ(run(), StopReason::DebugTrap);
  EXPECT_EQ(state().rip, kCode + 1);
  EXPECT_EQ(fake->runs, 0u);
}

TEST_F(Debugged, StepsOfTheGuestsOwnReachTheGuest) {
  start({0x90, 0x90, 0xf4});
  memory->write_value<u16>(Gpa{1 * 4}, 0x3000);  // the vector of #DB
  memory->write(Gpa{0x3000}, std::vector<u8>{0xb0, 0x55, 0xf4});
  cpu::CpuState s = state();
  s.idtr = {0, 0x3ff};
  s.gpr[cpu::kRsp] = 0x8000;
  ASSERT_TRUE(vcpu->import_state(s));
  debug({{0x5000}, {}});
  fake->script = {stop_at(kCode + 1, 0xffff4ff0)};
  EXPECT_EQ(run(), StopReason::Halted);
  EXPECT_EQ(state().gpr[cpu::kRax] & 0xff, 0x55u);
}

// --- On the KVM of this host ------------------------------------------------------------------------------

// mov cx, 1000; again: inc word [0x600]; loop again; inc word [0x602]; hlt
constexpr u8 kGuest[] = {0xb9, 0xe8, 0x03, 0xff, 0x06, 0x00, 0x06, 0xe2, 0xfa, 0xff, 0x06, 0x02, 0x06, 0xf4};
constexpr u64 kAt = 0x1000, kBehindLoop = kAt + 9;

TEST(RealDebug, StopsAtABreakpointWithoutTheSoftwareEngine) {
  if (const std::string obstacle = kvm_obstacle(); !obstacle.empty()) GTEST_SKIP() << obstacle;
  const auto engine = kvm_row("kvm", Assist::Full).make();
  const cpu::CpuModel model = cpu::default_cpu_model();
  const auto memory = mem::GuestMemory::create(1 * MiB).take();
  const auto vcpu = engine->make_vcpu(VcpuId{0}, *memory, model).take();
  memory->write(Gpa{kAt}, kGuest);
  cpu::CpuState s = cpu::reset_state(true, 0);
  s.segments[cpu::kCs].base = s.segments[cpu::kCs].selector = 0;
  s.rip = kAt;
  ASSERT_TRUE(vcpu->import_state(s));
  ASSERT_TRUE(vcpu->set_debug_points(std::make_shared<DebugPoints>(DebugPoints{{kBehindLoop}, {}})));
  BareSink sink;
  const cpu::Stop stop = vcpu->run({}, sink);
  EXPECT_EQ(stop.why, StopReason::DebugTrap);
  EXPECT_EQ(stop.hit.address, kBehindLoop);
  EXPECT_EQ(vcpu->retired(), 0u);
  ASSERT_TRUE(vcpu->export_state(s));
  EXPECT_EQ(s.rip, kBehindLoop);
  EXPECT_EQ(memory->read_value<u16>(Gpa{0x600}), 1000u);
  // Behind it, it goes on.
  EXPECT_EQ(vcpu->run({.step = true}, sink).why, StopReason::DebugTrap);
  EXPECT_EQ(vcpu->run({}, sink).why, StopReason::Halted);
}

}  // namespace
}  // namespace tandem::tests
