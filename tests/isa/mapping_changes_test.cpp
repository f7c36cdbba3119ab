// Vcpu::mapping_changes(): who keeps mappings of its own must hear of each INVLPG, of whatever page.
#include <gtest/gtest.h>

#include "core/cpu/cpuid_models.h"
#include "core/mem/guest_memory.h"
#include "tests/support/engines.h"
#include "tests/support/no_devices.h"

namespace tandem::tests {
namespace {

using namespace cpu;

constexpr u64 kCode = 0x1000;

class MappingChanges : public testing::TestWithParam<EngineRow> {
 protected:
  // Changes while the code runs, in real mode, to a HLT behind it.
  u64 changes_by(std::vector<u8> code) {
    code.push_back(0xf4);
    memory_->write(Gpa{kCode}, code);
    CpuState s = reset_state(true, 0);
    s.segments[kCs].base = 0;
    s.segments[kCs].selector = 0;
    s.rip = kCode;
    s.gpr[kRbx] = 0x8000;
    EXPECT_TRUE(vcpu_->import_state(s));
    const u64 before = vcpu_->mapping_changes();
    EXPECT_EQ(vcpu_->run({1000}, devices_).why, StopReason::Halted);
    return vcpu_->mapping_changes() - before;
  }

 private:
  const CpuModel model_ = make_cpu_model("max").take();
  NoDevices devices_;
  std::unique_ptr<mem::GuestMemory> memory_ = mem::GuestMemory::create(MiB).take();
  std::unique_ptr<Engine> engine_ = GetParam().make();
  std::unique_ptr<Vcpu> vcpu_ = engine_->make_vcpu(VcpuId{0}, *memory_, model_).take();
};

TEST_P(MappingChanges, CountInvlpgOfAPageOfData) {
  EXPECT_GT(changes_by({0x0f, 0x01, 0x3f}), 0u);  // INVLPG [BX]
}

TEST_P(MappingChanges, AreNotMadeByWhatChangesNone) { EXPECT_EQ(changes_by({0x90}), 0u); }

INSTANTIATE_TEST_SUITE_P(Engines, MappingChanges, testing::ValuesIn(engine_rows()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tandem::tests
