// Repeated string instructions in both directions, over pages that can't be accessed until a handler lets
// them. What a fault in the middle leaves in RSI, RDI and RCX is part of the checksum.
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <array>

#include "tests/stress/stress.h"

namespace tandem::stress {

namespace {

constexpr std::size_t kPages = 8;
constexpr u64 kDirection = 0x400;
constexpr u64 kArithmeticFlags = 0x8d5;

// R15: a sum of what the registers were at faults; R14: where the memory begins.
void let_in(int, siginfo_t* info, void* context) {
  auto& r = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto reg = [&](int i) { return static_cast<u64>(r[i]); };
  const auto page = reinterpret_cast<u64>(info->si_addr) & ~(kPage - 1);
  u64 sum = reg(REG_R15);
  for (const u64 v :
       {page - reg(REG_R14), reg(REG_RCX), reg(REG_RSI) - reg(REG_R14), reg(REG_RDI) - reg(REG_R14)})
    sum = (sum ^ v) * 0x100000001b3;
  r[REG_R15] = static_cast<greg_t>(sum);
  mprotect(reinterpret_cast<void*>(page), kPage, PROT_READ | PROT_WRITE);
}

struct Registers {
  u64 rax, rcx, rsi, rdi, flags;
};

// One repeated instruction and a RET, written anew for each use.
class Instruction {
 public:
  void write(Random& random) {
    static constexpr std::array<u8, 5> kOpcodes{0xa4, 0xaa, 0xac, 0xa6,
                                                0xae};  // MOVS STOS LODS CMPS SCAS, of bytes
    static constexpr std::array<std::size_t, 4> kSizes{1, 2, 4, 8};
    const std::size_t s = random.below(4);
    size = kSizes[s];
    u8* at = code_.at();
    if (s == 1) *at++ = 0x66;
    *at++ = random.below(2) != 0 ? 0xf3 : 0xf2;
    if (s == 3) *at++ = 0x48;
    *at++ = static_cast<u8>(kOpcodes[random.below(5)] | (s == 0 ? 0 : 1));
    *at = 0xc3;
  }

  // Returns the sum of its faults.
  u64 run(Registers& r, u64 base) const {
    register u64 r14 asm("r14") = base;
    register u64 r15 asm("r15") = 1;
    const u8* const code = code_.at();
    asm volatile(
        "lea -128(%%rsp), %%rsp; pushq %[flags]; popfq; call *%[code]; pushfq; popq %[flags]; cld; "
        "lea 128(%%rsp), %%rsp"
        : "+a"(r.rax), "+c"(r.rcx), "+S"(r.rsi), "+D"(r.rdi), [flags] "+&r"(r.flags), "+r"(r15)
        : "r"(r14), [code] "r"(code)
        : "cc", "memory");
    return r15;
  }

  std::size_t size = 1;

 private:
  Mapping code_{kPage, PROT_READ | PROT_WRITE | PROT_EXEC};
};

// Mostly the same bytes, so that comparisons go far.
void fill(Random& random, std::span<u8> memory) {
  std::ranges::fill(memory, u8{0x11});
  for (u64 i = 0; i < 20; ++i) memory[random.below(memory.size())] = static_cast<u8>(random.next());
}

u64 strings(const Work& work) {
  struct sigaction action{};
  action.sa_sigaction = let_in;
  action.sa_flags = SA_SIGINFO;
  require(sigaction(SIGSEGV, &action, nullptr) == 0, "sigaction");

  Random random(work.seed);
  Hash hash;
  const Mapping memory(kPages * kPage, PROT_READ | PROT_WRITE);
  Instruction instruction;
  const auto base = reinterpret_cast<u64>(memory.at());
  for (u64 i = 0; i < work.times(4000); ++i) {
    if (i % 16 == 0) fill(random, {memory.at(), kPages * kPage});
    for (u64 closed = random.below(3); closed != 0; --closed)
      memory.protect(random.below(kPages) * kPage, kPage, random.below(2) != 0 ? PROT_NONE : PROT_READ);
    instruction.write(random);
    const bool down = random.below(3) == 0;
    const u64 count = random.below(3 * kPage / instruction.size);
    const u64 bytes = (count + 1) * instruction.size;
    // Downwards the first element is the highest.
    const auto place = [&] {
      return base + random.below(kPages * kPage - bytes) + (down ? bytes - instruction.size : 0);
    };
    const u64 rsi = place();
    const u64 rdi = place();
    Registers r{
        .rax = 0x1111111111111111, .rcx = count, .rsi = rsi, .rdi = rdi, .flags = down ? kDirection | 2 : 2};
    const u64 faults = instruction.run(r, base);
    for (const u64 v : {r.rax, r.rcx, r.rsi - base, r.rdi - base, r.flags & kArithmeticFlags, faults})
      hash.add(v);
    memory.protect(0, kPages * kPage, PROT_READ | PROT_WRITE);
    hash.bytes(memory.at() + random.below(kPages) * kPage, kPage);
  }
  return hash.value();
}

constexpr Part kParts[] = {{"strings", strings}};

}  // namespace

std::span<const Part> string_parts() { return kParts; }

}  // namespace tandem::stress
