#include "core/semantics/host/run.h"

#include <signal.h>

#include "core/mmu/segment.h"
#include "core/semantics/host/availability.h"
#include "core/semantics/host/host.h"
#include "core/semantics/operands.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

constexpr u64 kMxcsrFlags = 0x3f;

Step signal_fault(Cpu& cpu, u32 signal, u32 mxcsr) {
  switch (signal) {
    case SIGFPE: {
      u32& guest = cpu.state.vector.mxcsr;
      guest |= mxcsr & kMxcsrFlags;
      return raise(cpu, fault(cpu.state.cr4 & kCr4Osxmmexcpt ? kSimdFault : kInvalidOpcode));
    }
    case SIGSEGV: return raise(cpu, fault(kGeneralProtection, 0));  // misaligned
    default: return raise(cpu, fault(kInvalidOpcode));
  }
}

// The host's pointers name the thunk; the guest's are kept while an exception is pending (see X87State).
void take_x87(Cpu& cpu, const Insn& insn, const HostInsn& host, u64 linear) {
  X87State& guest = cpu.state.vector.x87;
  const bool was_pending = guest.fsw & kFswEs;
  const u64 fip = guest.fip, fdp = guest.fdp;
  const u16 fop = guest.fop;
  guest = cpu.host_code->frame().xsave.x87;
  const bool pending = guest.fsw & kFswEs;
  const bool keep = was_pending || host.x87_control;
  guest.fip = !pending ? 0 : keep ? fip : this_rip(cpu, insn);
  guest.fdp = !pending ? 0 : keep ? fdp : host.memory_size ? linear : 0;
  guest.fop = static_cast<u16>(!pending ? 0 : keep ? fop : host.x87_opcode);
}

bool locate(Cpu& cpu, const Insn& insn, const HostInsn& host, mmu::Access access, u64& linear) {
  if (!enter(cpu, host) || !mmu::operand_address(cpu, insn, host.memory_size, access, linear)) return false;
  if (!(linear & (host.alignment - 1u))) [[likely]]
    return true;
  cpu.fault = fault(kGeneralProtection, 0);
  return false;
}

// A store that raises an unmasked exception stores nothing, but for the inexact one (SDM vol. 1, 8.5).
bool store_was_refused(const Cpu& cpu, const HostInsn& host) {
  constexpr u16 kBeforeTheStore = 0x1f;
  const X87State& x = cpu.state.vector.x87;
  return host.unit == Unit::X87 && !host.x87_control && (x.fsw & ~x.fcw & kBeforeTheStore);
}

}  // namespace

bool enter(Cpu& cpu, const HostInsn& host) {
  if (!unit_available(cpu, host.unit)) return false;
  return !host.waits || no_pending_x87_exception(cpu);
}

u8* scratch_for(Cpu& cpu, u64 linear) { return cpu.host_code->frame().scratch + (linear & 63); }

Step execute(Cpu& cpu, const Insn& insn, const HostInsn& host, u8* memory, u64 linear) {
  HostFrame& frame = cpu.host_code->frame();
  if (host.x87_state) {
    frame.xsave.x87 = cpu.state.vector.x87;
    frame.xsave.xstate_bv = kXfeatureX87;
  }
  if (host.unit >= Unit::Avx) cpu.upper_vectors_written = true;
  if (host.flags) frame.flags = cpu.flags.rflags() | kIf | 2;
  if (const u32 signal = cpu.host_code->call(host.thunk, memory, cpu.state)) [[unlikely]] {
    if (host.x87_state) take_x87(cpu, insn, host, linear);  // MMX registers come into use all the same
    return signal_fault(cpu, signal, frame.fault_mxcsr);
  }
  if (host.x87_state) take_x87(cpu, insn, host, linear);
  if (host.flags) cpu.flags.set_rflags(frame.flags);
  return Step::Next;
}

Step run_registers(Cpu& cpu, const Insn& insn, const HostInsn& host) {
  if (!enter(cpu, host)) return Step::Fault;
  return execute(cpu, insn, host, nullptr, 0);
}

Step run_load(Cpu& cpu, const Insn& insn, const HostInsn& host) {
  u64 linear;
  const u8* direct;
  if (!locate(cpu, insn, host, mmu::Access::Read, linear) ||
      !mmu::host_for_read(cpu, linear, host.memory_size, direct))
    return Step::Fault;
  u8* memory = const_cast<u8*>(direct);  // the instruction only reads it
  if (!memory) {
    memory = scratch_for(cpu, linear);
    if (!mmu::read_bytes(cpu, linear, memory, host.memory_size)) return Step::Fault;
  }
  return execute(cpu, insn, host, memory, linear);
}

Step run_store(Cpu& cpu, const Insn& insn, const HostInsn& host) {
  u64 linear;
  u8* memory;
  if (!locate(cpu, insn, host, mmu::Access::Write, linear) ||
      !mmu::host_for_write(cpu, linear, host.memory_size, memory))
    return Step::Fault;
  if (memory) return execute(cpu, insn, host, memory, linear);
  if (!mmu::probe_write(cpu, linear, host.memory_size)) return Step::Fault;
  memory = scratch_for(cpu, linear);
  const Step step = execute(cpu, insn, host, memory, linear);
  if (step != Step::Next || store_was_refused(cpu, host)) return step;
  return mmu::write_bytes(cpu, linear, memory, host.memory_size) ? Step::Next : Step::Fault;
}

}  // namespace tandem::semantics
