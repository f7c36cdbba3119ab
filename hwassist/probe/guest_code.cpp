#include "hwassist/probe/guest_code.h"

#include <array>

namespace tandem::hwassist::probe {

using namespace cpu;

namespace {

constexpr u64 kPml4 = 0x1000, kPdpt = 0x2000, kDirectory64 = 0x3000, kDirectory32 = 0x4000, kStack = 0x9000;
// addps xmm0, xmm1; then the loop: dec cx/ecx/rcx; jnz; hlt.
constexpr u64 kCode16 = 0x8000, kCode32 = 0x8100, kCode64 = 0x8200, kSseBytes = 3;
constexpr u8 k16[] = {0x0f, 0x58, 0xc1, 0x49, 0x75, 0xfd, 0xf4};
constexpr u8 k64[] = {0x0f, 0x58, 0xc1, 0x48, 0xff, 0xc9, 0x75, 0xfb, 0xf4};
// rdtsc; shl rdx, 32; or rax, rdx; xor ecx, ecx; hlt
constexpr u64 kCodeTsc = 0x8300;
constexpr u8 kTsc[] = {0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0x31, 0xc9, 0xf4};
constexpr u64 kPresent = 1, kWritable = 2, kUser = 4, kLarge = 0x80;

Segment flat(u16 selector, u8 type, unsigned dpl, bool l, bool db) {
  Segment s;
  s.selector = static_cast<u16>(selector | dpl);
  s.type = type;
  s.s = true;
  s.dpl = static_cast<u8>(dpl);
  s.present = true;
  s.l = l;
  s.db = db;
  s.g = true;
  s.limit = 0xffffffff;
  return s;
}

void make_flat(CpuState& s, unsigned dpl, bool l) {
  constexpr u8 kReadWrite = 3, kExecuteRead = 0xb, kBusyTask = 0xb;
  s.segments[kCs] = flat(0x10, kExecuteRead, dpl, l, !l);
  for (const SegmentName n : {kEs, kSs, kDs, kFs, kGs})
    s.segments[n] = flat(0x18, kReadWrite, dpl, false, true);
  s.tr = flat(0x20, kBusyTask, 0, false, false);
  s.tr.s = false;
  s.tr.g = false;
  s.tr.limit = 0x67;
  s.gdtr = s.idtr = {};
}

}  // namespace

void lay_out(mem::GuestMemory& memory) {
  constexpr u64 kTable = kPresent | kWritable | kUser;
  memory.write_value<u64>(Gpa{kPml4}, kPdpt | kTable);
  memory.write_value<u64>(Gpa{kPdpt}, kDirectory64 | kTable);
  for (u64 i = 0; i < kMemoryBytes / (2 * MiB); ++i)
    memory.write_value<u64>(Gpa{kDirectory64 + 8 * i}, i * 2 * MiB | kTable | kLarge);
  memory.write_value<u32>(Gpa{kDirectory32}, kTable | kLarge);  // 4 MiB
  memory.write(Gpa{kCode16}, k16);
  memory.write(Gpa{kCode32}, k16);  // dec ecx has the same byte
  memory.write(Gpa{kCode64}, k64);
  memory.write(Gpa{kCodeTsc}, kTsc);
}

CpuState state_in(CodeMode mode, u64 iterations, bool sse) {
  CpuState s = reset_state(true, 0);
  s.cr0 = kCr0Et | kCr0Ne | kCr0Mp;
  s.cr4 = kCr4Osfxsr | kCr4Osxmmexcpt;
  s.gpr[kRcx] = iterations;
  s.gpr[kRsp] = kStack;
  s.rip = kCode32;
  const bool user = mode == CodeMode::User32 || mode == CodeMode::User64 || mode == CodeMode::Compat;
  const bool long_mode = mode == CodeMode::Kernel64 || mode == CodeMode::User64 || mode == CodeMode::Compat;
  if (mode == CodeMode::Real) {
    s.segments[kCs].base = s.segments[kCs].selector = 0;
    s.rip = kCode16;
  } else {
    s.cr0 |= kCr0Pe;
    make_flat(s, user ? 3 : 0, mode == CodeMode::Kernel64 || mode == CodeMode::User64);
  }
  if (mode != CodeMode::Real && mode != CodeMode::Protected) {
    s.cr0 |= kCr0Pg | kCr0Wp;
    s.cr3 = long_mode ? kPml4 : kDirectory32;
    s.cr4 |= long_mode ? kCr4Pae : kCr4Pse;
    if (long_mode) s.efer = kEferLme | kEferLma;
    if (s.segments[kCs].l) s.rip = kCode64;
  }
  if (!sse) s.rip += kSseBytes;
  return s;
}

CpuState state_that_reads_tsc() {
  CpuState s = state_in(CodeMode::User64, 1, false);
  s.rip = kCodeTsc;
  return s;
}

}  // namespace tandem::hwassist::probe
