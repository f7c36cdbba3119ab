// What is known of an instruction's shape gives what Zydis gives:
// build/tests/isa/case_test --gtest_filter='Decode*'
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "core/cpu/cpuid_models.h"
#include "core/isa/decode.h"
#include "core/isa/op.h"
#include "core/semantics/host/host.h"

namespace tandem::tests {

namespace {

class DecodeTest : public testing::TestWithParam<u8> {
 protected:
  DecodeTest() {
    cpu_.model = &model_;
    cpu_.host_code = host_code_.get();
    cpu_.mode.protected_mode = true;
  }

  using Bytes = std::array<u8, isa::kMaxLength>;

  u8 random_byte() { return static_cast<u8>(random_()); }

  // Mostly instructions: prefixes, one of the maps, an opcode, whatever.
  Bytes random_bytes() {
    static constexpr u8 kPrefixes[] = {0x66, 0xf2, 0xf3, 0xf0, 0x2e, 0x64, 0x65, 0x67, 0x48, 0x41, 0x4f};
    static constexpr std::array<u8, 2> kMaps[] = {{0x0f, 0},    {0x0f, 0x38}, {0x0f, 0x3a},
                                                  {0xc5, 0xf8}, {0xc4, 0xe2}, {0x62, 0xf1}};
    Bytes bytes;
    for (u8& b : bytes) b = random_byte();
    std::size_t at = 0;
    for (u64 n = random_() % 3; n > 0; --n) bytes[at++] = kPrefixes[random_() % std::size(kPrefixes)];
    if (random_() % 2) return bytes;
    for (const u8 b : kMaps[random_() % std::size(kMaps)])
      if (b) bytes[at++] = b;
    return bytes;
  }

  isa::Insn decode(std::span<const u8> bytes) {
    isa::Insn insn;
    decoder_.decode(cpu_, bytes, GetParam(), 5, insn);
    return insn;
  }

  void forget_when_full() {
    if (!host_code_->nearly_full()) return;
    host_code_->clear();
    decoder_.forget_host_code();
  }

  const cpu::CpuModel model_ = cpu::default_cpu_model();
  std::unique_ptr<semantics::HostCode> host_code_ = semantics::HostCode::create().take();
  cpu::Cpu cpu_;
  isa::Decoder decoder_{model_};
  static constexpr u64 kSeed = 0x5ab1e;
  std::mt19937_64 random_{kSeed};
};

std::string text_of(std::span<const u8> bytes) {
  std::string text;
  for (const u8 b : bytes) text += fmt::format("{:02x} ", b);
  return text;
}

TEST_P(DecodeTest, KnownShapesGiveWhatZydisGives) {
  unsigned instructions = 0;
  for (unsigned n = 0; n < 60'000; ++n) {
    Bytes bytes = random_bytes();
    const std::optional<isa::Shape> shape = isa::shape_of(bytes, GetParam());
    if (!shape) continue;
    if (decode(bytes).op == isa::Op::UNDEFINED) continue;
    ++instructions;
    for (std::size_t at = shape->bytes; at < bytes.size(); ++at) bytes[at] = random_byte();
    const isa::Insn known = decode(bytes);
    if (known.op == isa::Op::UNDEFINED || known.op == isa::Op::TOO_LONG || known.length == bytes.size())
      continue;
    // Of fewer bytes than an instruction may have no shape is made.
    const isa::Insn by_zydis = decode(std::span(bytes).first(known.length));
    ASSERT_EQ(known, by_zydis) << text_of(std::span(bytes).first(known.length)) << "seed " << kSeed << ", "
                               << isa::name_of(known.op) << " and " << isa::name_of(by_zydis.op);
    forget_when_full();
  }
  EXPECT_GT(instructions, 10'000u);
}

INSTANTIATE_TEST_SUITE_P(CodeSizes, DecodeTest, testing::Values(u8{4}, u8{8}));

// Three bytes, of which one is the displacement.
TEST(ShapeTest, DisplacementsAndImmediatesAreNoPartOfIt) {
  const std::array<u8, isa::kMaxLength> load = {0x8b, 0x45, 0x08}, other = {0x8b, 0x45, 0x10},
                                        further = {0x8b, 0x85, 0x10};
  const std::optional<isa::Shape> shape = isa::shape_of(load, 8);
  ASSERT_TRUE(shape);
  EXPECT_EQ(shape->bytes, 2);
  EXPECT_EQ(shape->disp, 1);
  EXPECT_EQ(isa::shape_of(other, 8)->key, shape->key);
  EXPECT_NE(isa::shape_of(further, 8)->key, shape->key);
  EXPECT_NE(isa::shape_of(load, 4)->key, shape->key);
  EXPECT_FALSE(isa::shape_of(load, 2));
}

}  // namespace

}  // namespace tandem::tests
