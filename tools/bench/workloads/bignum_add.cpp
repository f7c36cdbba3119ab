// Sum of two numbers of 256 words of 64 bits: one long ADC chain, with the carry alive across the loop's own
// jump.
#include <array>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

constexpr std::size_t kWords = 256;

class BignumAdd {
 public:
  BignumAdd() {
    Random random;
    for (std::size_t i = 0; i < kWords; ++i) a_[i] = random.next(), b_[i] = random.next();
  }
  void once() {
    const u64* a = a_.data();
    const u64* b = b_.data();
    u64* sum = sum_.data();
    u64 rounds = kWords / 4;
    u64 word = 0;
    asm volatile(
        "clc\n"
        "1:\n"
        "mov (%[a]), %[word]\n adc (%[b]), %[word]\n mov %[word], (%[sum])\n"
        "mov 8(%[a]), %[word]\n adc 8(%[b]), %[word]\n mov %[word], 8(%[sum])\n"
        "mov 16(%[a]), %[word]\n adc 16(%[b]), %[word]\n mov %[word], 16(%[sum])\n"
        "mov 24(%[a]), %[word]\n adc 24(%[b]), %[word]\n mov %[word], 24(%[sum])\n"
        "lea 32(%[a]), %[a]\n lea 32(%[b]), %[b]\n lea 32(%[sum]), %[sum]\n"
        "dec %[rounds]\n"
        "jnz 1b\n"
        : [a] "+r"(a), [b] "+r"(b), [sum] "+r"(sum), [rounds] "+r"(rounds), [word] "+r"(word)
        :
        : "cc", "memory");
  }
  u64 checksum() const { return hash(std::span<const u64>(sum_)); }

 private:
  std::array<u64, kWords> a_, b_, sum_{};
};

}  // namespace

Workload bignum_add() { return make_workload<BignumAdd>("bignum-add", "integer"); }

}  // namespace tandem::bench
