// User code on the KVM of this host, up to where it can't go on: the state that comes back is the
// interpreter's.
#include <gtest/gtest.h>

#include "core/interp/interp_engine.h"
#include "hwassist/kvm/kvm_vcpu.h"
#include "hwassist/probe/guest_code.h"
#include "hwassist/probe/probe.h"
#include "tests/hwassist/bare_sink.h"
#include "tests/hwassist/fake_kvm.h"

namespace tandem::tests {
namespace {

using namespace hwassist;
using cpu::CpuState;

constexpr u64 kCode = 0x20000, kStack = 0x30000;
constexpr u64 kStepTrap = u64{1} << 14;  // BS in DR6

struct Row {
  const char* name;
  std::vector<u8> code;  // behind: push 2; push 102h; popfq
  u64 instructions;      // after which KVM has to have stopped
  bool trap;             // is a single-step trap due then?
};

const Row kRows[] = {
    {"nop", {0x90, 0x90}, 1, true},
    {"fault", {0x0f, 0x0b}, 0, false},
    {"syscall", {0x0f, 0x05}, 0, false},
    {"hlt", {0xf4}, 0, false},
    {"load", {0x48, 0x8b, 0x04, 0x24, 0x90}, 1, true},
    {"popf_that_ends_it", {0x9d, 0x90}, 1, true},
    {"jump", {0xeb, 0x02, 0x0f, 0x0b, 0x90}, 1, true},
};

class StepTrapsOnKvm : public testing::TestWithParam<Row> {};

TEST_P(StepTrapsOnKvm, StopsBehindTheInstruction) {
  const Verdict verdict = judge(probe_kvm(kvm::make_host()));
  if (verdict.assist == Assist::None) GTEST_SKIP() << verdict.reason;
  const cpu::CpuModel model = cpu::default_cpu_model();
  const auto memory = mem::GuestMemory::create(probe::kMemoryBytes).take();
  const auto vm = kvm::Vm::create(kvm::make_host(), *memory).take();
  const auto vcpu = kvm::KvmVcpu::create(*vm, VcpuId{0}, model).take();
  const auto interpreter = interp::make_interp_engine()->make_vcpu(VcpuId{0}, *memory, model).take();
  BareSink sink;

  std::vector<u8> code = {0x6a, 0x02, 0x68, 0x02, 0x01, 0x00, 0x00, 0x9d};
  code.insert(code.end(), GetParam().code.begin(), GetParam().code.end());
  probe::lay_out(*memory);
  memory->write(Gpa{kCode}, code);
  CpuState state = probe::state_in(CodeMode::User64, 3, false);
  state.rip = kCode;
  state.gpr[cpu::kRsp] = kStack;

  CpuState wanted;
  ASSERT_TRUE(interpreter->import_state(state));
  interpreter->run({3 + GetParam().instructions}, sink);
  ASSERT_TRUE(interpreter->export_state(wanted));
  EXPECT_EQ(wanted.activity == cpu::Activity::Shutdown, GetParam().trap) << "there is no IDT for it";

  ASSERT_TRUE(vcpu->import_state(state, sink, kvm::Scope::User));
  const kvm::Ended ended = vcpu->run(sink);
  EXPECT_EQ(ended.why, kvm::Ended::Why::Software) << ended.name;
  ASSERT_TRUE(vcpu->export_state(state));
  EXPECT_EQ(state.rip, wanted.rip) << ended.name;
  EXPECT_EQ(state.rflags, wanted.rflags);
  EXPECT_EQ(state.gpr[cpu::kRsp], wanted.gpr[cpu::kRsp]);
  EXPECT_EQ(state.events.debug_traps, GetParam().trap ? kStepTrap : 0) << ended.name;

  // It goes on without one.
  state = probe::state_in(CodeMode::User64, 3, false);
  state.rip = kCode + code.size();
  memory->write(Gpa{state.rip}, std::vector<u8>{0xf4});
  ASSERT_TRUE(vcpu->import_state(state, sink, kvm::Scope::User));
  vcpu->run(sink);
  ASSERT_TRUE(vcpu->export_state(state));
  EXPECT_EQ(state.events.debug_traps, 0u);
}

INSTANTIATE_TEST_SUITE_P(All, StepTrapsOnKvm, testing::ValuesIn(kRows),
                         [](const auto& info) { return std::string(info.param.name); });

// --- Anywhere ---------------------------------------------------------------------------------------------

class StepTraps : public testing::Test {
 protected:
  // Leaves KVM once as told, and gives the debug traps that are due then.
  u64 traps_after(FakeKvm::Step exit) {
    fake->script = {std::move(exit)};
    CpuState state = probe::state_in(CodeMode::User64, 3, false);
    EXPECT_TRUE(vcpu->import_state(state, sink, kvm::Scope::User));
    vcpu->run(sink);
    EXPECT_TRUE(vcpu->export_state(state));
    return state.events.debug_traps;
  }
  FakeKvm::Step leave(u32 reason, u64 flags, u64 dr6) {
    return [=, this](kvm_run& run, kvm_regs& regs) {
      run.exit_reason = reason;
      if (reason == KVM_EXIT_MMIO) run.mmio = {.phys_addr = 0xe0000000, .data = {1}, .len = 1, .is_write = 1};
      regs.rflags = flags;
      fake->debugregs.dr6 = dr6;
      return 0;
    };
  }

  const cpu::CpuModel model = cpu::default_cpu_model();
  std::unique_ptr<mem::GuestMemory> memory = mem::GuestMemory::create(1 * MiB).take();
  std::shared_ptr<FakeKvm> fake = std::make_shared<FakeKvm>();
  std::unique_ptr<kvm::Vm> vm = kvm::Vm::create(fake, *memory).take();
  std::unique_ptr<kvm::KvmVcpu> vcpu = kvm::KvmVcpu::create(*vm, VcpuId{0}, model).take();
  BareSink sink;
};

TEST_F(StepTraps, AreDueWhereTheyEndedKvm) {
  constexpr u64 kPlain = 0x202, kStepping = kPlain | cpu::kTf, kDr6 = 0xffff0ff0;
  EXPECT_EQ(traps_after(leave(KVM_EXIT_SHUTDOWN, kStepping, kDr6 | kStepTrap)), kStepTrap);
  EXPECT_EQ(fake->debugregs.dr6, kDr6) << "the next one is seen, too";
  EXPECT_EQ(traps_after(leave(KVM_EXIT_SHUTDOWN, kPlain, kDr6 | kStepTrap)), kStepTrap) << "by a POPF";
  EXPECT_EQ(traps_after(leave(KVM_EXIT_SHUTDOWN, kStepping, kDr6)), 0u) << "a fault of the first one";
  EXPECT_EQ(traps_after(leave(KVM_EXIT_MMIO, kStepping, kDr6)), kStepTrap) << "behind its access";
  EXPECT_EQ(traps_after(leave(KVM_EXIT_MMIO, kPlain, kDr6)), 0u);
  EXPECT_EQ(traps_after(leave(KVM_EXIT_INTERNAL_ERROR, kStepping, kDr6 | kStepTrap)), 0u);
}

TEST_F(StepTraps, AreNotThoseOfWhoComparesInstructions) {
  ASSERT_TRUE(vcpu->step());
  EXPECT_EQ(fake->guest_debug.control, u32{KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP});
  EXPECT_EQ(traps_after(leave(KVM_EXIT_SHUTDOWN, 0x202, 0xffff4ff0)), 0u);
  fake->refused[KVM_SET_GUEST_DEBUG] = -EINVAL;
  EXPECT_FALSE(vcpu->step());
}

}  // namespace
}  // namespace tandem::tests
