// The seam between the machine and its engines.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "core/base/result.h"
#include "core/base/types.h"
#include "core/bus/io.h"
#include "core/cpu/cpu_state.h"
#include "core/cpu/debug_points.h"

namespace tandem::bus {
class Bus;
}
namespace tandem::mem {
class GuestMemory;
}

namespace tandem::cpu {

struct CpuModel;

enum class StopReason : u8 { BudgetSpent, Kicked, Halted, DebugTrap, TripleFault, HostError };
struct Stop {
  StopReason why;
  u64 retired;     // instructions completed in this run; a REP instruction counts once, when it completes
  DebugHit hit{};  // of a DebugTrap
};

struct RunBudget {
  u64 instructions = ~u64{0};  // stop after exactly so many
  // Stop with DebugTrap behind one instruction, or where its fault is handled. Breakpoints are not looked at,
  // and no interrupt comes in between, unless the CPU waits for one.
  bool step = false;
};

struct MsrAccess {
  u32 index;
  bus::IoDir dir;
  VcpuId vcpu;
  u64 value;
};

// Events for a vCPU from outside.
enum class Signal : u8 {
  Interrupt,  // ExitSink::interrupt_pending may have changed; the vCPU asks again at a boundary
  Nmi,
  Smi,
  Init,
  Startup,  // SIPI; its vector is given with it
};

// What a vCPU needs from the machine. Called on the vCPU's thread, with no lock held.
class ExitSink {
 public:
  virtual ~ExitSink() = default;
  virtual void io(bus::IoAccess& access) = 0;
  // MSRs that live outside the CPU core: APIC base, x2APIC, TSC deadline. False: no such MSR, or a bad value
  // (#GP).
  virtual bool msr(MsrAccess& access) = 0;
  // True if take_interrupt would give a vector now (LAPIC above its priority, or the PIC). Cheap.
  virtual bool interrupt_pending(VcpuId vcpu) = 0;
  // Acknowledges and returns the vector of the highest interrupt.
  virtual std::optional<u8> take_interrupt(VcpuId vcpu) = 0;
  // CR8: the task priority class, 0..15.
  virtual u8 read_cr8(VcpuId vcpu) = 0;
  virtual void write_cr8(VcpuId vcpu, u8 value) = 0;
  // The guest TSC before tsc_offset is added, in ticks of tsc_hz().
  virtual u64 tsc_ticks(VcpuId vcpu) = 0;
  // Where that is the host's TSC and a constant until run() returns: the constant.
  virtual std::optional<u64> host_tsc_offset() { return {}; }
  // Where accesses of this kind go, for an engine that can take writes to doorbells; null: all come by io().
  virtual bus::Bus* doorbell_bus(bus::BusKind) { return nullptr; }
};

// One virtual CPU. A single thread owns it; kick() and signal() are for any thread.
class Vcpu {
 public:
  virtual ~Vcpu() = default;
  // Runs until something below happens:
  //   Halted: HLT or MWAIT with nothing pending; run again after a signal().
  //   DebugTrap: before the instruction at a breakpoint, behind one that touched a watchpoint.
  //   Kicked: kick() was called. TripleFault: the CPU is in shutdown.
  virtual Stop run(const RunBudget& budget, ExitSink& sink) = 0;
  virtual void kick() noexcept = 0;                                // [any-thread] async-signal-safe
  virtual void signal(Signal s, u8 sipi_vector = 0) noexcept = 0;  // [any-thread]
  // Instructions retired since creation, exact at each I/O access made from inside run().
  virtual u64 retired() const = 0;
  virtual Result<void> export_state(CpuState& out) = 0;  // all but .lapic, which the machine owns
  virtual Result<void> import_state(const CpuState& in) = 0;
  // From the next run() on; null: none. Error: the engine has none. Not while run() is under way.
  virtual Result<void> set_debug_points(std::shared_ptr<const DebugPoints> points) = 0;
  // Goes up when translations of linear addresses may have been taken back. On the vCPU's thread.
  virtual u64 mapping_changes() const { return 0; }
  // import_state() where page tables, their contents and the paging mode are as at the last export_state():
  // what is cached of them stays.
  virtual Result<void> import_registers(const CpuState& in) { return import_state(in); }
  // What the engine counts about itself, for --stats. Not while run() is under way.
  using Report = std::function<void(std::string_view name, u64 value)>;
  virtual void statistics(const Report& report) const = 0;
  // What it made of the guest's code there, as text; empty: nothing. Not while run() is under way.
  virtual std::string code_text(Gpa at) const = 0;
  // Guest code or page tables may have been changed from outside (DMA is covered by PageMarks).
  virtual void flush_translations() = 0;
};

struct EngineCaps {
  std::string_view name;
  bool counts_instructions;  // exact retired counts: Clock may run on them
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual EngineCaps caps() const = 0;
  virtual Result<std::unique_ptr<Vcpu>> make_vcpu(VcpuId id, mem::GuestMemory& memory,
                                                  const CpuModel& model) = 0;
};

}  // namespace tandem::cpu
