// What accesses prove of addresses: build/tests/jit/jit_test --gtest_filter='AccessFacts*'
#include "jit/llvm/facts.h"

#include <gtest/gtest.h>

#include "core/cpu/cpuid_models.h"
#include "core/isa/decode.h"
#include "core/semantics/host/host.h"

namespace tandem::jit {
namespace {

constexpr u8 kRegion = 3;
constexpr AddressKey kRbx{.base = 3};
constexpr Fact kChecked{kRegion, 0, 0};

class AccessFactsTest : public testing::Test {
 protected:
  AccessFactsTest() {
    cpu_.model = &model_;
    cpu_.host_code = host_code_.get();
    cpu_.mode.protected_mode = true;
    cpu_.mode.code_size = 8;
    ZydisDecoderInit(&zydis_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  }

  // What is known of RBX behind an instruction whose access was let through.
  std::optional<Fact> behind(const std::vector<u8>& bytes, const Facts& before) {
    isa::Insn insn;
    decoder_.decode(cpu_, bytes, 8, 0, insn);
    Decoded d;
    decode(zydis_, insn, bytes, d);
    Facts facts = before;
    follow(facts, insn, d, kRegion, PlanBlock::kSoft);
    return facts.find(kRbx);
  }

  const cpu::CpuModel model_ = cpu::make_cpu_model("max").take();
  std::unique_ptr<semantics::HostCode> host_code_ = semantics::HostCode::create().take();
  cpu::Cpu cpu_;
  isa::Decoder decoder_{model_};
  ZydisDecoder zydis_;
};

const std::vector<u8> kLoad = {0x48, 0x8b, 0x43, 0x40};  // MOV RAX, [RBX+64]
// Some elements may be left out: VMOVDQU8 ZMM0{K1}, [RBX+64], and back; VMASKMOVPS YMM0, YMM1, [RBX+64].
const std::vector<u8> kMasked[] = {{0x62, 0xf1, 0x7f, 0x49, 0x6f, 0x43, 0x01},
                                   {0x62, 0xf1, 0x7f, 0x49, 0x7f, 0x43, 0x01},
                                   {0xc4, 0xe2, 0x75, 0x2c, 0x43, 0x40}};
const std::vector<u8> kWhole = {0x62, 0xf1, 0x7f, 0x48, 0x6f, 0x43, 0x01};  // VMOVDQU8 ZMM0, [RBX+64]

TEST_F(AccessFactsTest, AnAccessProvesItsAddress) {
  EXPECT_EQ(behind(kLoad, {}), (Fact{kRegion, 64, 64}));
  EXPECT_EQ(behind(kWhole, {}), (Fact{kRegion, 64, 64}));
}

TEST_F(AccessFactsTest, OneWhoseElementsMayBeLeftOutProvesWhatWasCheckedBeforeIt) {
  for (const std::vector<u8>& insn : kMasked) EXPECT_EQ(behind(insn, {}), kChecked);
}

// Else a loop could step out of a region with accesses that are not made.
TEST_F(AccessFactsTest, OneWhoseElementsMayBeLeftOutDoesNotRenewWhatIsKnown) {
  constexpr i64 kStep = 4096;
  Facts moved;
  moved.know(kRbx, kChecked);
  moved.move(kRbx.base, kStep);
  for (const std::vector<u8>& insn : kMasked) EXPECT_EQ(behind(insn, moved), (Fact{kRegion, -kStep, -kStep}));
}

}  // namespace
}  // namespace tandem::jit
