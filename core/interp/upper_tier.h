// The seam to a faster tier above the interpreter, which stays underneath as the one that runs everything.
#pragma once

#include "core/base/types.h"
#include "core/cpu/cpu_state.h"
#include "core/cpu/engine.h"

namespace tandem::interp {

struct Block;
struct Context;

// What translated code keeps beside the CPU state, at a fixed place behind it.
struct TierFrame {
  static constexpr unsigned kAddends = 8;
  static constexpr unsigned kRegions = 6;
  // Regions from here on have the same addend, which is GS.base.
  static constexpr unsigned kFirstInGs = 2;
  // That of the stack, as it was when the address space was taken up.
  static constexpr unsigned kStackRegion = kFirstInGs;
  // Guest addresses whose bits from kRegionShift up are `key` are at host address = linear + addend, for as
  // much as is mapped there; the host refuses the rest.
  static constexpr unsigned kRegionShift = 41;
  struct Region {
    u64 key = ~u64{0};
    u64 addend = 0;
  };

  u64 host_rsp = 0;
  u64 context = 0;  // address of the Context
  u64 on_site = 0;  // function that executes one instruction for translated code
  // Code that loads the guest's vector registers, XMM0 to XMM15 or all, and goes on at T0.
  u64 vector_load = 0, vector_load_all = 0;
  u64 vector_enter = 0, vector_save = 0;  // functions: those that are, or were, loaded
  u64 x87_load = 0;                       // functions of the Context
  u64 x87_save = 0;
  u64 left_by = 0;          // site or reason, while code is left
  u64 host_pc = 0;          // of translated code that is about to be gone to
  u64 executed_for = 0;     // the same, an instruction of which a function executes at present; 0: none does
  u64 t0 = 0, t1 = 0;       // what the registers T0 and T1 are to hold there
  u64 branch_target = 0;    // guest rip that hosted code goes to by its jump table
  u64 generation[2] = {};   // of mappings: of any pages, of global ones
  u64 page = 0;             // guest address of the page whose code runs, where it may be at any
  u64 flags = 0;            // guest flags: AH as LAHF gives it, AL = OF
  u64 signal_flags = 0;     // what RFLAGS held at a host signal, in that form
  u64 signal_t1 = 0;        // and T1
  u64 host_tsc_offset = 0;  // from the host's TSC to tsc_ticks(), where the host's is used
  u64 spill[2] = {};        // guest registers that an instruction borrows
  // Of each segment: what mmu::offsets_end() gives for its reads and its writes.
  u64 read_end[cpu::kSegmentCount] = {}, write_end[cpu::kSegmentCount] = {};
  u64 addends[kAddends] = {};  // of pages that a block has checked for several accesses
  Region regions[kRegions];    // of the present address space
  u32 vectors_loaded = 0;      // the guest's are in the host's registers: 1 XMM0 to XMM15, 2 all
  u32 upper_in_use =
      ~0u;  // XINUSE (SDM vol. 1, 13.6): YMM or ZMM0 to ZMM15 may be more than XMM in the state
  u32 x87_loaded = 0;
  u32 branch_site = 0;  // of the indirect branch that was taken last
  u32 host_mxcsr = 0x1f80;
  u32 upper_cleared = 0;  // code of tier 2 ran VZEROUPPER, for registers that it does not have
};

// Where a tier finds blocks that were not run yet. Belongs to one vCPU and is called on its thread.
class BlockSource {
 public:
  virtual ~BlockSource() = default;
  // The block at a linear address for the present mode, decoded now if it must be; null: none that is kept.
  // global: its page is one. The CPU stays as it is but for accessed bits.
  virtual Block* block_at(u64 linear, bool& global) = 0;
};

// Belongs to one vCPU and is called on its thread.
class UpperTier {
 public:
  virtual ~UpperTier() = default;
  // Runs from the block at state.rip for as long as it can. False: nothing was done, the block is the
  // interpreter's. Otherwise leaves Context as a chain of handlers does.
  virtual bool run(Context& context, Block& block) = 0;
  // The block is no longer valid; it may be running.
  virtual void forget(Block& block) = 0;
  // A page that the tier had marked as holding code was written to. Returns whether it is still to be told.
  virtual bool written(u64 physical, u64 length) = 0;
  // A page, by its number in the memfd, is about to hold code: writes to it must be told.
  virtual void protect(u64 page) = 0;
  // Page tables and memory may have changed untold.
  virtual void forget_mappings() = 0;
  // All blocks go away; nothing runs.
  virtual void clear() = 0;
  virtual void statistics(const cpu::Vcpu::Report& report) const = 0;
  virtual std::string code_text(const Context& context, u64 physical) const = 0;
  // How many times the interpreter is to run a block before run() is asked. mode: of its key.
  virtual u32 first_runs(u32 mode) const = 0;
};

}  // namespace tandem::interp
