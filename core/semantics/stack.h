// PUSH, POP and kin, and the stack accesses that control transfers are made of.
#pragma once

#include "core/semantics/arithmetic.h"

namespace tandem::semantics {

inline u64 stack_mask(const Cpu& cpu) { return low_mask(cpu.mode.stack_size * 8); }

// rsp, cut or merged as the stack's address size says.
inline u64 stack_pointer(const Cpu& cpu) { return cpu.state.gpr[cpu::kRsp] & stack_mask(cpu); }
inline void set_stack_pointer(Cpu& cpu, u64 value) {
  u64& rsp = cpu.state.gpr[cpu::kRsp];
  const u64 m = stack_mask(cpu);
  rsp = cpu.mode.stack_size == 2 ? (rsp & ~m) | (value & m) : value & m;
}

// Access to the stack segment at `offset` (cut to its size); rsp is not moved.
template <class T>
bool stack_read(Cpu& cpu, u64 offset, T& value) {
  offset &= stack_mask(cpu);
  if (cpu.mode.code_size == 8) {
    if (const u8* p = mmu::hit<T>(cpu.bank->read, offset)) [[likely]] {
      value = load_le<T>(p);
      return true;
    }
  }
  u64 linear;
  return mmu::linearize(cpu, cpu::kSs, offset, sizeof(T), mmu::Access::Read, linear) &&
         mmu::read<T>(cpu, linear, value);
}
template <class T>
bool stack_write(Cpu& cpu, u64 offset, T value) {
  offset &= stack_mask(cpu);
  if (cpu.mode.code_size == 8) {
    if (u8* p = mmu::hit<T>(cpu.bank->write, offset)) [[likely]] {
      store_le<T>(p, value);
      return true;
    }
  }
  u64 linear;
  return mmu::linearize(cpu, cpu::kSs, offset, sizeof(T), mmu::Access::Write, linear) &&
         mmu::write<T>(cpu, linear, value);
}

template <class T>
bool push_value(Cpu& cpu, T value) {
  const u64 sp = stack_pointer(cpu) - sizeof(T);
  if (!stack_write<T>(cpu, sp, value)) return false;
  set_stack_pointer(cpu, sp);
  return true;
}
// Reads the top; the caller moves rsp when nothing can fault any more.
template <class T>
bool peek_value(Cpu& cpu, T& value, unsigned depth = 0) {
  return stack_read<T>(cpu, stack_pointer(cpu) + depth * sizeof(T), value);
}
inline void drop(Cpu& cpu, u64 bytes) { set_stack_pointer(cpu, stack_pointer(cpu) + bytes); }

template <class T, class S = Any<0>>
Step push(Cpu& cpu, const Insn& insn) {
  T v;
  if (!S::template read<T>(cpu, insn, v) || !push_value<T>(cpu, v)) return Step::Fault;
  return Step::Next;
}

template <class T>
Step pop(Cpu& cpu, const Insn& insn) {
  T v;
  if (!peek_value<T>(cpu, v)) return Step::Fault;
  // The destination's address and a POP into rSP see the moved pointer (SDM, POP).
  const u64 before = cpu.state.gpr[cpu::kRsp];
  drop(cpu, sizeof(T));
  if (!Any<0>::write<T>(cpu, insn, v)) {
    cpu.state.gpr[cpu::kRsp] = before;
    return Step::Fault;
  }
  return Step::Next;
}

template <class T>
Step pusha(Cpu& cpu, const Insn&) {
  const u64 sp = stack_pointer(cpu);
  // All eight must be writable before the first is.
  u64 linear;
  if (!mmu::linearize(cpu, cpu::kSs, (sp - 8 * sizeof(T)) & stack_mask(cpu), 8 * sizeof(T),
                      mmu::Access::Write, linear) ||
      !mmu::probe_write(cpu, linear, 8 * sizeof(T)))
    return Step::Fault;
  for (unsigned i = 0; i < 8; ++i)
    if (!stack_write<T>(cpu, sp - (i + 1) * sizeof(T), get_gpr<T>(cpu, i))) return Step::Fault;
  set_stack_pointer(cpu, sp - 8 * sizeof(T));
  return Step::Next;
}

template <class T>
Step popa(Cpu& cpu, const Insn&) {
  T values[8];
  for (unsigned i = 0; i < 8; ++i)
    if (!peek_value<T>(cpu, values[7 - i], i)) return Step::Fault;
  for (unsigned i = 0; i < 8; ++i)
    if (i != cpu::kRsp) set_gpr<T>(cpu, i, values[i]);
  drop(cpu, 8 * sizeof(T));
  return Step::Next;
}

template <class T>
Step enter(Cpu& cpu, const Insn& insn) {
  const unsigned level = (insn.imm >> 16) & 31;
  const u64 allocate = insn.imm & 0xffff;
  const u64 sp = stack_pointer(cpu);
  u64 at = sp - sizeof(T);
  const u64 frame = at;
  if (!stack_write<T>(cpu, at, get_gpr<T>(cpu, cpu::kRbp))) return Step::Fault;
  for (unsigned i = 1; i < level; ++i) {
    T pointer;
    if (!stack_read<T>(cpu, cpu.state.gpr[cpu::kRbp] - i * sizeof(T), pointer)) return Step::Fault;
    at -= sizeof(T);
    if (!stack_write<T>(cpu, at, pointer)) return Step::Fault;
  }
  if (level > 0) {
    at -= sizeof(T);
    if (!stack_write<T>(cpu, at, static_cast<T>(frame))) return Step::Fault;
  }
  // A push at the final stack pointer must be possible (SDM, ENTER).
  u64 linear;
  const u64 end = (at - allocate) & stack_mask(cpu);
  if (!mmu::linearize(cpu, cpu::kSs, end, sizeof(T), mmu::Access::Write, linear) ||
      !mmu::probe_write(cpu, linear, sizeof(T)))
    return Step::Fault;
  set_gpr<T>(cpu, cpu::kRbp, static_cast<T>(frame));
  set_stack_pointer(cpu, at - allocate);
  return Step::Next;
}

template <class T>
Step leave(Cpu& cpu, const Insn&) {
  T old;
  const u64 frame = cpu.state.gpr[cpu::kRbp] & stack_mask(cpu);
  if (!stack_read<T>(cpu, frame, old)) return Step::Fault;
  set_stack_pointer(cpu, frame + sizeof(T));
  set_gpr<T>(cpu, cpu::kRbp, old);
  return Step::Next;
}

template <class T>
Step bound(Cpu& cpu, const Insn& insn) {
  using S = std::make_signed_t<T>;
  u64 linear;
  T limits[2];
  if (!mmu::operand_address(cpu, insn, 2 * sizeof(T), mmu::Access::Read, linear) ||
      !mmu::read_bytes(cpu, linear, limits, sizeof limits))
    return Step::Fault;
  const S index = static_cast<S>(get_reg<T>(cpu, insn.reg[0]));
  if (index < static_cast<S>(limits[0]) || index > static_cast<S>(limits[1]))
    return raise(cpu, fault(cpu::kBoundRange));
  return Step::Next;
}

Step pushf(Cpu& cpu, const Insn& insn);
Step popf(Cpu& cpu, const Insn& insn);

}  // namespace tandem::semantics
