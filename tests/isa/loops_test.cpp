// Loops over x87 and MMX instructions, and over opmask registers, which translated code keeps in the host's
// registers, and over repeated string instructions, against the host CPU:
//   build/tests/isa/loops_test
#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/bits.h"
#include "tests/isa/compare.h"
#include "tests/isa/state_text.h"
#include "tests/support/engines.h"

namespace tandem::tests {
namespace {

const std::vector<u8> kArithmetic = {
    0xb9, 0x28, 0x00, 0x00, 0x00,  // mov ecx, 0x28
    0xd9, 0xeb,                    // fldpi
    0xd9, 0xe8,                    // fld1
    0xd9, 0xc1,                    // fld st(1)
    0xd8, 0xc9,                    // fmul st, st(1)
    0xdd, 0x1b,                    // fstp qword ptr [rbx]
    0xdc, 0x03,                    // fadd qword ptr [rbx]
    0xdb, 0xf1,                    // fcomi st, st(1)
    0xda, 0xc1,                    // fcmovb st, st(1)
    0xdb, 0xd1,                    // fcmovnbe st, st(1)
    0xdf, 0xe0,                    // fnstsw ax
    0x01, 0xc6,                    // add esi, eax
    0xd9, 0xc9,                    // fxch st(1)
    0x7a, 0x02,                    // jp 0x21
    0xd9, 0xfa,                    // fsqrt
    0xff, 0xc9,                    // dec ecx
    0x75, 0xe4,                    // jne 0x9
};

const std::vector<u8> kControlWords = {
    0xb9, 0x14, 0x00, 0x00, 0x00,        // mov ecx, 0x14
    0xd9, 0xeb,                          // fldpi
    0xd9, 0x3b,                          // fnstcw word ptr [rbx]
    0x66, 0xc7, 0x43, 0x02, 0x7f, 0x0c,  // mov word ptr [rbx + 0x2], 0xc7f
    0xd9, 0x6b, 0x02,                    // fldcw word ptr [rbx + 0x2]
    0xd9, 0xc0,                          // fld st(0)
    0xd8, 0x43, 0x10,                    // fadd dword ptr [rbx + 0x10]
    0xdb, 0x5b, 0x08,                    // fistp dword ptr [rbx + 0x8]
    0xd9, 0x2b,                          // fldcw word ptr [rbx]
    0xdb, 0x53, 0x0c,                    // fist dword ptr [rbx + 0xc]
    0xff, 0xc9,                          // dec ecx
    0x75, 0xe6,                          // jne 0x9
};

const std::vector<u8> kUnmasked = {
    0xb9, 0x07, 0x00, 0x00, 0x00,  // mov ecx, 0x7
    0xd9, 0xeb,                    // fldpi
    0xd9, 0x2c, 0x4b,              // fldcw word ptr [rbx + 2*rcx]
    0xd9, 0xee,                    // fldz
    0xd8, 0xf9,                    // fdivr st, st(1)
    0xdd, 0x5b, 0x40,              // fstp qword ptr [rbx + 0x40]
    0xff, 0xc9,                    // dec ecx
    0x75, 0xf2,                    // jne 0x7
};

const std::vector<u8> kStores = {
    0xb9, 0x14, 0x00, 0x00, 0x00,              // mov ecx, 0x14
    0xd9, 0xeb,                                // fldpi
    0xd9, 0xe8,                                // fld1
    0xd8, 0xc1,                                // fadd st, st(1)
    0xd9, 0xc0,                                // fld st(0)
    0xdb, 0x3b,                                // fstp tbyte ptr [rbx]
    0x48, 0x81, 0xc3, 0x00, 0x04, 0x00, 0x00,  // add rbx, 0x400
    0xff, 0xc9,                                // dec ecx
    0x75, 0xef,                                // jne 0x9
};

const std::vector<u8> kMmx = {
    0xb9, 0x14, 0x00, 0x00, 0x00,  // mov ecx, 0x14
    0x0f, 0x6e, 0xc9,              // movd mm1, ecx
    0x0f, 0x6f, 0x03,              // movq mm0, qword ptr [rbx]
    0x0f, 0xfc, 0xc1,              // paddb mm0, mm1
    0x0f, 0x7f, 0x43, 0x08,        // movq qword ptr [rbx + 0x8], mm0
    0x0f, 0xd7, 0xc0,              // pmovmskb eax, mm0
    0x01, 0xc6,                    // add esi, eax
    0xf3, 0x0f, 0xd6, 0xd8,        // movq2dq xmm3, mm0
    0x0f, 0x73, 0xd1, 0x01,        // psrlq mm1, 0x1
    0x48, 0x83, 0xc3, 0x08,        // add rbx, 0x8
    0xff, 0xc9,                    // dec ecx
    0x75, 0xe1,                    // jne 0x8
    0x7a, 0x02,                    // jp 0x2b
    0x0f, 0x77,                    // emms
    0xd9, 0xe8,                    // fld1
};

const std::vector<u8> kMasked = {
    0xb9, 0x14, 0x00, 0x00, 0x00,              // mov ecx, 0x14
    0x62, 0xf1, 0x7f, 0xc9, 0x6f, 0x03,        // vmovdqu8 zmm0 {k1} {z}, zmmword ptr [rbx]
    0x62, 0xf1, 0x7d, 0x48, 0xfc, 0xc2,        // vpaddb zmm0, zmm0, zmm2
    0x62, 0xf3, 0x7d, 0x49, 0x3e, 0xd1, 0x06,  // vpcmpnleub k2 {k1}, zmm0, zmm1
    0xc4, 0xe1, 0xfb, 0x93, 0xc2,              // kmovq rax, k2
    0x48, 0x01, 0xc6,                          // add rsi, rax
    0x62, 0xf1, 0x7d, 0x4a, 0xfc, 0xdb,        // vpaddb zmm3 {k2}, zmm0, zmm3
    0x62, 0xf1, 0x7f, 0x49, 0x7f, 0x03,        // vmovdqu8 zmmword ptr [rbx] {k1}, zmm0
    0xc4, 0xe1, 0xf8, 0x98, 0xd2,              // kortestq k2, k2
    0x74, 0x02,                                // je 0x35
    0xff, 0xc7,                                // inc edi
    0xc4, 0xe3, 0xf9, 0x31, 0xc9, 0x03,        // kshiftrq k1, k1, 0x3
    0x48, 0x83, 0xc3, 0x40,                    // add rbx, 0x40
    0xff, 0xc9,                                // dec ecx
    0x75, 0xc2,                                // jne 0x5
};

const std::vector<u8> kStringMoves = {
    0xbd, 0x14, 0x00, 0x00, 0x00,  // mov ebp,0x14
    0x48, 0x89, 0xde,              // mov rsi,rbx
    0x48, 0x8d, 0x7c, 0xeb, 0x03,  // lea rdi,[rbx+rbp*8+0x3]
    0x89, 0xe9,                    // mov ecx,ebp
    0xf3, 0xa4,                    // rep movs
    0x89, 0xe9,                    // mov ecx,ebp
    0xf3, 0xab,                    // rep stos
    0x48, 0x89, 0xde,              // mov rsi,rbx
    0x89, 0xe9,                    // mov ecx,ebp
    0xf3, 0x48, 0xa5,              // rep movs
    0x48, 0x01, 0xf8,              // add rax,rdi
    0xff, 0xcd,                    // dec ebp
    0x75, 0xe1,                    // jne 0x5
};

const std::vector<u8> kStringComparisons = {
    0xbd, 0xc8, 0x00, 0x00, 0x00,  // mov ebp,0xc8
    0x48, 0x89, 0xdf,              // mov rdi,rbx
    0xb9, 0x96, 0x00, 0x00, 0x00,  // mov ecx,0x96
    0x89, 0xe8,                    // mov eax,ebp
    0xf2, 0xae,                    // repnz scas
    0x0f, 0x94, 0xc2,              // sete dl
    0x49, 0x11, 0xc8,              // adc r8,rcx
    0x48, 0x8d, 0x34, 0x2b,        // lea rsi,[rbx+rbp*1]
    0x48, 0x89, 0xdf,              // mov rdi,rbx
    0xb9, 0x2c, 0x01, 0x00, 0x00,  // mov ecx,0x12c
    0xf3, 0x66, 0xa7,              // repz cmps
    0x0f, 0x97, 0xc2,              // seta dl
    0x49, 0x01, 0xd1,              // add r9,rdx
    0x49, 0x01, 0xc9,              // add r9,rcx
    0x89, 0xe9,                    // mov ecx,ebp
    0x83, 0xe1, 0x01,              // and ecx,0x1
    0x83, 0xfd, 0x64,              // cmp ebp,0x64
    0xf3, 0xaf,                    // repz scas
    0x49, 0x83, 0xd2, 0x00,        // adc r10,0x0
    0xff, 0xcd,                    // dec ebp
    0x75, 0xc4,                    // jne 0x5
};

const std::vector<u8> kStringStores = {
    0xbd, 0x01, 0x00, 0x00, 0x00,              // mov ebp,0x1
    0x48, 0x8d, 0xbb, 0xc0, 0x1f, 0x00, 0x00,  // lea rdi,[rbx+0x1fc0]
    0x8d, 0x0c, 0xed, 0x00, 0x00, 0x00, 0x00,  // lea ecx,[rbp*8+0x0]
    0xf3, 0xaa,                                // rep stos
    0xff, 0xc5,                                // inc ebp
    0x83, 0xfd, 0x14,                          // cmp ebp,0x14
    0x75, 0xe9,                                // jne 0x5
};

const std::vector<u8> kStringScans = {
    0xbd, 0x01, 0x00, 0x00, 0x00,              // mov ebp,0x1
    0x48, 0x8d, 0xbb, 0x00, 0x1e, 0x00, 0x00,  // lea rdi,[rbx+0x1e00]
    0x89, 0xe9,                                // mov ecx,ebp
    0xc1, 0xe1, 0x05,                          // shl ecx,0x5
    0xf3, 0x66, 0xaf,                          // repz scas
    0x49, 0x11, 0xf8,                          // adc r8,rdi
    0xff, 0xc5,                                // inc ebp
    0x83, 0xfd, 0x14,                          // cmp ebp,0x14
    0x75, 0xe7,                                // jne 0x5
};

const std::vector<u8> kStringWalk = {
    0xbd, 0x64, 0x00, 0x00, 0x00,  // mov ebp,0x64
    0x48, 0x8d, 0x73, 0x09,        // lea rsi,[rbx+0x9]
    0x48, 0x89, 0xdf,              // mov rdi,rbx
    0xb9, 0x21, 0x00, 0x00, 0x00,  // mov ecx,0x21
    0xf3, 0xae,                    // repz scas
    0x74, 0x03,                    // je 0x18
    0x49, 0xff, 0xc0,              // inc r8
    0xb9, 0x2d, 0x00, 0x00, 0x00,  // mov ecx,0x2d
    0xf2, 0xa6,                    // repnz cmps
    0x4c, 0x8b, 0x0f,              // mov r9,QWORD PTR [rdi]
    0x4c, 0x33, 0x16,              // xor r10,QWORD PTR [rsi]
    0x4d, 0x01, 0xcb,              // add r11,r9
    0x83, 0xed, 0x01,              // sub ebp,0x1
    0x75, 0xdf,                    // jne 0xc
};

const std::vector<u8> kStringsDownwards = {
    0xfd,                                      // std
    0xbd, 0x14, 0x00, 0x00, 0x00,              // mov ebp,0x14
    0x48, 0x8d, 0xb3, 0x03, 0x10, 0x00, 0x00,  // lea rsi,[rbx+0x1003]
    0x48, 0x8d, 0x3c, 0x2e,                    // lea rdi,[rsi+rbp*1]
    0xb9, 0x32, 0x00, 0x00, 0x00,              // mov ecx,0x32
    0xf3, 0x66, 0xa5,                          // rep movs
    0xf2, 0xae,                                // repnz scas
    0xb9, 0x32, 0x00, 0x00, 0x00,              // mov ecx,0x32
    0xf3, 0xa6,                                // repz cmps
    0x49, 0x11, 0xf8,                          // adc r8,rdi
    0xff, 0xcd,                                // dec ebp
    0x75, 0xdd,                                // jne 0x6
    0xfc,                                      // cld
};

constexpr u16 kAllMasked = 0x37f, kZeroDivideUnmasked = 0x37b;

class Loops : public testing::TestWithParam<EngineRow> {
 protected:
  // Several times: what is translated, or compiled, is run again.
  void compare(const std::vector<u8>& code) {
    Program p;
    p.insns = {code};
    p.undefined_flags = {0, 0};
    p.start = start_;
    Comparer comparer(oracle_of(native_), *guest_, GetParam().exact_flags);
    for (int run = 0; run < 3; ++run) EXPECT_EQ(comparer.compare(p), "");
  }
  std::optional<u8> fault_of_host(const std::vector<u8>& code) {
    RunState end = start_;
    native_.run(code, end);
    return end.fault ? std::optional(end.fault->vector) : std::nullopt;
  }
  // A control word that the loop loads in the turn before `left` more.
  void set_control_word(unsigned left, u16 word) { store_le<u16>(start_.window.data() + 2 * left, word); }

  RunState start_ = [] {
    RunState s = default_state();
    s.gpr[cpu::kRbx] = kWindowAddress;
    return s;
  }();

 private:
  static NativeExecutor& native() {
    static const std::unique_ptr<NativeExecutor> executor = NativeExecutor::create().take();
    return *executor;
  }

  NativeExecutor& native_ = native();  // before any engine: both handle signals, and the last is the first
  std::unique_ptr<cpu::Engine> engine_ = GetParam().make();
  std::unique_ptr<EngineExecutor> guest_ =
      EngineExecutor::create(*engine_, cpu::make_cpu_model("max").take()).take();
};

TEST_P(Loops, X87Arithmetic) { compare(kArithmetic); }

TEST_P(Loops, X87ArithmeticWithAnExceptionUnmaskedThatDoesNotHappen) {
  start_.vector.x87.fcw = kZeroDivideUnmasked;
  compare(kArithmetic);
}

TEST_P(Loops, X87ArithmeticOnAFullStack) {
  start_.vector.x87.ftw_abridged = 0xff;
  compare(kArithmetic);
}

TEST_P(Loops, X87ControlWordsThatRoundOtherwise) { compare(kControlWords); }

TEST_P(Loops, X87ControlWordsThatUnmaskWhatHappensThen) {
  for (unsigned turn = 1; turn <= 7; ++turn) set_control_word(turn, kAllMasked);
  compare(kUnmasked);
  for (const unsigned left : {7u, 4u, 1u}) {
    set_control_word(left, kZeroDivideUnmasked);
    EXPECT_EQ(fault_of_host(kUnmasked), cpu::kMathFault);
    compare(kUnmasked);
    set_control_word(left, kAllMasked);
  }
}

TEST_P(Loops, X87StoresThatFault) {
  EXPECT_EQ(fault_of_host(kStores), cpu::kPageFault);
  compare(kStores);
}

TEST_P(Loops, Mmx) {
  for (std::size_t i = 0; i < 256; ++i) start_.window[i] = static_cast<u8>(i * 37);
  compare(kMmx);
}

// Several values in runs that are longer than a vector.
class StringLoops : public Loops {
 protected:
  void SetUp() override {
    for (std::size_t i = 0; i < kWindowSize; ++i) start_.window[i] = static_cast<u8>(i / 70);
  }
};

TEST_P(StringLoops, Moves) { compare(kStringMoves); }
TEST_P(StringLoops, Comparisons) { compare(kStringComparisons); }
TEST_P(StringLoops, GoOnWhereTheLastOneEnded) { compare(kStringWalk); }
TEST_P(StringLoops, Downwards) { compare(kStringsDownwards); }

TEST_P(StringLoops, StoresThatFault) {
  EXPECT_EQ(fault_of_host(kStringStores), cpu::kPageFault);
  compare(kStringStores);
}

TEST_P(StringLoops, ScansThatFault) {
  std::ranges::fill(start_.window, u8{0x22});
  start_.gpr[cpu::kRax] = 0x2222;
  EXPECT_EQ(fault_of_host(kStringScans), cpu::kPageFault);
  compare(kStringScans);
}

// The window ends in the tenth turn.
class MaskedLoops : public Loops {
 protected:
  void SetUp() override {
    if (!__builtin_cpu_supports("avx512bw")) GTEST_SKIP() << "the host has no AVX512BW";
    constexpr u64 kTurns = 10, kStep = 64, kOdd = 13;
    start_.gpr[cpu::kRbx] = kWindowAddress + kWindowSize - kTurns * kStep + kOdd;
    for (std::size_t i = 0; i < kWindowSize; ++i) start_.window[i] = static_cast<u8>(i * 37);
    for (std::size_t i = 0; i < 64; ++i) {
      start_.vector.zmm[1].bytes[i] = static_cast<u8>(i * 3);
      start_.vector.zmm[2].bytes[i] = static_cast<u8>(i);
    }
  }
};

TEST_P(MaskedLoops, AccessesThatFault) {
  start_.vector.k[1] = ~u64{0};
  EXPECT_EQ(fault_of_host(kMasked), cpu::kPageFault);
  compare(kMasked);
}

TEST_P(MaskedLoops, AccessesWhoseFaultsAreLeftOut) {
  start_.vector.k[1] = 0xff;
  EXPECT_EQ(fault_of_host(kMasked), std::nullopt);
  compare(kMasked);
}

INSTANTIATE_TEST_SUITE_P(Engines, MaskedLoops, testing::ValuesIn(engine_rows()),
                         [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Engines, StringLoops, testing::ValuesIn(engine_rows()),
                         [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Engines, Loops, testing::ValuesIn(engine_rows()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tandem::tests
