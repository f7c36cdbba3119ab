// Writes of others to a vCPU's code while it does not run: what it takes note of when it runs again.
#include <gtest/gtest.h>

#include <map>

#include "core/cpu/cpuid_models.h"
#include "core/mem/guest_memory.h"
#include "jit/jit_engine.h"
#include "tests/support/no_devices.h"

namespace tandem::jit {
namespace {

using namespace cpu;

constexpr u64 kCode = 0x1000, kMemory = 32 * MiB;
constexpr u64 kOperand = kCode + 1;

class CodeChanges : public testing::Test {
 protected:
  CodeChanges() {
    const u8 code[] = {0xb8, 1, 0, 0xeb, 0x00, 0xf4};  // mov ax, 1; jmp on; on: hlt
    memory_->write(Gpa{kCode}, code);
  }
  // What it leaves in AX.
  u64 run() {
    CpuState s = reset_state(true, 0);
    s.segments[kCs].base = 0;
    s.segments[kCs].selector = 0;
    s.rip = kCode;
    EXPECT_TRUE(vcpu_->import_state(s));
    EXPECT_EQ(vcpu_->run({1000}, devices_).why, StopReason::Halted);
    EXPECT_TRUE(vcpu_->export_state(s));
    return s.gpr[kRax];
  }
  u64 figure(std::string_view wanted) const {
    u64 found = 0;
    vcpu_->statistics([&](std::string_view name, u64 value) {
      if (name == wanted) found = value;
    });
    return found;
  }

  std::unique_ptr<mem::GuestMemory> memory_ = mem::GuestMemory::create(kMemory).take();

 private:
  const CpuModel model_ = default_cpu_model();
  tests::NoDevices devices_;
  std::unique_ptr<Engine> engine_ = make_jit_engine({.threshold = 0});
  std::unique_ptr<Vcpu> vcpu_ = engine_->make_vcpu(VcpuId{0}, *memory_, model_).take();
};

TEST_F(CodeChanges, AreSeen) {
  EXPECT_EQ(run(), 1u);
  memory_->write_value<u8>(Gpa{kOperand}, 2);
  EXPECT_EQ(run(), 2u);
}

TEST_F(CodeChanges, LeaveOtherCodeTranslatedHoweverMany) {
  EXPECT_EQ(run(), 1u);
  const u64 before = figure("jit.translations");
  for (u32 i = 0; i < 100'000; ++i) memory_->write_value<u32>(Gpa{kCode + 0x800}, i);
  EXPECT_EQ(run(), 1u);
  EXPECT_EQ(figure("jit.translations"), before);
  EXPECT_EQ(figure("jit.generations"), 0u);
}

TEST_F(CodeChanges, OfOnePageAreTakenTogether) {
  EXPECT_EQ(run(), 1u);
  memory_->write_value<u8>(Gpa{kCode + 0x800}, 1);
  memory_->write_value<u8>(Gpa{kOperand}, 2);
  memory_->write_value<u8>(Gpa{kCode + 0x900}, 1);
  EXPECT_EQ(run(), 2u);
}

}  // namespace
}  // namespace tandem::jit
