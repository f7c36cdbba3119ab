// An AssistedVcpu between a KVM with a script and the interpreter.
#pragma once

#include <gtest/gtest.h>

#include "core/interp/interp_engine.h"
#include "hwassist/assisted_vcpu.h"
#include "tests/hwassist/bare_sink.h"
#include "tests/hwassist/fake_kvm.h"

namespace tandem::tests {

class AssistedTest : public testing::Test {
 protected:
  static constexpr u64 kCode = 0x1000;

  void SetUp() override { use(hwassist::Assist::Full); }

  void use(hwassist::Assist assist) {
    using namespace hwassist;
    vcpu.reset();
    std::shared_ptr<kvm::Vm> vm = kvm::Vm::create(fake, *memory).take();
    vm->set_shifts_tsc(shifts_tsc);
    auto kvm = kvm::KvmVcpu::create(*vm, VcpuId{0}, model).take();
    Verdict verdict;
    verdict.assist = assist;
    verdict.usable.fill(true);
    vcpu = std::make_unique<AssistedVcpu>(VcpuId{0}, vm, std::move(kvm),
                                          engine->make_vcpu(VcpuId{0}, *memory, model).take(), verdict);
  }
  // 16-bit code at kCode.
  void start(std::vector<u8> code) {
    memory->write(Gpa{kCode}, code);
    cpu::CpuState s = cpu::reset_state(true, 0);
    s.segments[cpu::kCs].base = s.segments[cpu::kCs].selector = 0;
    s.rip = kCode;
    ASSERT_TRUE(vcpu->import_state(s));
  }
  cpu::CpuState state() {
    cpu::CpuState s;
    EXPECT_TRUE(vcpu->export_state(s));
    return s;
  }
  cpu::StopReason run() { return vcpu->run({}, sink).why; }
  u64 counter(std::string_view name) {
    u64 found = 0;
    vcpu->statistics([&](std::string_view n, u64 value) {
      if (n == name) found = value;
    });
    return found;
  }
  static FakeKvm::Step exit_with(u32 reason, u64 rip) {
    return [=](kvm_run& run, kvm_regs& regs) {
      run.exit_reason = reason;
      regs.rip = rip;
      return 0;
    };
  }

  bool shifts_tsc = false;  // before use()
  std::shared_ptr<FakeKvm> fake = std::make_shared<FakeKvm>();
  std::unique_ptr<mem::GuestMemory> memory = mem::GuestMemory::create(1 * MiB).take();
  cpu::CpuModel model = cpu::default_cpu_model();
  std::unique_ptr<cpu::Engine> engine = interp::make_interp_engine();
  std::unique_ptr<hwassist::AssistedVcpu> vcpu;
  BareSink sink;
};

}  // namespace tandem::tests
