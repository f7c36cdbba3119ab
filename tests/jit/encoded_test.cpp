// What is known of an instruction's shape is what Zydis says of the instruction:
// build/tests/jit/jit_test --gtest_filter='*Encoder*'
#include "jit/base/encoded.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "core/cpu/cpuid_models.h"
#include "core/isa/decode.h"
#include "core/isa/op.h"
#include "core/semantics/host/host.h"

namespace tandem::jit {

namespace {

using Bytes = std::array<u8, isa::kMaxLength>;

class EncoderTest : public testing::TestWithParam<u8> {
 protected:
  EncoderTest() {
    cpu_.model = &model_;
    cpu_.host_code = host_code_.get();
    cpu_.mode.protected_mode = true;
  }

  u8 random_byte() { return static_cast<u8>(random_()); }

  // With a prefix or two, of each map: shifts and what has a memory operand come often enough.
  Bytes random_bytes() {
    static constexpr u8 kFirst[] = {0x66, 0xf3, 0x48, 0x0f, 0xc1, 0xd3, 0x8b, 0xc5, 0xc4, 0x62};
    Bytes bytes;
    for (u8& b : bytes) b = random_byte();
    for (std::size_t at = 0; at < random_() % 3; ++at) bytes[at] = kFirst[random_() % std::size(kFirst)];
    return bytes;
  }

  isa::Insn decode(std::span<const u8> bytes) {
    isa::Insn insn;
    decoder_.decode(cpu_, bytes, GetParam(), 0, insn);
    return insn;
  }

  const cpu::CpuModel model_ = cpu::default_cpu_model();
  std::unique_ptr<semantics::HostCode> host_code_ = semantics::HostCode::create().take();
  cpu::Cpu cpu_;
  isa::Decoder decoder_{model_};
  static constexpr u64 kSeed = 0xe4c0de;
  std::mt19937_64 random_{kSeed};
};

TEST_P(EncoderTest, KnownShapesGiveWhatZydisGives) {
  Encoder encoder;
  for (unsigned n = 0; n < 8'000; ++n) {
    Bytes bytes = random_bytes();
    const std::optional<isa::Shape> shape = isa::shape_of(bytes, GetParam());
    const isa::Insn first = decode(bytes);
    if (!shape || first.op == isa::Op::UNDEFINED) continue;
    encoder.encode(first, bytes, GetParam());
    for (std::size_t at = shape->bytes; at < bytes.size(); ++at) bytes[at] = random_byte() & random_byte();
    const isa::Insn insn = decode(bytes);
    const Encoded known = encoder.encode(insn, bytes, GetParam());
    const Encoded by_zydis = Encoder().encode(insn, bytes, GetParam());
    ASSERT_EQ(known.insn, by_zydis.insn) << isa::name_of(insn.op) << ", seed " << kSeed << ", " << n;
    ASSERT_EQ(known.memory, by_zydis.memory) << isa::name_of(insn.op) << ", seed " << kSeed << ", " << n;
    ASSERT_EQ(known.flags, by_zydis.flags) << isa::name_of(insn.op) << ", seed " << kSeed << ", " << n;
    ASSERT_EQ(known.undefined_flags, by_zydis.undefined_flags) << isa::name_of(insn.op);
    ASSERT_EQ(known.reads, by_zydis.reads) << isa::name_of(insn.op) << ", seed " << kSeed << ", " << n;
    ASSERT_EQ(known.writes, by_zydis.writes) << isa::name_of(insn.op) << ", seed " << kSeed << ", " << n;
    ASSERT_EQ(known.small, by_zydis.small) << isa::name_of(insn.op) << ", seed " << kSeed << ", " << n;
    ASSERT_EQ(known.names_gpr32, by_zydis.names_gpr32) << isa::name_of(insn.op);
  }
}

INSTANTIATE_TEST_SUITE_P(CodeSizes, EncoderTest, testing::Values(u8{4}, u8{8}));

// A shift by nothing leaves the flags alone, one of the same shape does not.
TEST(Encoder, ShiftsByNothingAreToldApart) {
  const cpu::CpuModel model = cpu::default_cpu_model();
  cpu::Cpu cpu;
  cpu.model = &model;
  isa::Decoder decoder(model);
  Encoder encoder;
  const auto kills = [&](u8 count) {
    const std::array<u8, 3> shl = {0xc1, 0xe0, count};
    isa::Insn insn;
    decoder.decode(cpu, shl, 8, 0, insn);
    return encoder.encode(insn, shl, 8).flags.kills;
  };
  EXPECT_EQ(kills(0), 0u);
  EXPECT_EQ(kills(5), kAllFlags);
  EXPECT_EQ(kills(0), 0u);
  EXPECT_EQ(kills(32), 0u);
}

}  // namespace

}  // namespace tandem::jit
