// Signals of faults: what the CPU reports, handlers that repair and go on, handlers on a stack of their own,
// handlers in handlers.
#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "tests/stress/fault.h"
#include "tests/stress/stress.h"

namespace tandem::stress {

namespace {

// A case: RAX, RCX, RDX, RDI and bytes of code. Returns what skip_fault noted, and the registers then.
struct Registers {
  u64 rax, rcx, rdx, rdi;
};

class Faulting {
 public:
  Faulting() { on_signals({SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGBUS}, skip_fault); }

  u64 run(std::span<const u8> code, Registers& r) const {
    std::memcpy(code_.at(), code.data(), code.size());
    const u8* const at = code_.at();
    u64 noted = 0;
    asm volatile("lea 1f(%%rip), %%r15; xor %%r14d, %%r14d; jmp *%[at]; 1: fninit; cld; mov %%r14, %[noted]"
                 : "+a"(r.rax), "+c"(r.rcx), "+d"(r.rdx), "+D"(r.rdi), [noted] "=r"(noted)
                 : [at] "r"(at)
                 : "rbx", "rsi", "r14", "r15", "xmm0", "xmm1", "memory", "cc");
    return noted;
  }

 private:
  Mapping code_{kPage, PROT_READ | PROT_WRITE | PROT_EXEC};
};

// Each ends in a fault; what comes before it must have happened, what comes behind it must not.
constexpr auto kFaults = std::to_array<std::array<u8, 16>>({
    {0x48, 0xff, 0xc0, 0x48, 0xf7, 0xf9},                    // inc rax; idiv rcx = 0
    {0x48, 0x89, 0xd1, 0xf6, 0xf2},                          // mov rcx, rdx; div dl: quotient too large
    {0x48, 0xff, 0xc1, 0x0f, 0x0b},                          // inc rcx; ud2
    {0x48, 0xff, 0xc1, 0xcc, 0x48, 0xff, 0xc1, 0x0f, 0x0b},  // inc rcx; int3
    {0x48, 0x8d, 0x41, 0x05, 0x48, 0x01, 0x07},              // lea rax, [rcx+5]; add [rdi], rax
    {0x48, 0x83, 0xc0, 0x01, 0x48, 0x0f, 0xb1, 0x0f},        // add rax, 1; cmpxchg [rdi], rcx
    {0x48, 0x83, 0xc0, 0x01, 0xf0, 0x48, 0x0f, 0xc1, 0x07},  // add rax, 1; lock xadd [rdi], rax
    {0x48, 0x87, 0xca, 0x48, 0x87, 0x0f},                    // xchg rdx, rcx; xchg [rdi], rcx
    {0x48, 0xff, 0xc0, 0xf4},                                // inc rax; hlt: privileged
    {0x48, 0xff, 0xc0, 0xfa},                                // inc rax; cli
    {0x48, 0xff, 0xc0, 0x0f, 0x20, 0xd8},                    // inc rax; mov rax, cr3
    {0x48, 0xff, 0xc0, 0xec},                                // inc rax; in al, dx
    {0x48, 0xff, 0xc1, 0x0f, 0x28, 0x07},                    // inc rcx; movaps xmm0, [rdi]
    {0x48, 0xff, 0xc1, 0xdf, 0x2f},                          // inc rcx; fild qword [rdi]
    {0x48, 0xff, 0xc1, 0xff, 0x27},                          // inc rcx; jmp [rdi]
    {0x48, 0xff, 0xc1, 0xff, 0xe0},                          // inc rcx; jmp rax: not canonical or unmapped
    {0x48, 0xff, 0xc1, 0xcd, 0x40},                          // inc rcx; int 40h
    {0x48, 0xff, 0xc0, 0xf0, 0x90},                          // inc rax; lock nop: #UD
    {0x9c, 0x48, 0x81, 0x0c, 0x24, 0x00, 0x01, 0x00, 0x00, 0x9d, 0x48, 0xff, 0xc0, 0x0f,
     0x0b},  // TF set: #DB
});

u64 reports(const Work& work) {
  Random random(work.seed);
  Hash hash;
  const Faulting faulting;
  const Mapping memory(3 * kPage, PROT_READ | PROT_WRITE);
  memory.protect(kPage, kPage, PROT_READ);
  memory.protect(2 * kPage, kPage, PROT_NONE);
  for (u64 i = 0; i < work.times(1000); ++i) {
    for (const auto& code : kFaults) {
      const u64 base = reinterpret_cast<u64>(memory.at());
      const u64 place =
          random.below(4) == 0 ? 0x8000000000000000 : base + kPage * (1 + random.below(2)) - random.below(8);
      Registers r{.rax = ~random.below(1000), .rcx = 0, .rdx = random.below(100) * 2, .rdi = place};
      hash.add(faulting.run(code, r));
      for (const u64 v : {r.rax, r.rcx, r.rdx}) hash.add(v);
    }
  }
  return hash.value();
}

// A handler that mends what faulted; the instruction is run again.
void allow(int, siginfo_t* info, void*) {
  const auto page = reinterpret_cast<u64>(info->si_addr) & ~(kPage - 1);
  mprotect(reinterpret_cast<void*>(page), kPage, PROT_READ | PROT_WRITE);
}

u64 mended(const Work& work) {
  on_signals({SIGSEGV}, allow);
  Random random(work.seed);
  constexpr std::size_t kPages = 32;
  const Mapping memory(kPages * kPage, PROT_READ | PROT_WRITE);
  for (u64 i = 0; i < work.times(200); ++i) {
    memory.protect(0, kPages * kPage, random.below(2) != 0 ? PROT_NONE : PROT_READ);
    for (u64 k = 0; k < 200; ++k) {
      u8* const at = memory.at() + random.below(kPages * kPage - 64);
      const u64 value = random.next();
      switch (k % 4) {
        case 0: asm volatile("add %1, (%0)" ::"r"(at), "r"(value) : "memory", "cc"); break;
        case 1: asm volatile("rolq $3, (%0); sub %1, (%0)" ::"r"(at), "r"(value) : "memory", "cc"); break;
        case 2:
          asm volatile("movq %1, %%xmm0; punpcklqdq %%xmm0, %%xmm0; movups %%xmm0, (%0)" ::"r"(at), "r"(value)
                       : "xmm0", "memory");
          break;
        default:
          asm volatile("mov %1, %%rax; mulq %1; add %%rax, (%0); adcq $1, (%0)" ::"r"(at), "r"(value)
                       : "rax", "rdx", "memory", "cc");
      }
    }
  }
  Hash hash;
  hash.bytes(memory.at(), kPages * kPage);
  return hash.value();
}

// On a stack of its own: a stack pointer that leads nowhere, and a handler that faults itself.
void nested(int number, siginfo_t* info, void* context) {
  auto& r = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  if (number == SIGSEGV && r[REG_RCX] != 0) {
    u64 seen = 0;
    asm volatile("xor %%ecx, %%ecx; lea 1f(%%rip), %%r15; movq %%rcx, (%%rcx); 1: mov %%r14, %0"
                 : "=r"(seen)::"rcx", "r14", "r15", "memory", "cc");
    r[REG_R13] = static_cast<greg_t>(seen * 31);
  }
  skip_fault(number, info, context);
}

u64 stacks(const Work& work) {
  const Mapping memory(16 * kPage, PROT_READ | PROT_WRITE);
  const stack_t own{.ss_sp = memory.at(), .ss_flags = 0, .ss_size = 16 * kPage};
  require(sigaltstack(&own, nullptr) == 0, "sigaltstack");
  on_signals({SIGSEGV}, nested, SA_ONSTACK | SA_NODEFER);
  Hash hash;
  for (u64 i = 0; i < work.times(2000); ++i) {
    u64 outer = 0;
    u64 inner = 0;
    asm volatile(
        "mov %%rsp, %%r12; xor %%r13d, %%r13d; mov %2, %%ecx; lea 1f(%%rip), %%r15; mov $0x1000, %%esp; push "
        "%%rax; 1: "
        "mov %%r12, %%rsp; mov %%r14, %0; mov %%r13, %1"
        : "=r"(outer), "=r"(inner)
        : "r"(static_cast<u32>(i % 3))
        : "rcx", "r12", "r13", "r14", "r15", "memory", "cc");
    hash.add(outer);
    hash.add(inner);
  }
  return hash.value();
}

// Unmasked SSE and x87 exceptions, and the end of a file.
u64 numeric(const Work& work) {
  on_signals({SIGFPE, SIGBUS}, skip_fault);
  const int file = memfd_create("stress", 0);
  require(file >= 0 && ftruncate(file, kPage) == 0, "memfd_create");
  void* const mapped = mmap(nullptr, 2 * kPage, PROT_READ, MAP_SHARED, file, 0);
  require(mapped != MAP_FAILED, "mmap");
  Hash hash;
  for (u64 i = 0; i < work.times(1000); ++i) {
    u64 noted = 0;
    const u32 mxcsr = 0x1f80 & ~(0x80u << i % 6);
    const double values[] = {0.0, 1e308, 1e-308, 3.0, -1.0, static_cast<double>(i)};
    const double a = values[i % 6];
    const double b = values[i / 6 % 6];
    const u32 usual = 0x1f80;
    double result = 7;
    asm volatile(
        "lea 1f(%%rip), %%r15; xor %%r14d, %%r14d; ldmxcsr %2; movsd %3, %%xmm0; divsd %4, %%xmm0; mulsd %3, "
        "%%xmm0; "
        "movsd %%xmm0, %1; 1: mov %%r14, %0; ldmxcsr %5"
        : "=r"(noted), "+m"(result)
        : "m"(mxcsr), "m"(a), "m"(b), "m"(usual)
        : "r14", "r15", "xmm0", "memory", "cc");
    hash.add(noted);
    hash.add(result);
    const u16 control = static_cast<u16>(0x37f & ~(1u << i % 6));
    asm volatile(
        "lea 1f(%%rip), %%r15; xor %%r14d, %%r14d; fninit; fldcw %2; fldl %3; fdivl %4; fmull %3; fstpl %1; "
        "fwait; 1: "
        "mov %%r14, %0; fninit"
        : "=r"(noted), "+m"(result)
        : "m"(control), "m"(a), "m"(b)
        : "r14", "r15", "memory", "cc");
    hash.add(noted);
    hash.add(result);
    asm volatile("lea 1f(%%rip), %%r15; xor %%r14d, %%r14d; mov (%1), %%rax; 1: mov %%r14, %0"
                 : "=r"(noted)
                 : "r"(static_cast<u8*>(mapped) + kPage)
                 : "rax", "r14", "r15", "memory", "cc");
    hash.add(noted);
  }
  return hash.value();
}

constexpr Part kParts[] = {{"fault-reports", reports},
                           {"fault-mended", mended},
                           {"fault-stacks", stacks},
                           {"fault-numeric", numeric}};

}  // namespace

std::span<const Part> signal_parts() { return kParts; }

}  // namespace tandem::stress
