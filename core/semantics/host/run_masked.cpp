// Instructions that touch only some elements of their memory operand, and fault only for those.
#include <bit>
#include <cstring>

#include "core/mmu/segment.h"
#include "core/semantics/host/host.h"
#include "core/semantics/host/run.h"

namespace tandem::semantics {

using namespace cpu;
using isa::Insn;

namespace {

u64 signs(const u8* bytes, const MemoryMask& mask) {
  u64 set = 0;
  for (unsigned i = 0; i < mask.elements; ++i)
    if (bytes[(i + 1) * mask.element - 1] & 0x80) set |= u64{1} << i;
  return set;
}

// Bit i: element i of the memory operand is accessed.
u64 selected(const Cpu& cpu, const MemoryMask& mask) {
  const VectorState& v = cpu.state.vector;
  if (mask.source == MaskSource::VectorSign) return signs(v.zmm[mask.reg].bytes, mask);
  if (mask.source == MaskSource::MmxSign) {  // MMn is the physical register n, ST0 that at TOP
    const unsigned top = v.x87.fsw >> 11 & 7;
    return signs(v.x87.st[(mask.reg - top) & 7], mask);
  }
  const u64 bits = v.k[mask.reg] & low_mask(mask.lanes);
  if (mask.packed) return low_mask(static_cast<unsigned>(std::popcount(bits)));
  if (mask.lanes == mask.elements) return bits;
  u64 folded = 0;
  for (unsigned i = 0; i < mask.lanes; ++i) folded |= (bits >> i & 1) << i % mask.elements;
  return folded;
}

template <class F>
bool for_each(u64 set, const MemoryMask& mask, F f) {
  for (; set; set &= set - 1)
    if (!f(static_cast<unsigned>(std::countr_zero(set)) * mask.element)) return false;
  return true;
}

// False where an element that is not accessed could fault, or be written, if the whole operand were.
bool whole_operand(Cpu& cpu, const HostInsn& host, u64 set, u64 linear) {
  return set == low_mask(host.mask.elements) && (linear & kPageMask) + host.memory_size <= kPageSize &&
         cpu.mode.code_size == 8;
}

// Alignment of the whole operand counts as soon as one element is accessed.
bool aligned(Cpu& cpu, const Insn& insn, const HostInsn& host, u64 set, u64 offset, mmu::Access access) {
  if (host.alignment == 1 || set == 0) return true;
  u64 linear;
  if (!mmu::linearize(cpu, insn.segment, offset, 1, access, linear)) return false;
  if (!(linear & (host.alignment - 1u))) return true;
  cpu.fault = fault(kGeneralProtection, 0);
  return false;
}

}  // namespace

Step run_masked_load(Cpu& cpu, const Insn& insn, const HostInsn& host) {
  if (!enter(cpu, host)) return Step::Fault;
  const u64 offset = mmu::effective_address(cpu, insn);
  const u64 set = selected(cpu, host.mask);
  if (!aligned(cpu, insn, host, set, offset, mmu::Access::Read)) return Step::Fault;
  if (whole_operand(cpu, host, set, offset)) return run_load(cpu, insn, host);
  u8* memory = scratch_for(cpu, offset);
  std::memset(memory, 0, host.memory_size);
  const bool loaded = for_each(set, host.mask, [&](unsigned at) {
    u64 linear;
    return mmu::linearize(cpu, insn.segment, offset + at, host.mask.element, mmu::Access::Read, linear) &&
           mmu::read_bytes(cpu, linear, memory + at, host.mask.element);
  });
  return loaded ? execute(cpu, insn, host, memory, offset) : Step::Fault;
}

Step run_masked_store(Cpu& cpu, const Insn& insn, const HostInsn& host) {
  if (!enter(cpu, host)) return Step::Fault;
  const u64 offset = mmu::effective_address(cpu, insn);
  const u64 set = selected(cpu, host.mask);
  if (!aligned(cpu, insn, host, set, offset, mmu::Access::Write)) return Step::Fault;
  if (whole_operand(cpu, host, set, offset)) return run_store(cpu, insn, host);
  auto linear_of = [&](unsigned at, u64& linear) {
    return mmu::linearize(cpu, insn.segment, offset + at, host.mask.element, mmu::Access::Write, linear);
  };
  u64 linear;
  const u64 checked = host.mask.checks_all ? low_mask(host.mask.elements) : set;
  const bool allowed = for_each(checked, host.mask, [&](unsigned at) {
    return linear_of(at, linear) && mmu::probe_write(cpu, linear, host.mask.element);
  });
  if (!allowed) return Step::Fault;
  u8* memory = scratch_for(cpu, offset);
  const Step step = execute(cpu, insn, host, memory, offset);
  if (step != Step::Next) return step;
  const bool stored = for_each(set, host.mask, [&](unsigned at) {
    return linear_of(at, linear) && mmu::write_bytes(cpu, linear, memory + at, host.mask.element);
  });
  return stored ? Step::Next : Step::Fault;
}

}  // namespace tandem::semantics
