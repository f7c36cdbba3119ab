// Who runs what: an AssistedVcpu between a KVM with a script and the interpreter.
#include <chrono>
#include <cstring>
#include <thread>

#include "tests/hwassist/assisted_fixture.h"

namespace tandem::tests {
namespace {

using namespace hwassist;
using cpu::StopReason;

TEST_F(AssistedTest, SoftwareGoesOnWhereKvmFails) {
  start({0x90, 0xb0, 0x07, 0xf4});  // nop; mov al, 7; hlt
  fake->script = {exit_with(KVM_EXIT_INTERNAL_ERROR, kCode + 1)};
  EXPECT_EQ(run(), StopReason::Halted);
  EXPECT_EQ(state().gpr[cpu::kRax] & 0xff, 7u);
  EXPECT_EQ(vcpu->retired(), 2u) << "the NOP was KVM's";
  EXPECT_EQ(counter("kvm.failures.real"), 1u);
  EXPECT_EQ(counter("kvm.exit.internal_error"), 1u);
}

TEST_F(AssistedTest, ModesInWhichKvmKeepsFailingAreLeftToSoftware) {
  start({0xeb, 0xfe});  // jmp $
  for (int i = 0; i < 1000; ++i) fake->script.push_back(exit_with(KVM_EXIT_INTERNAL_ERROR, kCode));
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    vcpu->kick();
  });
  EXPECT_EQ(run(), StopReason::Kicked);
  EXPECT_EQ(counter("kvm.failures.real"), 64u);
  EXPECT_EQ(fake->script.size(), 1000u - 64);
}

TEST_F(AssistedTest, PortsReachTheSink) {
  start({});
  fake->script = {[](kvm_run& run, kvm_regs& regs) {
    run.exit_reason = KVM_EXIT_IO;
    run.io = {
        .direction = KVM_EXIT_IO_OUT, .size = 2, .port = 0x3f8, .count = 2, .data_offset = sizeof(kvm_run)};
    // SAFETY: the fake's page goes on behind kvm_run.
    const u16 values[2] = {0x1234, 0x5678};
    std::memcpy(reinterpret_cast<u8*>(&run) + sizeof(kvm_run), values, sizeof values);
    regs.rip += 2;
    return 0;
  }};
  EXPECT_EQ(run(), StopReason::Halted);
  ASSERT_EQ(sink.accesses.size(), 2u);
  EXPECT_EQ(sink.accesses[0].address, 0x3f8u);
  EXPECT_EQ(sink.accesses[0].value, 0x1234u);
  EXPECT_EQ(sink.accesses[1].value, 0x5678u);
  EXPECT_EQ(state().activity, cpu::Activity::Halted);
}

TEST_F(AssistedTest, MmioReachesTheSinkInPieces) {
  start({});
  sink.read_value = 0xab;
  u64 got = 0;
  fake->script = {[](kvm_run& run, kvm_regs&) {
                    run.exit_reason = KVM_EXIT_MMIO;
                    run.mmio.phys_addr = 0xfee01001;
                    run.mmio.len = 2;
                    run.mmio.is_write = 0;
                    return 0;
                  },
                  [&](kvm_run& run, kvm_regs&) {
                    std::memcpy(&got, run.mmio.data, 2);
                    run.exit_reason = KVM_EXIT_HLT;
                    return 0;
                  }};
  EXPECT_EQ(run(), StopReason::Halted);
  EXPECT_EQ(sink.accesses.size(), 2u);
  EXPECT_EQ(got, 0xababu);
}

TEST_F(AssistedTest, MmioInRamIsAWriteThatTheKernelCouldNotDo) {
  start({});
  fake->script = {[](kvm_run& run, kvm_regs&) {
    run.exit_reason = KVM_EXIT_MMIO;
    run.mmio.phys_addr = 0x2000;
    run.mmio.len = 4;
    run.mmio.is_write = 1;
    std::memcpy(run.mmio.data, "abcd", 4);
    return 0;
  }};
  EXPECT_EQ(run(), StopReason::Halted);
  EXPECT_TRUE(sink.accesses.empty());
  EXPECT_EQ(memory->read_value<u32>(Gpa{0x2000}), 0x64636261u);
}

TEST_F(AssistedTest, MsrsReachTheSink) {
  start({});
  std::vector<cpu::MsrAccess> accesses;
  sink.on_msr = [&](cpu::MsrAccess& access) {
    if (access.dir == bus::IoDir::Read) access.value = 0x1122334455667788;
    accesses.push_back(access);
    return true;
  };
  const auto leave_with = [](u32 reason, u32 index, u64 data) {
    return [=](kvm_run& run, kvm_regs&) {
      run.exit_reason = reason;
      run.msr.index = index;
      run.msr.data = data;
      run.msr.error = 1;
      return 0;
    };
  };
  u64 got = 0;
  fake->script = {leave_with(KVM_EXIT_X86_WRMSR, 0x6e0, 0x77), leave_with(KVM_EXIT_X86_RDMSR, 0x1b, 0),
                  [&](kvm_run& run, kvm_regs&) {
                    got = run.msr.data;
                    EXPECT_EQ(run.msr.error, 0);
                    run.exit_reason = KVM_EXIT_HLT;
                    return 0;
                  }};
  EXPECT_EQ(run(), StopReason::Halted);
  ASSERT_EQ(accesses.size(), 2u);
  EXPECT_EQ(accesses[0].index, 0x6e0u);
  EXPECT_EQ(accesses[0].dir, bus::IoDir::Write);
  EXPECT_EQ(accesses[0].value, 0x77u);
  EXPECT_EQ(accesses[1].index, 0x1bu);
  EXPECT_EQ(got, 0x1122334455667788u);
}

// TSC is one: the software engine knows it, and what it doesn't know is #GP there. No failure of KVM's.
TEST_F(AssistedTest, MsrsThatTheMachineLacksAreSoftwares) {
  start({0xb9, 0x10, 0x00, 0x0f, 0x32, 0xf4});  // mov cx, 10h; rdmsr; hlt
  cpu::CpuState s = state();
  s.tsc_offset = 0x1234;
  ASSERT_TRUE(vcpu->import_state(s));
  shifts_tsc = true;
  use(Assist::Full);
  ASSERT_TRUE(vcpu->import_state(s));
  fake->script = {[](kvm_run& run, kvm_regs& regs) {
    run.exit_reason = KVM_EXIT_X86_RDMSR;
    run.msr.index = 0x10;
    regs.rcx = 0x10;
    regs.rip = kCode + 3;
    return 0;
  }};
  EXPECT_EQ(run(), StopReason::Halted);
  EXPECT_EQ(state().gpr[cpu::kRax], 0x1234u);
  EXPECT_EQ(counter("kvm.exit.rdmsr"), 1u);
  EXPECT_EQ(counter("kvm.failures.real"), 0u);
}

TEST_F(AssistedTest, TheTscIsShiftedAsTheMachinesIs) {
  shifts_tsc = true;
  use(Assist::Full);
  start({0xf4});
  cpu::CpuState s = state();
  s.tsc_offset = 5;
  const auto run_at = [&](u64 offset) {
    sink.tsc_offset = offset;
    ASSERT_TRUE(vcpu->import_state(s));
    EXPECT_EQ(run(), StopReason::Halted);
  };
  run_at(100);
  run_at(100);
  EXPECT_EQ(fake->tsc_offsets, std::vector<u64>{105}) << "once, as long as it stays";
  run_at(~u64{0});
  EXPECT_EQ(fake->tsc_offsets, (std::vector<u64>{105, 4})) << "backwards, too";
  EXPECT_EQ(counter("kvm.entries"), 3u);
}

TEST_F(AssistedTest, WhereTheTscCantBeShiftedKvmIsUsedWhileItIsTheHosts) {
  start({0xf4});
  EXPECT_EQ(run(), StopReason::Halted);
  EXPECT_EQ(counter("kvm.entries"), 1u);
  sink.tsc_offset = 100;
  start({0xf4});
  EXPECT_EQ(run(), StopReason::Halted);
  EXPECT_EQ(counter("kvm.entries"), 1u) << "the software engine's";
  EXPECT_TRUE(fake->tsc_offsets.empty());
}

TEST_F(AssistedTest, InterruptsAreGivenWhenTheGuestTakesThem) {
  start({});
  sink.interrupts = {0x31};
  fake->script = {[](kvm_run& run, kvm_regs&) {
                    EXPECT_EQ(run.request_interrupt_window, 1);
                    run.exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
                    run.ready_for_interrupt_injection = 1;
                    run.if_flag = 1;
                    return 0;
                  },
                  [&](kvm_run& run, kvm_regs&) {
                    EXPECT_EQ(fake->interrupts, std::vector<u32>{0x31});
                    EXPECT_EQ(run.request_interrupt_window, 0);
                    run.exit_reason = KVM_EXIT_HLT;
                    return 0;
                  }};
  EXPECT_EQ(run(), StopReason::Halted);
  EXPECT_EQ(fake->interrupts.size(), 1u);
}

TEST_F(AssistedTest, NmisAreSoftwares) {
  start({0xf4});
  memory->write_value<u16>(Gpa{2 * 4}, 0x3000);  // the vector of NMI
  memory->write(Gpa{0x3000}, std::vector<u8>{0xb0, 0x55, 0xf4});
  cpu::CpuState s = state();
  s.idtr = {0, 0x3ff};
  s.gpr[cpu::kRsp] = 0x8000;
  ASSERT_TRUE(vcpu->import_state(s));
  fake->script = {[&](kvm_run& run, kvm_regs&) {
    vcpu->signal(cpu::Signal::Nmi, 0);
    EXPECT_EQ(run.immediate_exit, 1);
    return -EINTR;
  }};
  EXPECT_EQ(run(), StopReason::Halted);
  EXPECT_EQ(state().gpr[cpu::kRax] & 0xff, 0x55u);
}

TEST_F(AssistedTest, AKickEndsTheRun) {
  start({});
  fake->script = {[&](kvm_run&, kvm_regs&) {
    vcpu->kick();
    return -EINTR;
  }};
  EXPECT_EQ(run(), StopReason::Kicked);
}

TEST_F(AssistedTest, AFailingKvmIsTheHostsError) {
  start({});
  fake->script = {[](kvm_run&, kvm_regs&) { return -EINVAL; }};
  EXPECT_EQ(run(), StopReason::HostError);
}

TEST_F(AssistedTest, TripleFaultsEndTheRun) {
  start({});
  fake->script = {exit_with(KVM_EXIT_SHUTDOWN, kCode)};
  EXPECT_EQ(run(), StopReason::TripleFault);
}

TEST_F(AssistedTest, CountedRunsAreSoftwares) {
  start({0x90, 0x90, 0x90, 0x90, 0xf4});
  EXPECT_EQ(vcpu->run({3}, sink).retired, 3u);
  EXPECT_EQ(state().rip, kCode + 3);
  EXPECT_EQ(fake->runs, 0u);
}

TEST_F(AssistedTest, UserAssistanceLeavesOtherCodeAlone) {
  use(Assist::User);
  start({0x90, 0xf4});
  EXPECT_EQ(run(), StopReason::Halted);
  EXPECT_EQ(counter("kvm.entries"), 0u);
  EXPECT_EQ(vcpu->retired(), 2u);
}

}  // namespace
}  // namespace tandem::tests
