// Tier 1: a guest block as host code that is, where it can be, the guest's own.
//
// While it runs, guest registers are in the host's registers of the same names, but for T0 and T1, which
// stay in CpuState and are free for addresses; guest flags are in RFLAGS wherever they are live. The Context
// lies below 2 GiB, and code names its fields by their addresses. GS leads to the present address space's
// windows.
#pragma once

#include <optional>

#include "core/interp/context.h"
#include "core/semantics/host/host_insn.h"
#include "jit/base/assembler.h"
#include "jit/base/encoded.h"
#include "jit/base/flag_use.h"
#include "jit/base/options.h"
#include "jit/base/register_use.h"
#include "jit/base/shared_checks.h"
#include "jit/runtime/stubs.h"
#include "jit/runtime/translation.h"
#include "jit/runtime/translation_mode.h"

namespace tandem::jit {

// Numbers under which the runtime finds a site or link again when the code comes back with it.
class Ids {
 public:
  virtual ~Ids() = default;
  virtual u32 new_site(Translation& in, u16 insn) = 0;
  virtual u32 new_link(const Link& link) = 0;
  virtual void set_stub(u32 link, u32 offset) = 0;
  // For a link across pages; null: there is none left.
  virtual u64* new_cell() = 0;
  virtual void set_by_table(u32 link, u32 offset) = 0;
};

class Translator {
 public:
  Translator(interp::Context& context, const Stubs& stubs, Ids& ids, JitOptions options);

  // Both give code that holds until the next call.
  // Code that goes to the link's target by the table, to be placed at `base`.
  std::span<const u8> table_exit(const Link& link, const u64* table, const u8* base);
  // Code that enters t's region by a site of this number, to be placed at `base`.
  std::span<const u8> region_entry(Translation& t, u32 site, const u64* table, const u8* base,
                                   EntryPoints& entries);
  // Code for t's block at t's rip, to be placed at `base`; fills t. bytes: the block's guest code. table: of
  // the present mode. regions: for accesses that may be hosted; null: none.
  std::span<const u8> translate(Translation& t, std::span<const u8> bytes, const u8* base, const u64* table,
                                RegionChooser* regions);

 private:
  struct SlowPath {
    Hole from;
    u16 insn;
    u8 borrowed[2] = {kNone, kNone};
    bool split = false;
    bool budget_in_t1 = false;
    // Of a hosted access that is checked here.
    u16 access = 0;
    u8 region = RegionChooser::kNone;
    bool at_entry = false;
    LinearForm address = {};
  };
  struct VectorLoad {
    Hole from;
    u32 back;
    bool all;
  };
  struct ExitStub {
    u32 link;
    Hole from;
    bool flags_in_slot;
    // Of one across pages from code that moves.
    bool moves = false;
    Hole elsewhere = {};
    u64 target = 0;
  };

  void begin_block(Translation& t);
  void encode(std::span<const u8> bytes);
  static OperandPrefix operand_prefix(const isa::Insn& insn, const Encoded& d);
  bool is_based(const isa::Insn& insn) const;
  bool adds_base(unsigned segment) const;
  bool is_constant(const isa::Insn& insn) const;
  bool is_direct(const isa::Insn& insn) const;
  u64 constant_of(const isa::Insn& insn) const;
  // Is the address of the operand relative to code that may be anywhere?
  bool is_placed(const isa::Insn& insn) const { return t_->moves && insn.base == isa::kRipOffset; }
  // From TierFrame::page to an address that is `address` where the code was translated.
  i32 from_page(u64 address) const { return static_cast<i32>(address - (t_->rip & ~kPageMask)); }
  i32 operand_from_page(const isa::Insn& insn) const {
    return static_cast<i32>(static_cast<i64>(t_->offset()) + insn.disp);
  }
  void code_address(u8 reg, u64 address, bool wide);
  u64 next_of(const isa::Insn& insn) const { return cut(t_->rip + insn.offset + insn.length); }
  u64 cut(u64 address) const { return address & low_mask(code_size_ * 8); }
  // Of a direct branch.
  u64 target_of(const isa::Insn& insn) const {
    return (next_of(insn) + insn.imm) & low_mask((wide_ ? 8u : insn.size) * 8);
  }
  bool in_same_page(u64 target) const { return (t_->linear(target) ^ t_->linear(t_->rip)) < kPageSize; }
  bool is_cpl_0() const { return cpl_of(t_->mode) == 0; }
  SegmentUse use_of(unsigned segment) const;
  bool passes_unseen(unsigned segment) const;
  bool has_flat_stack() const;
  bool branches_inside(const isa::Insn& insn) const;
  Form form_of(const isa::Insn& insn, const Encoded& d) const;
  Form lea_form_of(const isa::Insn& insn) const;
  Form stack_form_of(const isa::Insn& insn, const Encoded& d, Form plain, Form segmented) const;
  Form pop_form_of(const isa::Insn& insn, const Encoded& d) const;
  Form push_flags_form_of(const isa::Insn& insn) const;
  Form read_segment_form_of(const isa::Insn& insn, const Encoded& d) const;
  Form load_segment_form_of(const isa::Insn& insn, const Encoded& d) const;
  Form string_form_of(const isa::Insn& insn) const;
  Form bit_string_form_of(const isa::Insn& insn, const Encoded& d) const;
  Form host_form_of(const isa::Insn& insn, const Encoded& d) const;
  Form gather_form_of(const isa::Insn& insn) const;
  Form memory_form_of(const isa::Insn& insn, const Encoded& d) const;
  static bool may_fault(const isa::Insn& insn, Form form);
  void prepare_temporaries(bool counts);
  void start_insn();
  bool can_be_rewritten(const isa::Insn& insn, const Encoded& d) const;
  bool memory_is_plain(const isa::Insn& insn, const Encoded& d) const;
  bool memory_is_segmented(const isa::Insn& insn, const Encoded& d) const;

  void execute_undefined(std::span<FlagUse> uses);
  void note_regions();
  u32 check_entered();
  void checked_entry();
  void check_rip();
  void check_code_segment();
  void check_place();
  void check_mapping();
  void align_entry();
  bool loses_flags_first() const;
  bool has_check(unsigned insn) const;
  void saving_entry();
  void unverified_entries();
  void check_rsp_at_entry();
  void check_rsp_at_exit();
  void count_block(unsigned insn);
  bool leads_on() const;
  bool looks_for_attention() const;
  bool counting_loses_flags() const;
  // What of the vector registers is to be in the host's.
  enum class Vectors : u8 { None, Xmm, All };
  Vectors needs_vectors(unsigned insn) const;
  bool needs_x87(unsigned insn) const;
  void ensure_vectors(Vectors what);
  void ensure_x87();
  void emit(unsigned insn);
  void slow_paths();
  void vector_loads();
  void exit_stubs();
  void apply_fixups();

  void copy(const Encoded& d);
  void lea(const isa::Insn& insn, const Encoded& d);
  void memory(const isa::Insn& insn, const Encoded& d);
  void memory_at_constant(const Encoded& d, u64 address, u8 t0, u8 t1);
  void push(const isa::Insn& insn, const Encoded& d);
  void push_word(u8 reg);
  void spill_flags();
  void push_flags();
  void pop(const isa::Insn& insn);
  void leave();
  void call(const isa::Insn& insn);
  void call_indirect(const isa::Insn& insn, const Encoded& d);
  void jump_indirect(const isa::Insn& insn, const Encoded& d);
  void ret(const isa::Insn& insn);
  void condition(const isa::Insn& insn);
  void branch_by_count(const isa::Insn& insn);
  Hole jump_if_counting(unsigned size);
  // translate_system.cpp
  void set_flag(const isa::Insn& insn);
  void sti(const isa::Insn& insn);
  void swap_gs();
  void read_tsc(const isa::Insn& insn);
  void execute();

  // Accesses that look at their segment: see segmented_access.cpp.
  struct SegmentOffset {
    u8 base = kNone, index = kNone, scale_log2 = 0;
    i32 disp = 0;
    u8 size = 4;  // bytes of it
    u8 segment = cpu::kSs;
    bool parts = false;  // several accesses, the offset of each cut to its size
  };
  SegmentOffset offset_of(const isa::Insn& insn) const;
  SegmentOffset stack_offset(u8 base, i32 disp) const {
    return {.base = base, .disp = disp, .size = context_.mode.stack_size};
  }
  void form_offset(const SegmentOffset& o);
  void check_offset(const SegmentOffset& o, unsigned bytes, bool write);
  void find_segmented(const SegmentOffset& o, unsigned bytes, bool write);
  void into_page(bool write);
  void find_formed(const SegmentOffset& o, unsigned bytes, bool write);
  void load_sized(u8 reg, const Mem& m, unsigned size);
  void merge_sized(u8 reg, u8 from, unsigned size);
  void set_stack_pointer(u8 base, i32 disp);
  void read_segmented(const isa::Insn& insn, const Encoded& d);
  void check_code_limit(const isa::Insn& insn);
  void segmented_memory(const isa::Insn& insn, const Encoded& d);
  void segmented_push(const isa::Insn& insn, const Encoded& d);
  void segmented_pop(const isa::Insn& insn);
  void segmented_pop_memory(const isa::Insn& insn);
  void segmented_push_flags(const isa::Insn& insn);
  void push_all(const isa::Insn& insn);
  void pop_all(const isa::Insn& insn);
  void segmented_leave(const isa::Insn& insn);
  void push_return(const isa::Insn& insn);
  void segmented_call(const isa::Insn& insn);
  void segmented_call_indirect(const isa::Insn& insn, const Encoded& d);
  void segmented_jump_indirect(const isa::Insn& insn, const Encoded& d);
  void segmented_return(const isa::Insn& insn);
  void offset_lea(const isa::Insn& insn);
  // Segment registers: translate_segments.cpp.
  void read_segment(const isa::Insn& insn);
  void store_segment(const isa::Insn& insn);
  void push_segment(const isa::Insn& insn);
  void load_segment(const isa::Insn& insn);
  void selector_into_t1(const isa::Insn& insn);
  void set_segment(unsigned segment);
  // translate_string.cpp
  void check_direction();
  void advance(u8 reg, const isa::Insn& insn);
  void string(const isa::Insn& insn);
  void move_string(const isa::Insn& insn, const SegmentOffset& from, const SegmentOffset& to);
  void compare_string(const isa::Insn& insn, const SegmentOffset& from, const SegmentOffset& to);
  void translate_byte(const isa::Insn& insn);
  void find_run(u8 pointer, unsigned size, bool write);
  void repeated_string(const isa::Insn& insn);
  void bit_string(const isa::Insn& insn, const Encoded& d);  // translate_bits.cpp
  // translate_gather.cpp
  void gather(const isa::Insn& insn, const Encoded& d);
  void check_indices(const semantics::Vsib& vsib);
  Mem gather_operand(const isa::Insn& insn, const semantics::Vsib& vsib);

  // Memory accesses: see translate_memory.cpp.
  void free_t1();
  void budget_into_t1();
  void budget_into_t1_before();
  bool needs_t1(const isa::Insn& insn) const;
  u8 second_temporary(const isa::Insn& insn);
  void add_slow_path(SlowPath path);
  void save_flags(u8 temp);
  void restore_flags(u8 temp);
  void flags_into_slot(u8 temp);
  void flags_into_host(u8 temp);
  void flags_lost();
  bool wants_host_flags(unsigned insn) const;
  i32 tlb_address(bool write, bool addend) const;
  bool may_share_checks() const;
  void find_shared_checks();
  // Of the access that is being made.
  const SharedCheck& share() const { return (second_ ? shared_.second : shared_.of)[current_]; }
  bool follows() const { return share().follows(); }
  void load_shared_addend(u8 t0);
  void keep_addend(u8 t0);
  void hoisted_checks();
  void hoisted_check(const HoistedCheck& h);
  // Hosted accesses: see hosted_access.cpp.
  LinearForm linear_form(const isa::Insn& insn) const;
  void compare_region(u8 group, u8 temp);
  void compare_constant_region(u8 group, const LinearForm& f);
  void split_unless_equal(u8 group, const LinearForm& f, u16 access);
  void hoisted_region_check(const HoistedCheck& h);
  void address_for_region(const isa::Insn* insn, const LinearForm& f, u8 temp);
  void find_region(const isa::Insn* insn, const LinearForm& f, u8 t0, u8 t1);
  Mem hosted_constant(u64 address, u8 t0, u8 t1);
  Mem operand_by_one(const isa::Insn& insn, u8 t0);
  void check_region(const isa::Insn* insn, const LinearForm& f, u8 temp);
  // In the GS segment.
  void prepare_flags(u8 temp);
  u8 pick_for_gs(const isa::Insn& insn);
  void gs_memory(const isa::Insn& insn, const Encoded& d);
  Mem gs_operand(const isa::Insn& insn, u8 temp);
  void entry_of(u8 t1, u8 from);
  void compare(u8 t0, u8 t1, bool write);
  void check_at(u8 base, i32 disp, u8 t0, u8 t1, bool write, unsigned size);
  void check(u8 t0, u8 t1, bool write, unsigned size);
  void slow_if(Cc cc);
  void pick_scratch(const isa::Insn& insn, u8& t0, u8& t1);
  void address_into(const isa::Insn& insn, u8 t);
  void find_addend(const isa::Insn& insn, bool write, unsigned size, u8 t0, u8 t1);
  Mem linear_operand(const isa::Insn& insn, u8 b, u8 i, u8 t0, u8 t1);
  Mem host_operand(const isa::Insn& insn, bool write, unsigned size, u8 t0, u8 t1);
  void stack_check(u8 base, i32 disp, bool write);
  Mem stack_operand(u8 base, i32 disp);
  void read_to_t0(const isa::Insn& insn, const Encoded& d);
  // Of T0 or T1: it holds the guest register's value, and the state's may be out of date.
  enum class Held : u8 { No, Clean, Dirty };
  Held& held_value(u8 reg) { return held_values_[reg == kT1]; }
  void hold(u8 reg, Held how);
  void write_back();
  void load_operands(const RegisterUse& t0, const RegisterUse& t1);
  void store_operands(const RegisterUse& t0, const RegisterUse& t1);
  void release_temporaries();
  void load_guest(u8 reg);
  void store_guest(u8 reg);
  void push_constant(u64 value);

  void exit_to(u64 target);
  void exit_across(u64 target);
  void across_from_moving(u64 target, u64* cell);
  void name_target(u64 target);
  void exit_by_table(u64 target);
  void exit_by(Hole taken, u64 target, u64 otherwise);
  void link_here(u64 target, Hole from);
  void indirect_exit();
  void jump_by_table();
  void jump_to(const u8* code);
  void jump_to(Cc cc, const u8* code);

  static i32 address_of(const void* p) { return static_cast<i32>(reinterpret_cast<i64>(p)); }
  static Mem field(const void* p) { return at_address(address_of(p)); }
  Mem gpr(u8 index) const { return field(&context_.state.gpr[index]); }
  Mem remaining() const { return field(&context_.remaining); }
  Mem page() const { return field(&context_.tier.page); }
  Mem branch_target() const { return field(&context_.tier.branch_target); }
  Mem flags_slot() const { return field(&context_.tier.flags); }
  Mem addend(u8 group) const {
    return field(group < kHostedGroup ? &context_.tier.addends[group]
                                      : &context_.tier.regions[group - kHostedGroup].addend);
  }
  Mem region_key(u8 group) const { return field(&context_.tier.regions[group - kHostedGroup].key); }
  bool is_hosted() const { return share().hosted(); }
  bool is_in_gs() const { return share().in_gs(); }
  Mem spill(unsigned n) const { return field(&context_.tier.spill[n]); }

  interp::Context& context_;
  const Stubs& stubs_;
  Ids& ids_;
  JitOptions options_;
  Encoder encoder_;
  bool bmi2_ = __builtin_cpu_supports("bmi2");
  Assembler a_;

  // Of the present block.
  Translation* t_ = nullptr;
  const u8* base_ = nullptr;
  const u64* table_ = nullptr;
  RegionChooser* regions_ = nullptr;
  std::vector<Encoded> encoded_;
  std::vector<Form> forms_;
  std::vector<u32> live_;  // flags before each instruction
  std::vector<SlowPath> slow_;
  std::vector<VectorLoad> vector_loads_;
  std::vector<ExitStub> exits_;
  struct Fixup {
    Hole from;
    const u8* to;
  };
  std::vector<Fixup> fixups_;
  unsigned current_ = 0;
  bool second_ = false;        // it is the stack access of an instruction that has a memory operand, too
  u8 code_size_ = 8;           // 2, 4 or 8 bytes
  u8 word_ = 8;                // bytes of an address and of what is pushed, where no segment is looked at
  bool wide_ = true;           // code_size_ is 8
  bool counts_in_t1_ = false;  // see Translation
  bool rsp_verified_ = false;  // where the block is left: see Translation
  bool budget_in_t1_ = false;  // now; otherwise T1 is free, and the budget in the Context
  u8 borrowed_[2] = {kNone, kNone};
  // Where the guest's flags are while they are live.
  enum class FlagsAt : u8 { Host, Slot, Both };
  FlagsAt flags_at_ = FlagsAt::Host;
  bool saves_at_entry_ = false;
  std::vector<FlagUse> uses_;
  CheckSharing sharing_;
  SharedChecks shared_;
  Held held_values_[2] = {Held::No, Held::No};
  // The group whose addend T0 holds: before the present instruction, and, as far as it has come, behind it.
  u8 held_ = kNoGroup, t0_addend_ = kNoGroup;
};

}  // namespace tandem::jit
