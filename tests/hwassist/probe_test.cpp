// What the probe makes of a KVM that runs loops, one that does not come back, and none.
#include "hwassist/probe/probe.h"

#include <gtest/gtest.h>
#include <x86intrin.h>

#include "tests/hwassist/fake_kvm.h"

namespace tandem::tests {
namespace {

using namespace hwassist;

// The loop comes to its end.
int done(kvm_run& run, kvm_regs& regs) {
  run.exit_reason = KVM_EXIT_HLT;
  regs.rcx = 0;
  return 0;
}

// Runs for ever, until somebody interrupts it.
int hang(kvm_run& run, kvm_regs&) {
  while (!__atomic_load_n(&run.immediate_exit, __ATOMIC_SEQ_CST)) {
  }
  return -EINTR;
}

TEST(Probe, OneVmDoesForAllModes) {
  auto fake = std::make_shared<FakeKvm>();
  fake->without_script = done;
  const Findings found = probe_kvm(fake);
  EXPECT_EQ(found.obstacle, "");
  EXPECT_EQ(judge(found).assist, Assist::Full);
  EXPECT_EQ(fake->vms, 1u);
}

TEST(Probe, AModeThatDoesNotComeBackIsEndedAndTheOthersGoOn) {
  auto fake = std::make_shared<FakeKvm>();
  fake->without_script = [&](kvm_run& run, kvm_regs& regs) {
    const bool real = !(fake->sregs.cr0 & 1);
    return real ? hang(run, regs) : done(run, regs);
  };
  const Findings found = probe_kvm(fake);
  EXPECT_FALSE(found.of(CodeMode::Real).runs);
  for (const CodeMode mode : {CodeMode::Kernel64, CodeMode::User64, CodeMode::Protected, CodeMode::Kernel32,
                              CodeMode::User32, CodeMode::Compat})
    EXPECT_TRUE(found.of(mode).runs) << kCodeModeNames[static_cast<unsigned>(mode)];
}

TEST(Probe, ALoopThatEndsElsewhereDoesNotCount) {
  auto fake = std::make_shared<FakeKvm>();
  const Findings found = probe_kvm(fake);  // halts, with the count still there
  for (const ModeFinding& mode : found.modes) EXPECT_FALSE(mode.runs);
  EXPECT_EQ(judge(found).assist, Assist::None);
}

// What the guest reads decides, not what KVM says that it can.
TEST(Probe, ReadsTheTscToSeeWhetherItIsShifted) {
  struct Row {
    const char* name;
    std::function<u64(const FakeKvm&)> tsc;
    int refusal;
    bool shifts;
  };
  const auto shifted = [](const FakeKvm& f) { return __rdtsc() + f.tsc_offsets.back(); };
  const auto of_the_host = [](const FakeKvm&) { return __rdtsc(); };
  for (const Row& row : {Row{"shifted", shifted, 0, true}, Row{"the host's", of_the_host, 0, false},
                         Row{"no offset", of_the_host, -ENXIO, false}}) {
    SCOPED_TRACE(row.name);
    auto fake = std::make_shared<FakeKvm>();
    if (row.refusal) fake->refused[KVM_SET_DEVICE_ATTR] = row.refusal;
    fake->without_script = [&](kvm_run& run, kvm_regs& regs) {
      if (!fake->tsc_offsets.empty()) regs.rax = row.tsc(*fake);
      return done(run, regs);
    };
    const Findings found = probe_kvm(fake);
    EXPECT_EQ(found.shifts_tsc, row.shifts);
    EXPECT_EQ(judge(found).shifts_tsc, row.shifts);
    EXPECT_EQ(judge(found).assist, Assist::Full);
  }
}

TEST(Probe, NoKvmIsAnObstacle) {
  auto fake = std::make_shared<FakeKvm>();
  fake->open_result = -ENOENT;
  EXPECT_EQ(probe_kvm(fake).obstacle, "/dev/kvm: No such file or directory");
}

}  // namespace
}  // namespace tandem::tests
