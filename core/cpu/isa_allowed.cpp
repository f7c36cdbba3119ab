#include "core/cpu/isa_allowed.h"

#include "core/cpu/cpuid_models.h"

namespace tandem::cpu {

namespace {

struct SetRow {
  ZydisISASet first, last;  // Zydis numbers the vector lengths of one set in sequence
  Feature feature;
};

constexpr SetRow one(ZydisISASet s, Feature f) { return {s, s, f}; }

constexpr SetRow kRows[] = {
    one(ZYDIS_ISA_SET_ADOX_ADCX, Feature::adx),
    one(ZYDIS_ISA_SET_AES, Feature::aes),
    one(ZYDIS_ISA_SET_AVX, Feature::avx),
    one(ZYDIS_ISA_SET_AVX2, Feature::avx2),
    one(ZYDIS_ISA_SET_AVX2GATHER, Feature::avx2),
    {ZYDIS_ISA_SET_AVX512BW_128, ZYDIS_ISA_SET_AVX512BW_KOP, Feature::avx512bw},
    {ZYDIS_ISA_SET_AVX512CD_128, ZYDIS_ISA_SET_AVX512CD_512, Feature::avx512cd},
    {ZYDIS_ISA_SET_AVX512DQ_128, ZYDIS_ISA_SET_AVX512DQ_SCALAR, Feature::avx512dq},
    {ZYDIS_ISA_SET_AVX512F_128, ZYDIS_ISA_SET_AVX512F_SCALAR, Feature::avx512f},
    {ZYDIS_ISA_SET_AVX512_BITALG_128, ZYDIS_ISA_SET_AVX512_BITALG_512, Feature::avx512bitalg},
    {ZYDIS_ISA_SET_AVX512_GFNI_128, ZYDIS_ISA_SET_AVX512_GFNI_512, Feature::gfni},
    {ZYDIS_ISA_SET_AVX512_IFMA_128, ZYDIS_ISA_SET_AVX512_IFMA_512, Feature::avx512ifma},
    {ZYDIS_ISA_SET_AVX512_VAES_128, ZYDIS_ISA_SET_AVX512_VAES_512, Feature::vaes},
    {ZYDIS_ISA_SET_AVX512_VBMI2_128, ZYDIS_ISA_SET_AVX512_VBMI2_512, Feature::avx512vbmi2},
    {ZYDIS_ISA_SET_AVX512_VBMI_128, ZYDIS_ISA_SET_AVX512_VBMI_512, Feature::avx512vbmi},
    {ZYDIS_ISA_SET_AVX512_VNNI_128, ZYDIS_ISA_SET_AVX512_VNNI_512, Feature::avx512vnni},
    {ZYDIS_ISA_SET_AVX512_VPCLMULQDQ_128, ZYDIS_ISA_SET_AVX512_VPCLMULQDQ_512, Feature::vpclmulqdq},
    {ZYDIS_ISA_SET_AVX512_VPOPCNTDQ_128, ZYDIS_ISA_SET_AVX512_VPOPCNTDQ_512, Feature::avx512vpopcntdq},
    one(ZYDIS_ISA_SET_AVXAES, Feature::aes),
    one(ZYDIS_ISA_SET_AVX_GFNI, Feature::gfni),
    one(ZYDIS_ISA_SET_BMI1, Feature::bmi1),
    one(ZYDIS_ISA_SET_BMI2, Feature::bmi2),
    one(ZYDIS_ISA_SET_CLFLUSHOPT, Feature::clflushopt),
    one(ZYDIS_ISA_SET_CLFSH, Feature::clflush),
    one(ZYDIS_ISA_SET_CLWB, Feature::clwb),
    one(ZYDIS_ISA_SET_CLZERO, Feature::clzero),
    one(ZYDIS_ISA_SET_CMOV, Feature::cmov),
    one(ZYDIS_ISA_SET_CMPXCHG16B, Feature::cx16),
    one(ZYDIS_ISA_SET_F16C, Feature::f16c),
    one(ZYDIS_ISA_SET_FCMOV, Feature::cmov),
    one(ZYDIS_ISA_SET_FMA, Feature::fma),
    one(ZYDIS_ISA_SET_FXSAVE, Feature::fxsr),
    one(ZYDIS_ISA_SET_FXSAVE64, Feature::fxsr),
    one(ZYDIS_ISA_SET_GFNI, Feature::gfni),
    one(ZYDIS_ISA_SET_INVPCID, Feature::invpcid),
    one(ZYDIS_ISA_SET_LONGMODE, Feature::lm),
    one(ZYDIS_ISA_SET_LZCNT, Feature::lzcnt),
    one(ZYDIS_ISA_SET_MONITOR, Feature::monitor),
    one(ZYDIS_ISA_SET_MOVBE, Feature::movbe),
    one(ZYDIS_ISA_SET_PCLMULQDQ, Feature::pclmulqdq),
    one(ZYDIS_ISA_SET_PENTIUMMMX, Feature::mmx),
    one(ZYDIS_ISA_SET_POPCNT, Feature::popcnt),
    one(ZYDIS_ISA_SET_RDPID, Feature::rdpid),
    one(ZYDIS_ISA_SET_RDPMC, Feature::mmx),
    one(ZYDIS_ISA_SET_RDRAND, Feature::rdrand),
    one(ZYDIS_ISA_SET_RDSEED, Feature::rdseed),
    one(ZYDIS_ISA_SET_RDTSCP, Feature::rdtscp),
    one(ZYDIS_ISA_SET_RDWRFSGS, Feature::fsgsbase),
    one(ZYDIS_ISA_SET_SHA, Feature::sha),
    one(ZYDIS_ISA_SET_SMAP, Feature::smap),
    one(ZYDIS_ISA_SET_SSE, Feature::sse),
    one(ZYDIS_ISA_SET_SSE2, Feature::sse2),
    one(ZYDIS_ISA_SET_SSE2MMX, Feature::sse2),
    one(ZYDIS_ISA_SET_SSE3, Feature::sse3),
    one(ZYDIS_ISA_SET_SSE3X87, Feature::sse3),
    one(ZYDIS_ISA_SET_SSE4, Feature::sse41),
    one(ZYDIS_ISA_SET_SSE42, Feature::sse42),
    one(ZYDIS_ISA_SET_SSEMXCSR, Feature::sse),
    one(ZYDIS_ISA_SET_SSSE3, Feature::ssse3),
    one(ZYDIS_ISA_SET_SSSE3MMX, Feature::ssse3),
    one(ZYDIS_ISA_SET_VAES, Feature::vaes),
    one(ZYDIS_ISA_SET_VPCLMULQDQ, Feature::vpclmulqdq),
    one(ZYDIS_ISA_SET_XSAVE, Feature::xsave),
    one(ZYDIS_ISA_SET_XSAVEC, Feature::xsavec),
    one(ZYDIS_ISA_SET_XSAVEOPT, Feature::xsaveopt),
    one(ZYDIS_ISA_SET_XSAVES, Feature::xsaves),
};

// Sets that every model has: the 486's, and hints that older CPUs treat as NOP.
bool is_base(ZydisISASet set) {
  switch (set) {
    case ZYDIS_ISA_SET_I86:
    case ZYDIS_ISA_SET_I186:
    case ZYDIS_ISA_SET_I286PROTECTED:
    case ZYDIS_ISA_SET_I286REAL:
    case ZYDIS_ISA_SET_I386:
    case ZYDIS_ISA_SET_I486:
    case ZYDIS_ISA_SET_I486REAL:
    case ZYDIS_ISA_SET_LAHF:
    case ZYDIS_ISA_SET_PAUSE:
    case ZYDIS_ISA_SET_X87: return true;
    default: return false;
  }
}

// Sets that came with the Pentium and Pentium Pro: any model above the 486 has them.
bool is_pentium(ZydisISASet set) {
  switch (set) {
    case ZYDIS_ISA_SET_PENTIUMREAL:
    case ZYDIS_ISA_SET_PPRO:
    case ZYDIS_ISA_SET_FAT_NOP:
    case ZYDIS_ISA_SET_PREFETCH_NOP:
    case ZYDIS_ISA_SET_SSE_PREFETCH:
    case ZYDIS_ISA_SET_AMD3DNOW:  // PREFETCH and PREFETCHW; the arithmetic is refused by mnemonic
    case ZYDIS_ISA_SET_CET:
    case ZYDIS_ISA_SET_CLDEMOTE: return true;
    default: return false;
  }
}

}  // namespace

bool isa_allowed(const CpuModel& model, ZydisISASet set) {
  if (is_base(set)) return true;
  if (is_pentium(set)) return model.family > 4;
  for (const SetRow& row : kRows)
    if (set >= row.first && set <= row.last) return model.has(row.feature);
  return false;
}

}  // namespace tandem::cpu
