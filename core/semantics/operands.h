// How instructions reach their operands. Each accessor has read, write and update (read-modify-write), which
// return false on a guest fault. Semantics are templates on accessors: Any looks at the Insn at run time, the
// others are for engines that have looked already.
#pragma once

#include "core/isa/insn.h"
#include "core/mmu/access.h"
#include "core/mmu/segment.h"

namespace tandem::semantics {

using cpu::Cpu;
using cpu::Step;
using isa::Insn;
using isa::OperandKind;

template <class T>
T get_reg(const Cpu& cpu, u8 offset) {
  return load_le<T>(reinterpret_cast<const u8*>(&cpu.state) + offset);
}
// A 32-bit result clears the upper half (SDM vol. 1, 3.4.1.1).
template <class T>
void set_reg(Cpu& cpu, u8 offset, T value) {
  u8* p = reinterpret_cast<u8*>(&cpu.state) + offset;
  if constexpr (sizeof(T) == 4) store_le<u64>(p, value);
  else store_le<T>(p, value);
}

template <class T>
T get_gpr(const Cpu& cpu, unsigned index) {
  return static_cast<T>(cpu.state.gpr[index]);
}
template <class T>
void set_gpr(Cpu& cpu, unsigned index, T value) {
  set_reg<T>(cpu, isa::gpr_offset(index), value);
}

template <class T>
bool read_memory_slow(Cpu& cpu, const Insn& insn, T& value) {
  u64 linear;
  return mmu::operand_address(cpu, insn, sizeof(T), mmu::Access::Read, linear) &&
         mmu::read<T>(cpu, linear, value);
}
template <class T>
bool write_memory_slow(Cpu& cpu, const Insn& insn, T value) {
  u64 linear;
  return mmu::operand_address(cpu, insn, sizeof(T), mmu::Access::Write, linear) &&
         mmu::write<T>(cpu, linear, value);
}

// f(old) -> new on host memory; with LOCK as one atomic step.
template <class T, class F>
void update_host(u8* p, bool locked, F f) {
  if (!locked) {
    store_le<T>(p, f(load_le<T>(p)));
    return;
  }
  // SAFETY: p lies in guest RAM that other vCPUs share; x86 allows a misaligned locked operation.
  T* cell = reinterpret_cast<T*>(p);
  T old = __atomic_load_n(cell, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(cell, &old, f(old), false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
  }
}

template <class T, class F>
bool update_linear(Cpu& cpu, u64 linear, bool locked, F f) {
  u8* p;
  if (!mmu::host_for_write(cpu, linear, sizeof(T), p)) return false;
  if (p) {
    update_host<T>(p, locked, f);
    return true;
  }
  mmu::UpdateTarget target;
  if (!mmu::locate_update(cpu, linear, sizeof(T), target)) return false;
  if (target.host) {  // code or watched page
    update_host<T>(target.host, locked, f);
    mmu::finish_update(cpu, target);
    return true;
  }
  T old;
  return mmu::read_slow(cpu, linear, &old, sizeof(T)) && mmu::write<T>(cpu, linear, f(old));
}

template <class T, class F>
bool update_memory_slow(Cpu& cpu, const Insn& insn, F f) {
  u64 linear;
  if (!mmu::operand_address(cpu, insn, sizeof(T), mmu::Access::Write, linear)) return false;
  return update_linear<T>(cpu, linear, insn.prefixes & isa::kLock, f);
}

// Operand N of the instruction, whatever it is.
template <unsigned N>
struct Any {
  template <class T>
  static bool read(Cpu& cpu, const Insn& insn, T& value) {
    switch (insn.kind[N]) {
      case OperandKind::Mem: return read_memory_slow<T>(cpu, insn, value);
      case OperandKind::Imm: value = static_cast<T>(insn.imm); return true;
      default: value = get_reg<T>(cpu, insn.reg[N]); return true;
    }
  }
  template <class T>
  static bool write(Cpu& cpu, const Insn& insn, T value) {
    if (insn.kind[N] == OperandKind::Mem) return write_memory_slow<T>(cpu, insn, value);
    set_reg<T>(cpu, insn.reg[N], value);
    return true;
  }
  template <class T, class F>
  static bool update(Cpu& cpu, const Insn& insn, F f) {
    if (insn.kind[N] == OperandKind::Mem) return update_memory_slow<T>(cpu, insn, f);
    set_reg<T>(cpu, insn.reg[N], f(get_reg<T>(cpu, insn.reg[N])));
    return true;
  }
};

template <unsigned N>
struct Reg {
  template <class T>
  static bool read(Cpu& cpu, const Insn& insn, T& value) {
    value = get_reg<T>(cpu, insn.reg[N]);
    return true;
  }
  template <class T>
  static bool write(Cpu& cpu, const Insn& insn, T value) {
    set_reg<T>(cpu, insn.reg[N], value);
    return true;
  }
  template <class T, class F>
  static bool update(Cpu& cpu, const Insn& insn, F f) {
    set_reg<T>(cpu, insn.reg[N], f(get_reg<T>(cpu, insn.reg[N])));
    return true;
  }
};

struct Imm {
  template <class T>
  static bool read(Cpu&, const Insn& insn, T& value) {
    value = static_cast<T>(insn.imm);
    return true;
  }
};

// A memory operand without segment base, 64-bit address (AddressForm::Flat64).
struct Flat {
  static u64 address(const Cpu& cpu, const Insn& insn) {
    return mmu::register_at(cpu, insn.base) + (mmu::register_at(cpu, insn.index) << insn.scale_log2) +
           static_cast<u64>(insn.disp);
  }
  template <class T>
  static bool read(Cpu& cpu, const Insn& insn, T& value) {
    if (const u8* p = mmu::hit<T>(cpu.bank->read, address(cpu, insn))) [[likely]] {
      value = load_le<T>(p);
      return true;
    }
    return read_memory_slow<T>(cpu, insn, value);
  }
  template <class T>
  static bool write(Cpu& cpu, const Insn& insn, T value) {
    if (u8* p = mmu::hit<T>(cpu.bank->write, address(cpu, insn))) [[likely]] {
      store_le<T>(p, value);
      return true;
    }
    return write_memory_slow<T>(cpu, insn, value);
  }
  template <class T, class F>
  static bool update(Cpu& cpu, const Insn& insn, F f) {
    if (u8* p = mmu::hit<T>(cpu.bank->write, address(cpu, insn))) [[likely]] {
      update_host<T>(p, insn.prefixes & isa::kLock, f);
      return true;
    }
    return update_memory_slow<T>(cpu, insn, f);
  }
};

// rip of the byte behind the instruction; state.rip is the start of its block while the block runs.
inline u64 next_rip(const Cpu& cpu, const Insn& insn) {
  const u64 rip = cpu.state.rip + insn.offset + insn.length;
  return cpu.mode.code_size == 8   ? rip
         : cpu.mode.code_size == 4 ? static_cast<u32>(rip)
                                   : static_cast<u16>(rip);
}
inline u64 this_rip(const Cpu& cpu, const Insn& insn) {
  if (insn.offset == 0) return cpu.state.rip;
  return (cpu.state.rip + insn.offset) & low_mask(cpu.mode.code_size * 8);
}

}  // namespace tandem::semantics
