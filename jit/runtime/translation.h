// A block in host code, and what the runtime must know of it.
#pragma once

#include <memory_resource>
#include <vector>

#include "core/interp/block.h"
#include "core/interp/upper_tier.h"
#include "jit/runtime/translation_mode.h"

namespace tandem::jit {

struct Translation;
struct Region;

// In a site's instruction number: nothing is to be executed, somebody asked for attention.
inline constexpr u16 kAttention = 0x8000;
// The same: the x87 state is to be loaded, then goes on at Translation::x87_check.
inline constexpr u16 kLoadX87 = 0x4000;
// The same: a check that several accesses share has failed; goes on in the twin.
// The number is that of the Split.
inline constexpr u16 kSplit = 0x2000;
// The same: the block's region is entered.
inline constexpr u16 kRegion = 0x1000;
inline constexpr u16 kSiteInsn = 0x0fff;

inline constexpr u32 kNoLink = ~u32{0};

// A direct exit: a jump that goes to its stub, or to the translation behind it. The latter holds within a
// page; across pages what is gone to looks whether it is still mapped there or, where that moves, the exit
// does.
struct Link {
  Translation* from = nullptr;
  Translation* to = nullptr;
  u32 field = 0;               // offset in the code of the jump's 32-bit distance
  u32 stub = 0;                // offset of the code that leaves to the dispatcher
  u64 target = 0;              // guest rip, if the code is where it was when it was translated
  bool flags_in_slot = false;  // and not in RFLAGS
  bool rsp_verified = false;   // see Translation
  bool across = false;         // its target is in another page
  // Of one across pages from code that moves: the page where the exit must be (see LinkCells), offset in the
  // code of the jump where it is not, and of the way by the table.
  u64* cell = nullptr;
  u32 elsewhere = 0, by_table = 0;
  u32 next_incoming = kNoLink;  // of those that lead to the same translation
};

// Registers that an instruction borrowed while it ran, kept in TierFrame::spill.
struct Borrowed {
  u16 insn = 0;
  u8 registers[2] = {0xff, 0xff};
};

// In InsnCode::t0_holds: the guest's register, as T1 does then.
inline constexpr u8 kGuestValue = 0xff;

struct InsnCode {
  u32 start = 0;               // offset in the code
  u8 t0_holds = kGuestValue;   // there: an addend of this number, or kGuestValue
  bool executes = false;       // it is not translated
  bool flags_in_slot = false;  // while it runs
  // T1 holds the budget: there, and while it runs.
  bool budget_at_start = false, budget_within = false;
};

// A linear address as a sum. Registers by number, 0 RAX .. 15 R15.
struct LinearForm {
  static constexpr u8 kAbsent = 0xff;
  u8 base = kAbsent, index = kAbsent, scale_log2 = 0;
  u8 segment = kAbsent;  // whose base belongs to it
  i64 disp = 0;
  bool from_page = false;  // TierFrame::page is a summand
};

// Where a shared check has failed: a jump that goes to the site, or to the twin behind it.
struct Split {
  u16 insn = 0;
  u32 field = 0;  // offset in the code of the jump's 32-bit distance
  // Of a hosted access: what was checked.
  u16 access = 0;         // as RegionChooser numbers them
  u8 region = 0xff;       // or that of none
  bool at_entry = false;  // it is RSP, before the block
  LinearForm address;
};

// What was learned of one instruction's accesses in translations that were given up.
struct AccessHint {
  static constexpr u8 kUnknown = 0xfe, kSoft = 0xff;
  u8 region = kUnknown;
  u8 misses = 0;  // of the region, or accesses that the host refuses again and again
  u8 changes = 0;
  u64 missed_at = 0;  // the last time; nanoseconds of a steady clock

  // Counts a miss, but for such as come so seldom that they cost next to nothing.
  u8 miss(u64 now) {
    constexpr u64 kSeldomNs = 50'000;
    misses = now - missed_at > kSeldomNs ? 1 : misses + 1;
    missed_at = now;
    return misses;
  }
};

// Where a block's code is entered.
struct EntryPoints {
  const u8* checked = nullptr;  // looks whether the rip that is gone to is this one
  const u8* plain = nullptr;    // without that
  const u8* saved = nullptr;    // the same with the flags in TierFrame::flags
  // The same as `checked` without a look at the rip; of code that does not move.
  const u8* mapped = nullptr;
  // The same two for who does not know that RSP is in the stack's region, as hosted 64-bit code does.
  const u8 *unverified = nullptr, *unverified_saved = nullptr;

  const u8* get(bool flags_in_slot, bool rsp_verified) const {
    if (rsp_verified) return flags_in_slot ? saved : plain;
    return flags_in_slot ? unverified_saved : unverified;
  }
};

struct Translation {
  Translation() = default;
  // memory: of its lists.
  explicit Translation(std::pmr::memory_resource* memory)
      : insns(memory), borrowed(memory), splits(memory), hints(memory), regions(memory), in_regions(memory) {}

  interp::Block* block = nullptr;
  Translation* next = nullptr;  // of the same block, for another rip or mode
  u64 rip = 0;                  // of the first instruction, when it was translated
  bool moves = false;           // it may be at any linear address; TierFrame::page says at which it is
  TranslationMode mode = 0;     // at the time
  // Of a segmented mode: CS as it must be. The linear address of rip is in it.
  u64 code_base = 0;
  u32 code_limit = ~u32{0};
  u8 mode_index = 0;          // of its jump table
  bool global = false;        // its page was a global one
  u64* cell = nullptr;        // of code that does not move: see PageCells
  bool limited = false;       // looks whether the budget is spent
  bool counts_in_t1 = false;  // as all code of a hosted mode: where it is entered and left, T1 is the budget
  bool valid = true;
  const u8* code = nullptr;
  u32 size = 0;
  // Offsets of its own EntryPoints.
  u32 checked_entry = 0, mapped_entry = 0, entry = 0, entry_saved = 0, unverified = 0, unverified_saved = 0;
  EntryPoints entries;   // who leads here uses these: its own, or its region's
  u32 x87_check = 0;     // offset of the place that looks whether the x87 state is loaded
  u32 counted_from = 0;  // first instruction that runs with the block's count taken from the budget
  u32 behind_count = 0;  // offset in that instruction of what follows the count
  std::pmr::vector<InsnCode> insns;  // of each instruction, and of the end
  std::pmr::vector<Borrowed> borrowed;
  std::pmr::vector<Split> splits;
  bool is_twin = false;                // of another of the same block, rip and mode
  bool hosted = false;                 // accesses need not all go by the soft TLB
  std::pmr::vector<AccessHint> hints;  // of each access, as RegionChooser numbers them, once there is one
  Translation* twin = nullptr;         // the same with a check for each access, once it was needed
  u32 incoming = kNoLink;              // first of the exits that lead here, from this page
  u32 incoming_across = kNoLink;       // and from others
  // Of each access of a hosted translation, as RegionChooser numbers them: its region, or 0xff.
  std::pmr::vector<u8> regions;
  Region* region = nullptr;              // that is entered in its place
  std::pmr::vector<Region*> in_regions;  // that contain its block, that one among them
  u32 tries = 0;                         // to find a region for it
  u8 tries_in_store = 0;                 // the same, one of an earlier run
  u32 retry_at = 0;                      // the batch of samples from which on the next may be
  // Of the region that it was the head of and that did not pay.
  u32 given_up_blocks = 0, given_up_until = 0;

  EntryPoints own_entries() const {
    return {.checked = code + checked_entry,
            .plain = code + entry,
            .saved = code + entry_saved,
            .mapped = code + mapped_entry,
            .unverified = code + unverified,
            .unverified_saved = code + unverified_saved};
  }
  const u8* start_of(u32 insn) const { return code + insns[insn].start; }
  // The same, if the block's instructions have been counted where they are to be.
  const u8* counted_start_of(u32 insn) const {
    return insn == counted_from ? code + behind_count : start_of(insn);
  }
  // What T1 is to hold there.
  bool budget_at_counted_start_of(u32 insn) const {
    return insn == counted_from ? counts_in_t1 : insns[insn].budget_at_start;
  }
  u64 offset() const {
    return rip & kPageMask;
  }  // of the first instruction in its page; not where CS has a base
  bool has_code_segment(const cpu::Segment& cs) const {
    return !(mode & kSegmentedMode) || (cs.base == code_base && cs.limit == code_limit);
  }
  // Of an offset in its code segment.
  u64 linear(u64 offset) const { return code_base ? static_cast<u32>(code_base + offset) : offset; }
  bool contains(const u8* pc) const { return pc >= code && pc < code + size; }
};

}  // namespace tandem::jit
