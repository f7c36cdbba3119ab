// Timers interrupt computations in all registers; handlers use as many themselves. The results do not show
// it.
#include <sys/time.h>

#include <array>

#include "tests/stress/fault.h"
#include "tests/stress/stress.h"

namespace tandem::stress {

namespace {

// Sixteen general registers less two, eight vector registers, x87 and flags go through n rounds.
u64 all_registers(u64 seed, u64 n) {
  u64 result = 0;
  asm volatile(
      "push %%rbp; fninit; fld1; fldpi; movq %%rax, %%xmm0; movq %%rax, %%xmm7\n"
      "lea 1(%%rax), %%rbx; lea 2(%%rax), %%rdx; lea 3(%%rax), %%rsi; lea 4(%%rax), %%rdi; lea 5(%%rax), "
      "%%rbp\n"
      "lea 6(%%rax), %%r8; lea 7(%%rax), %%r9; lea 8(%%rax), %%r10; lea 9(%%rax), %%r11; lea 10(%%rax), "
      "%%r12\n"
      "lea 11(%%rax), %%r13; lea 12(%%rax), %%r14; lea 13(%%rax), %%r15; clc\n"
      "1: adc %%rbx, %%rax; rcl $3, %%rbx; adc %%rdx, %%rbx; sbb %%rsi, %%rdx; rcr $5, %%rsi; adc %%rdi, "
      "%%rsi\n"
      "setc %%dil; cmovo %%rbp, %%rdi; adc %%r8, %%rbp; lea (%%r8,%%r9,4), %%r8; adc %%r10, %%r9; bswap "
      "%%r10\n"
      "sbb %%r12, %%r11; adc %%r13, %%r12; rcl $1, %%r13; adc %%r15, %%r14; sbb %%rax, %%r15; push %%rax; "
      "pushfq\n"
      "movq %%r15, %%xmm1; paddq %%xmm0, %%xmm1; pxor %%xmm1, %%xmm7; pshufd $0x4e, %%xmm7, %%xmm0; fadd "
      "%%st(1), %%st\n"
      "popfq; pop %%rax; dec %%rcx; jnz 1b\n"
      "xor %%rbx, %%rax; xor %%rdx, %%rax; xor %%rsi, %%rax; xor %%rdi, %%rax; xor %%rbp, %%rax; xor %%r8, "
      "%%rax\n"
      "xor %%r9, %%rax; xor %%r10, %%rax; xor %%r11, %%rax; xor %%r12, %%rax; xor %%r13, %%rax; xor %%r14, "
      "%%rax\n"
      "xor %%r15, %%rax; movq %%xmm7, %%rbx; add %%rbx, %%rax; sub $8, %%rsp; fistpll (%%rsp); pop %%rbx\n"
      "add %%rbx, %%rax; fninit; pop %%rbp"
      : "=a"(result), "+c"(n)
      : "a"(seed)
      : "rbx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1",
        "xmm7", "cc", "memory");
  return result;
}

void disturb(int, siginfo_t*, void*) {
  asm volatile(
      "fninit; fldz; fldz; fldz; pcmpeqd %%xmm0, %%xmm0; movaps %%xmm0, %%xmm1; movaps %%xmm0, %%xmm7; xor "
      "%%eax, "
      "%%eax; xor %%ebx, %%ebx; xor %%r8d, %%r8d; xor %%r12d, %%r12d; stc" ::
          : "rax", "rbx", "r8", "r12", "xmm0", "xmm1", "xmm7", "cc", "memory");
}

class Interval {
 public:
  Interval(int which, suseconds_t microseconds) : which_(which) {
    const itimerval every{.it_interval = {0, microseconds}, .it_value = {0, microseconds}};
    require(setitimer(which, &every, nullptr) == 0, "setitimer");
  }
  ~Interval() {
    const itimerval never{};
    setitimer(which_, &never, nullptr);
  }
  Interval(const Interval&) = delete;
  Interval& operator=(const Interval&) = delete;

 private:
  int which_;
};

u64 interrupted(const Work& work) {
  on_signals({SIGALRM, SIGVTALRM, SIGPROF}, disturb, SA_RESTART);
  Hash hash;
  for (const int which : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) {
    const Interval interval(which, 900);
    for (u64 i = 0; i < work.times(40); ++i) hash.add(all_registers(work.seed + i, 30000));
  }
  return hash.value();
}

// Steps through the computation by the trap flag.
void count_step(int, siginfo_t*, void* context) {
  auto& r = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  ++*reinterpret_cast<u64*>(r[REG_R15]);
}

u64 stepped(const Work& work) {
  on_signals({SIGTRAP}, count_step);
  Hash hash;
  for (u64 i = 0; i < work.times(20); ++i) {
    volatile u64 steps = 0;
    u64 sum = work.seed + i;
    asm volatile(
        "lea -128(%%rsp), %%rsp; mov %1, %%r15; pushfq; orl $0x100, (%%rsp); popfq; mov $50, %%ecx\n"
        "1: add %%rcx, %0; rol $7, %0; push %0; pop %%rdx; xor %%rdx, %0; lea (%0,%%rdx,2), %0; loop 1b\n"
        "xor %%eax, %%eax; cpuid; rep; nop; pushfq; andl $~0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp"
        : "+S"(sum)
        : "D"(&steps)
        : "rax", "rbx", "rcx", "rdx", "r15", "memory", "cc");
    hash.add(sum);
    hash.add(u64{steps});
  }
  return hash.value();
}

constexpr Part kParts[] = {{"timers", interrupted}, {"single-steps", stepped}};

}  // namespace

std::span<const Part> timer_parts() { return kParts; }

}  // namespace tandem::stress
