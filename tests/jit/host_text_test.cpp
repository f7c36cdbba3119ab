// What is assembled from the text of a vector instruction is that instruction.
#include "jit/llvm/host_text.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Module.h>
#include <llvm/Support/TargetSelect.h>

#include <algorithm>
#include <random>

#include "core/isa/decode.h"

namespace tandem::jit {
namespace {

constexpr const char* kMemory = "-48(%rax,%rbx,8)";
constexpr u8 kModRm = 0x44, kSib = 0xd8, kDisp = 0xd0;  // the same, disp8 as of SSE and AVX

struct Text {
  Decoded original;
  std::string text;
};

class HostText : public testing::Test {
 protected:
  HostText() { ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64); }

  Decoded decoded(std::span<const u8> bytes) {
    Decoded d;
    isa::Insn insn;
    insn.length = static_cast<u8>(bytes.size());
    decode(decoder_, insn, bytes, d);
    return d;
  }

  u8 random_byte() { return static_cast<u8>(random_()); }

  // A random opcode of a random map in a random encoding, with registers 0 to 7 and the operand above.
  std::vector<u8> random_instruction() {
    std::vector<u8> bytes;
    switch (random_() % 3) {
      case 0: {
        constexpr u8 kPrefixes[] = {0, 0x66, 0xf2, 0xf3};
        if (const u8 prefix = kPrefixes[random_() % 4]) bytes.push_back(prefix);
        bytes.push_back(0x0f);
        if (random_() % 2) bytes.push_back(random_() % 2 ? 0x38 : 0x3a);
        break;
      }
      case 1: bytes = {0xc4, static_cast<u8>(0xe0 | (1 + random_() % 3)), random_byte()}; break;
      default:
        bytes = {0x62, static_cast<u8>(0xf0 | (1 + random_() % 3)), static_cast<u8>(random_byte() | 4),
                 static_cast<u8>(random_byte() & 0x6f)};
    }
    bytes.insert(bytes.end(), {random_byte(), static_cast<u8>(kModRm | (random_byte() & 0x38)), kSib, kDisp,
                               random_byte()});
    return bytes;
  }

  // Each in its own place, as bytes that the decoder stops in by itself.
  std::vector<Decoded> assembled(std::span<const Text> texts) {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    llvm::InitializeNativeTargetAsmParser();
    auto context = std::make_unique<llvm::LLVMContext>();
    auto module = std::make_unique<llvm::Module>("texts", *context);
    std::string all;
    for (const Text& t : texts) all += fmt::format(".p2align 4, 0\n{}\n", t.text);
    llvm::IRBuilder<> builder(*context);
    auto* const type = llvm::FunctionType::get(builder.getVoidTy(), false);
    auto* const function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, "texts", *module);
    function->addFnAttr(llvm::Attribute::Naked);
    function->setAlignment(llvm::Align(16));
    builder.SetInsertPoint(llvm::BasicBlock::Create(*context, "", function));
    builder.CreateCall(llvm::InlineAsm::get(type, all, "", true));
    builder.CreateUnreachable();
    auto host = llvm::cantFail(llvm::orc::JITTargetMachineBuilder::detectHost());
    host.addFeatures({"+avx2",        "+fma",        "+f16c",       "+aes",          "+pclmul",
                      "+sha",         "+gfni",       "+vaes",       "+vpclmulqdq",   "+avx512f",
                      "+avx512bw",    "+avx512dq",   "+avx512vl",   "+avx512cd",     "+avx512vbmi",
                      "+avx512vbmi2", "+avx512ifma", "+avx512vnni", "+avx512bitalg", "+avx512vpopcntdq",
                      "+sse4.1",      "+sse4.2",     "+ssse3",      "+sse3"});
    jit_ = llvm::cantFail(llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(host).create());
    llvm::cantFail(jit_->addIRModule(llvm::orc::ThreadSafeModule(std::move(module), std::move(context))));
    const auto* const code = llvm::cantFail(jit_->lookup("texts")).toPtr<const u8*>();
    std::vector<Decoded> all_decoded;
    for (std::size_t n = 0; n < texts.size(); ++n)
      all_decoded.push_back(decoded({code + 16 * n, isa::kMaxLength}));
    return all_decoded;
  }

  ZydisDecoder decoder_;
  std::mt19937 random_{kSeed};
  static constexpr unsigned kSeed = 0x7e47;
  std::unique_ptr<llvm::orc::LLJIT> jit_;
};

// One of them has the operand above.
bool same(const ZydisDecodedOperand& a, const ZydisDecodedOperand& b) {
  if (a.type != b.type) return false;
  if (a.type == ZYDIS_OPERAND_TYPE_REGISTER) return a.reg.value == b.reg.value;
  if (a.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) return a.imm.value.u == b.imm.value.u;
  return a.size == b.size && a.mem.base == ZYDIS_REGISTER_RAX && b.mem.base == a.mem.base &&
         b.mem.index == a.mem.index && b.mem.scale == a.mem.scale && b.mem.disp.value == -48;
}

std::vector<ZydisDecodedOperand> operands_of(const Decoded& d) {
  std::vector<ZydisDecodedOperand> operands;
  for (unsigned n = 0; n < d.insn.operand_count_visible; ++n)
    if (d.operands[n].encoding != ZYDIS_OPERAND_ENCODING_MASK) operands.push_back(d.operands[n]);
  return operands;
}

// In whichever encoding: without a mask and with low registers, EVEX and VEX say the same.
bool same(const Decoded& a, const Decoded& b) {
  const auto alike = [](const ZydisDecodedOperand& x, const ZydisDecodedOperand& y) { return same(x, y); };
  return b.insn.length && a.insn.mnemonic == b.insn.mnemonic &&
         std::ranges::equal(operands_of(a), operands_of(b), alike);
}

// Of Xeon Phi, which the decoder takes for vector instructions and no guest has.
bool takes_four_registers(const Decoded& d) {
  return d.insn.meta.isa_ext == ZYDIS_ISA_EXT_AVX512EVEX &&
         (d.insn.meta.isa_set == ZYDIS_ISA_SET_AVX512_4FMAPS_512 ||
          d.insn.meta.isa_set == ZYDIS_ISA_SET_AVX512_4FMAPS_SCALAR ||
          d.insn.meta.isa_set == ZYDIS_ISA_SET_AVX512_4VNNIW_512);
}

TEST_F(HostText, IsAssembledToTheSameInstruction) {
  std::vector<Text> texts;
  for (unsigned n = 0; n < 200'000; ++n) {
    const std::vector<u8> bytes = random_instruction();
    const Decoded d = decoded(bytes);
    if (!d.insn.length || takes_four_registers(d)) continue;
    if (const auto text = vector_text(d, kMemory)) texts.push_back({d, *text});
  }
  EXPECT_GT(texts.size(), 10'000u);
  const std::vector<Decoded> found = assembled(texts);
  for (std::size_t n = 0; n < texts.size(); ++n)
    ASSERT_TRUE(same(texts[n].original, found[n])) << texts[n].text << ", seed " << kSeed;
}

TEST_F(HostText, IsNotThereWhereItWouldNotTellAll) {
  const std::vector<u8> conversion{0xf2, 0x0f, 0x2a, 0x44, 0xd8, 0xd0};             // cvtsi2sd xmm0, dword
  const std::vector<u8> integer{0x48, 0x03, 0x44, 0xd8, 0xd0};                      // add rax, qword
  const std::vector<u8> x87{0xdd, 0x44, 0xd8, 0xd0};                                // fld qword
  const std::vector<u8> masked{0x62, 0xf1, 0x7c, 0x49, 0x58, 0x44, 0xd8, 0xd0};     // vaddps zmm0{k1}, ..
  const std::vector<u8> broadcast{0x62, 0xf1, 0x7c, 0x58, 0x58, 0x44, 0xd8, 0xd0};  // vaddps .., {1to16}
  const std::vector<u8> in_registers{0x0f, 0x58, 0xc1};                             // addps xmm0, xmm1
  for (const auto& bytes : {conversion, integer, x87, masked, broadcast, in_registers}) {
    const Decoded d = decoded(bytes);
    ASSERT_NE(d.insn.length, 0);
    EXPECT_EQ(vector_text(d, kMemory), std::nullopt) << ZydisMnemonicGetString(d.insn.mnemonic);
  }
}

}  // namespace
}  // namespace tandem::jit
