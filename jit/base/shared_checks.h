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
#include "jit/base/decoded.h"

namespace tandem::jit {

inline constexpr u8 kNoGroup = 0xff;

// Of one instruction: its part in a group.
struct SharedCheck {
  u8 group = kNoGroup;  // number of the TierFrame's addend
  bool first = false;
  // Of the first: the window that is checked, from its own address.
  i32 low = 0;
  u32 size = 0;

  bool follows() const { return group != kNoGroup && !first; }
};

// A check that was moved to where flags need not be saved for it: of an address in registers, as they are
// there.
struct HoistedCheck {
  u8 group = kNoGroup;
  u8 base = 0, index = 0xff, scale_log2 = 0;  // 0 RAX .. 15 R15, 0xff: none
  i32 disp = 0;
  u32 size = 0;
  bool write = false;
};

struct BlockView {
  std::span<const isa::Insn> insns;
  std::span<const Decoded> decoded;
  std::span<const Form> forms;
  std::span<const u32> live;  // flags before each
  unsigned free_at = 0;       // before which hoisted checks are to be done
  u8 word = 8;                // bytes of an address and of what is pushed
};

struct SharedChecks {
  std::vector<SharedCheck> of;  // one for each instruction
  std::vector<HoistedCheck> hoisted;
};

// Keeps its memory from block to block.
class CheckSharing {
 public:
  void share(const BlockView& block, SharedChecks& checks);

 private:
  // What a register holds: an unknown number, the same for all with this name, plus a distance.
  struct Value {
    u32 name = 0;
    i64 distance = 0;
  };
  // What all addresses of a group have in common.
  struct Key {
    u32 base = 0, index = 0, segment = 0;
    u8 scale = 0;
    bool operator==(const Key&) const = default;
  };
  struct Access {
    Key key;
    i64 distance = 0;
    u32 size = 0;
    bool write = false;
  };
  struct Group {
    Key key;
    bool write = false;
    i64 low = 0, high = 0;
    u32 first = 0;
    i64 first_distance = 0;
    u32 members = 1;
    u8 number = kNoGroup;
    bool hoisted = false;
  };

  void find_groups();
  void number_groups(SharedChecks& checks);
  void change(unsigned reg) { registers_[reg] = {++names_, 0}; }
  void change_all();
  void change_written(const Decoded& d);
  std::optional<HoistedCheck> hoist(const Group& g) const;
  std::optional<u8> holder(u32 name) const;
  std::optional<Access> access_of() const;
  std::optional<Access> stack(unsigned reg, i64 disp, bool write) const;
  std::optional<Access> operand(const isa::Insn& insn, const Decoded& d) const;
  void join(const Access& a);
  void follow_registers();
  std::optional<Value> computed(const isa::Insn& insn) const;

  BlockView block_;
  u32 at_ = 0;
  u32 names_ = 0;
  std::array<Value, 16> registers_, when_free_;
  std::array<u32, 6> segments_;
  std::vector<Group> groups_;
  std::vector<u16> group_of_;  // of each instruction, or kNoMember
};

}  // namespace tandem::jit
