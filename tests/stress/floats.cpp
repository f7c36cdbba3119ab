// Floating point: scalar, the C library's functions, AVX2 and FMA, x87 with its own functions, all roundings,
// sticky exceptions, denormals.
#include <fenv.h>
#include <immintrin.h>

#include <array>
#include <bit>
#include <cmath>

#include "tests/stress/stress.h"

namespace tandem::stress {

namespace {

// Any bits: denormals, infinities and NaNs come too.
double any_double(Random& random) {
  const u64 bits = random.next();
  return std::bit_cast<double>(random.below(8) == 0 ? bits & 0x800fffffffffffff : bits);
}

double moderate(Random& random) {
  return static_cast<double>(static_cast<std::int64_t>(random.next() >> 8)) * 0x1p-50;
}

template <typename T>
void add_result(Hash& hash, T value) {
  hash.add(std::isnan(value) ? T{0} : value);  // which NaN: the compiler's choice of operands
}

constexpr std::array kRoundings{FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};

template <typename T, typename Make>
u64 arithmetic(const Work& work, Make make) {
  Random random(work.seed);
  Hash hash;
  for (u64 i = 0; i < work.times(20000); ++i) {
    fesetround(kRoundings[i & 3]);
    feclearexcept(FE_ALL_EXCEPT);
    T a = make(random);
    T b = make(random);
    hide(&a);
    hide(&b);
    for (T r : {a + b, a - b, a * b, a / b, std::sqrt(a)}) add_result(hash, *hide(&r));
    add_result(hash, static_cast<T>(static_cast<float>(a)));
    hash.add(static_cast<u32>(a < b) | static_cast<u32>(a == b) << 1 | static_cast<u32>(a != b) << 2);
    hash.add(static_cast<u32>(fetestexcept(FE_ALL_EXCEPT)));
  }
  fesetround(FE_TONEAREST);
  return hash.value();
}

u64 scalar(const Work& work) { return arithmetic<double>(work, any_double); }
u64 single(const Work& work) {
  return arithmetic<float>(work, [](Random& r) { return std::bit_cast<float>(static_cast<u32>(r.next())); });
}
u64 x87(const Work& work) {
  return arithmetic<long double>(work,
                                 [](Random& r) { return static_cast<long double>(any_double(r)) * 1.25L; });
}

u64 library(const Work& work) {
  Random random(work.seed);
  Hash hash;
  for (u64 i = 0; i < work.times(10000); ++i) {
    const double x = moderate(random);
    for (const double r : {std::sin(x), std::cos(x), std::exp(x / 1e10), std::log(std::fabs(x) + 1),
                           std::pow(std::fabs(x), 0.3), std::atan2(x, 3.0), std::fmod(x, 1.7), std::cbrt(x),
                           std::tanh(x / 1e9), std::nearbyint(x)})
      add_result(hash, r);
  }
  return hash.value();
}

u64 x87_functions(const Work& work) {
  Random random(work.seed);
  Hash hash;
  for (u64 i = 0; i < work.times(5000); ++i) {
    const long double x = moderate(random);
    long double sine, cosine, logarithm, tangent, power, rest;
    u16 status;
    asm volatile("fsincos" : "=t"(cosine), "=u"(sine) : "0"(x));
    asm volatile("fyl2x" : "=t"(logarithm) : "0"(std::fabs(x) + 0.5L), "u"(1.5L) : "st(1)");
    asm volatile("fpatan" : "=t"(tangent) : "0"(3.0L), "u"(x) : "st(1)");
    asm volatile("f2xm1" : "=t"(power) : "0"(sine));
    asm volatile("fprem1; fnstsw %1" : "=t"(rest), "=a"(status) : "0"(x), "u"(2.25L));
    for (const long double r : {sine, cosine, logarithm, tangent, power, rest}) add_result(hash, r);
    hash.add(static_cast<u16>(status & 0x4700));  // C0 to C3
  }
  return hash.value();
}

// More values than the x87 stack holds, by way of all its registers, then packed decimals and integers.
u64 x87_stack(const Work& work) {
  Random random(work.seed);
  Hash hash;
  for (u64 i = 0; i < work.times(5000); ++i) {
    std::array<double, 8> in;
    for (double& d : in) d = moderate(random);
    std::array<u8, 10> decimal;
    std::int64_t integer;
    double sum;
    asm volatile(
        "fldl 0(%3); fldl 8(%3); fldl 16(%3); fldl 24(%3); fldl 32(%3); fldl 40(%3); fldl 48(%3); fldl "
        "56(%3)\n"
        "fxch %%st(5); fadd %%st(3), %%st; fsubrp %%st, %%st(1); fmul %%st(4), %%st(0); fdivrp\n"
        "fcomi %%st(1), %%st; fcmovb %%st(2), %%st; fld %%st(3); fbstp %1; fistpll %2\n"
        "faddp; faddp; faddp; faddp; fstpl %0"
        : "=m"(sum), "=m"(decimal), "=m"(integer)
        : "r"(in.data())
        : "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "cc", "memory");
    add_result(hash, sum);
    hash.bytes(decimal.data(), decimal.size());
    hash.add(integer);
  }
  return hash.value();
}

__attribute__((target("avx2,fma"))) u64 avx2(const Work& work) {
  Random random(work.seed);
  std::array<double, 64> a;
  std::array<double, 64> b;
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = moderate(random), b[i] = moderate(random);
  Hash hash;
  for (u64 round = 0; round < work.times(2000); ++round) {
    for (std::size_t i = 0; i < a.size(); i += 4) {
      const __m256d x = _mm256_loadu_pd(&a[i]);
      const __m256d y = _mm256_loadu_pd(&b[(i + round * 4) % 64]);
      __m256d z = _mm256_fmadd_pd(x, _mm256_set1_pd(0.5), _mm256_hadd_pd(y, x));
      z = _mm256_blendv_pd(z, _mm256_permute4x64_pd(y, 0x1b), _mm256_cmp_pd(x, y, _CMP_LT_OQ));
      _mm256_storeu_pd(&a[i], _mm256_round_pd(z, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC));
      const __m128i index = _mm_set_epi32(static_cast<int>(i), 3, static_cast<int>(round % 64), 60);
      const __m256d gathered = _mm256_i32gather_pd(b.data(), index, 8);
      const __m256i mask = _mm256_cmpgt_epi64(_mm256_castpd_si256(gathered), _mm256_castpd_si256(y));
      _mm256_maskstore_pd(&b[(i + round) % 61], mask, _mm256_mul_pd(gathered, _mm256_set1_pd(0.75)));
    }
  }
  for (const double d : a) add_result(hash, d);
  for (const double d : b) add_result(hash, d);
  return hash.value();
}

bool has_avx2() { return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0; }
u64 avx2_or_none(const Work& work) { return has_avx2() ? avx2(work) : 0; }

constexpr Part kParts[] = {{"double", scalar},
                           {"float", single},
                           {"x87", x87},
                           {"libm", library},
                           {"x87-functions", x87_functions},
                           {"x87-stack", x87_stack},
                           {"avx2", avx2_or_none}};

}  // namespace

std::span<const Part> float_parts() { return kParts; }

}  // namespace tandem::stress
