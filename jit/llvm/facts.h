// Which addresses are known to lie in which hosted region, so that they need no check: an access that the
// host let through proves its own, and no guard is so near that a small step could lead over it.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "jit/base/decoded.h"
#include "jit/llvm/plan_flow.h"

namespace tandem::jit {

// An address but for a constant: registers by number, 0 RAX .. 15 R15.
struct AddressKey {
  static constexpr u8 kNone = 0xff;
  u8 base = kNone, index = kNone, scale_log2 = 0;
  auto operator<=>(const AddressKey&) const = default;
  bool names(u8 reg) const { return base == reg || index == reg; }
};

// In `region`: some address from `key + low` to `key + high`.
struct Fact {
  u8 region = 0;
  i64 low = 0, high = 0;
  bool operator==(const Fact&) const = default;
};

class Facts {
 public:
  std::optional<Fact> find(const AddressKey& key) const;
  void know(const AddressKey& key, const Fact& fact) { facts_[key] = fact; }
  void forget(u8 reg);
  // reg += distance
  void move(u8 reg, i64 distance);
  // to = from + distance
  void copy(u8 to, u8 from, i64 distance);
  // Those of other registers are forgotten.
  void keep_only(u16 registers);
  // What both know; of a fact whose bounds differ, the wider ones.
  void meet(const Facts& other);
  // The keys' own addresses, too: those are what is checked.
  void include_zero();
  bool operator==(const Facts&) const = default;
  const std::map<AddressKey, Fact>& all() const { return facts_; }

  // Of registers: see base/small_values.h. No check can find it out, so it holds on all ways.
  bool is_small(u8 reg) const { return small_ >> reg & 1; }
  void set_small(u8 reg, bool small);
  u16 small() const { return small_; }
  void set_small(u16 registers) { small_ = registers; }

 private:
  std::map<AddressKey, Fact> facts_;
  u16 small_ = 0;
};

// The address of an instruction's memory operand; nothing where a segment's base or the code's place belongs
// to it. Small registers are left out, as if they were constants.
std::optional<AddressKey> address_key(const isa::Insn& insn, const Facts& facts);

// What an instruction that was executed leaves of them. regions: of its accesses.
void follow(Facts& facts, const isa::Insn& insn, const Decoded& d, u8 region, u8 second_region);

// Registers, by bit, that are part of an address somewhere behind an instruction before they get another
// value, with those whose value they get.
u16 addresses_before(u16 behind, const isa::Insn& insn, const Decoded& d);

// What is known at the head of each block. Of loops it includes what each turn proves for the next, as far as
// it is for addresses that are still to come: who enters such a loop has to check it.
class FactsOfRegion {
 public:
  using Edge = PlanFlow::Edge;
  // RSP is known to be in the stack's region where the region is entered.
  FactsOfRegion(const RegionPlan& plan, const std::vector<std::vector<Decoded>>& decoded,
                std::vector<Edge> edges);
  const Facts& at_head(u32 block) const { return in_[block]; }
  const Facts& behind(u32 block) const { return out_[block]; }
  bool is_loop(u32 block) const { return loops_[block]; }

 private:
  void find_addresses();
  void compute(u32 block);
  bool join(u32 block);
  u16 small_at_head(u32 block) const;

  const RegionPlan& plan_;
  const std::vector<std::vector<Decoded>>& decoded_;
  std::vector<Edge> edges_;
  std::vector<Facts> in_, out_;
  std::vector<u16> addresses_;  // addresses_before() the first instruction of each block
  std::vector<bool> computed_, loops_;
  std::vector<unsigned> changes_;
};

}  // namespace tandem::jit
