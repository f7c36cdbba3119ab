// Which memory accesses of a block can share one check of the soft TLB.
//
// Accesses whose addresses differ by known distances form a group: its first one checks that the whole window
// lies in one page that may be accessed, and keeps the page's addend; the others use it. Where that check
// fails, the block goes on in its twin, in which every access has a check of its own.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "core/interp/upper_tier.h"
#include "core/isa/insn.h"
#include "jit/base/assembler.h"
#include "jit/base/encoded.h"
#include "jit/runtime/translation.h"

namespace tandem::jit {

inline constexpr u8 kNoGroup = 0xff;
// Groups from here on are of hosted accesses: number of the TierFrame's region.
inline constexpr u8 kHostedGroup = interp::TierFrame::kAddends;

// Of one instruction: its part in a group.
struct SharedCheck {
  u8 group = kNoGroup;  // number of the TierFrame's addend, or a hosted one
  bool first = false;
  // Of the first: the window that is checked, from its own address.
  i32 low = 0;
  u32 size = 0;

  bool follows() const { return group != kNoGroup && !first; }
  bool hosted() const { return group != kNoGroup && group >= kHostedGroup; }
  bool in_gs() const { return hosted() && group >= kHostedGroup + interp::TierFrame::kFirstInGs; }
};

// A check that was moved to where flags need not be saved for it: of an address in registers, as they are
// there.
struct HoistedCheck {
  u8 group = kNoGroup;
  LinearForm address;
  u32 size = 0;
  bool write = false;
  u16 access = 0;  // the first one that relies on it, as RegionChooser numbers them
};

// Says by which of the TierFrame's regions an instruction's access is hosted.
class RegionChooser {
 public:
  virtual ~RegionChooser() = default;
  static constexpr u8 kNone = 0xff;  // it is checked by the soft TLB
  // access: number of the instruction; of its second access, behind those of all instructions. address: where
  // it is known from the state in which the block is entered.
  virtual u8 region_of(u16 access, std::optional<u64> address) = 0;
  // Region 0, with the lowest addresses, where all is that 32-bit code can reach; or kNone.
  virtual u8 lowest_region(u16 access) = 0;
};

struct BlockView {
  std::span<const isa::Insn> insns;
  std::span<const Encoded> encoded;
  std::span<const Form> forms;
  std::span<const u32> live;             // flags before each
  unsigned free_at = 0;                  // before which hoisted checks are to be done
  u8 word = 8;                           // bytes of an address and of what is pushed
  RegionChooser* regions = nullptr;      // null: no access is hosted
  const cpu::CpuState* state = nullptr;  // in which the block is entered
  u64 rip = 0;                           // of its first instruction
  bool moves = false;                    // so that addresses relative to it are not known
};

struct SharedChecks {
  // Where the block is left, RSP is known to be in the stack's region if it is where it is entered.
  bool rsp_stays = false;
  std::vector<SharedCheck> of;      // one for each instruction
  std::vector<SharedCheck> second;  // the stack's, of those that have a memory operand, too
  std::vector<HoistedCheck> hoisted;
};

// Keeps its memory from block to block.
class CheckSharing {
 public:
  // checks: as many as there are instructions, none of which says anything yet.
  void share(const BlockView& block, SharedChecks& checks);

 private:
  // Names of no register: of nothing, and of the block's own address. Then come those of the registers and
  // segments as they are at first.
  static constexpr u32 kNothing = 0, kPlace = 1, kInitialRax = 2, kInitialRsp = kInitialRax + kSp,
                       kInitialSegment = kInitialRax + 16;

  // What a register holds: an unknown number, the same for all with this name, plus a distance.
  struct Value {
    u32 name = 0;
    i64 distance = 0;
    bool is_small = false;  // the sum: see small_values.h
  };
  // What all addresses of a group have in common.
  struct Key {
    u32 base = 0, index = 0, segment = 0;
    u8 scale = 0;
    u8 region = RegionChooser::kNone;
    bool operator==(const Key&) const = default;
  };
  struct Access {
    Key key;
    i64 distance = 0;
    u32 size = 0;
    bool write = false;
    bool index_is_small = false;
  };
  struct Group {
    Key key;
    bool write = false;
    i64 low = 0, high = 0;
    u32 first = 0;
    bool first_is_second = false;  // the stack's access of an instruction with two
    i64 first_distance = 0;
    u32 members = 1;
    u8 number = kNoGroup;
    bool hoisted = false;
  };

  i64 place() const { return static_cast<i64>(block_.rip & kPageMask); }
  void find_groups();
  void group(Access a, bool second);
  bool rsp_stays() const;
  bool is_known(const Group& g) const;
  void say(const std::vector<u16>& groups, std::vector<SharedCheck>& checks) const;
  void number_groups(SharedChecks& checks);
  void change(unsigned reg, bool is_small = false) { registers_[reg] = {++names_, 0, is_small}; }
  void change_all();
  void change_by_string();
  void change_written(const isa::Insn& insn, const Encoded& d);
  std::optional<HoistedCheck> hoist(const Group& g) const;
  std::optional<HoistedCheck> hoist_hosted(const Group& g) const;
  void choose_region(Access& a, bool second) const;
  std::optional<u64> address_of(const Access& a) const;
  std::optional<u64> value_of(u32 name) const;
  std::optional<u8> holder(u32 name, bool in_state) const;
  std::optional<Access> access_of() const;
  std::optional<Access> second_access_of() const;
  std::optional<Access> stack(unsigned reg, i64 disp, bool write) const;
  std::optional<Access> operand(const isa::Insn& insn, const Encoded& d) const;
  std::optional<Access> constant(const isa::Insn& insn, const Encoded& d) const;
  void leave_out_index(Access& a) const;
  bool is_grouped(const Access& a) const;
  void join(const Access& a, bool second);
  void follow_registers();
  std::optional<Value> computed(const isa::Insn& insn) const;

  BlockView block_;
  u32 at_ = 0;
  u32 names_ = 0;
  std::array<Value, 16> registers_, when_free_;
  std::array<u32, 6> segments_;
  // The last access by the value that RSP has, or is a known distance from, in the stack's region.
  struct StackAccess {
    u32 name = 0;
    i64 distance = 0;
  };
  StackAccess last_stack_access_;
  std::vector<Group> groups_;
  std::vector<u16> group_of_, second_group_of_;  // of each instruction, or kNoMember
};

}  // namespace tandem::jit
