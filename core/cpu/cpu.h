// Cpu: what the software engines run on. The architectural state, and beside it what makes it fast.
// One vCPU thread owns it; only `requests` is for any thread.
#pragma once

#include <array>
#include <atomic>

#include "core/cpu/cpu_state.h"
#include "core/cpu/engine.h"
#include "core/cpu/fault.h"
#include "core/cpu/flags.h"
#include "core/mem/guest_memory.h"
#include "core/mmu/tlb.h"

namespace tandem::semantics {
class HostCode;
}

namespace tandem::cpu {

// How an instruction ended.
enum class Step : u8 {
  Next,      // go on behind it
  Branch,    // rip was set; the block ends
  EndBlock,  // go on behind it, but look at modes, events and mappings again first
  Fault,     // nothing was done but what the architecture allows; `fault` says what
  Again,     // a repeated string instruction gave way to events; it is to be started again
};

// Bits of Cpu::requests.
enum Request : u32 {
  kRequestKick = 1,
  kRequestInterrupt = 2,
  kRequestNmi = 4,
  kRequestSmi = 8,
  kRequestInit = 16,
  kRequestStartup = 32,
  kRequestCode = 64,      // another thread wrote or decoded code: bring caches up to date
  kRequestRemap = 128,    // addresses lead to other memory: drop all that was cached
  kRequestProfile = 256,  // the tier above the interpreter wants to look at what it has seen
};

// Which decoding and which checks apply. Everything that changes how bytes become a block.
struct Mode {
  u8 code_size = 2;   // default operand size of CS in bytes: 2, 4; 8 = 64-bit mode
  u8 stack_size = 2;  // bytes of the stack pointer that are used: 2, 4, 8
  u8 cpl = 0;
  bool protected_mode = false;  // CR0.PE and not virtual-8086
  bool vm86 = false;
  bool long_mode = false;  // EFER.LMA

  bool operator==(const Mode&) const = default;
};

// What a debugger watches. A hit is a fault that no guest sees: the engine executes the instruction again,
// without looking, and stops.
struct Watch {
  const DebugPoints* points = nullptr;  // null where nothing is watched
  bool on = false;                      // off while events are delivered
  bool was_hit = false;
  DebugHit hit;
};

struct Cpu {
  CpuState state;  // arithmetic flags of state.rflags are stale while an engine runs: see flags
  LazyFlags flags;
  mmu::TlbBank* bank = nullptr;  // that of the present privilege
  GuestFault fault;              // set by whoever returns Step::Fault or false
  Mode mode;
  mmu::Privilege privilege = mmu::Privilege::Supervisor;
  std::atomic<u32> requests = 0;
  std::atomic<u8> startup_vector = 0;
  bool alignment_checks = false;  // CR0.AM, EFLAGS.AC and CPL 3

  VcpuId id{};
  mem::GuestMemory* memory = nullptr;
  ExitSink* sink = nullptr;  // valid inside Vcpu::run
  const CpuModel* model = nullptr;
  semantics::HostCode* host_code = nullptr;
  u64 physical_mask = 0;  // address bits of a paging-structure entry
  // Go up when mappings may have changed, so that an engine drops what depends on them: any, or also those of
  // global pages.
  u64 mapping_generation = 0, global_generation = 0;
  // The same for one page at a time: how many, and which the last ones were.
  u64 dropped_pages = 0;
  u64 flushed_pages = 0;  // each one, whether code was run in it or not
  std::array<u64, 16> last_dropped{};
  // Pages whose mapping engines rely on for code since it last changed with all others, or with all but
  // global ones.
  mmu::MappedPages code_pages;
  u64 retired = 0;  // instructions completed before the present block
  bool monitor_armed = false;
  bool upper_vectors_written = true;  // ZMM0 to ZMM15, more than their XMM part, since an engine looked last
  Watch watch;

  mmu::Tlb tlb;

  u64 rflags() const { return (state.rflags & ~kArithmeticFlags) | flags.rflags(); }
  void set_rflags(u64 f) {
    state.rflags = (f & ~kArithmeticFlags) | 2;
    flags.set_rflags(f);
  }
};

// Returns Step::Fault with cpu.fault set.
inline Step raise(Cpu& cpu, GuestFault f) {
  cpu.fault = f;
  return Step::Fault;
}

// Recomputes mode, privilege, bank and alignment_checks from the state. To be called after any change of
// CR0, CR4, EFER, CS, SS, RFLAGS.VM/AC.
void update_mode(Cpu& cpu);

}  // namespace tandem::cpu
