// Guest code into LLVM IR: one function for a region, u32 (Context*), which runs from the region's first
// block until it is left, and returns the number of its exit.
//
// Integer instructions are IR; those that have no short form there, and vector instructions, stay the host's
// own, as inline assembly. Accesses are hosted: inline assembly which the host may refuse, and whose place
// and way out are in the section kRefusals.
#pragma once

#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Module.h>

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "jit/base/assembler.h"
#include "jit/base/decoded.h"
#include "jit/base/flag_use.h"
#include "jit/base/op_kinds.h"
#include "jit/llvm/facts.h"
#include "jit/llvm/guest_state.h"
#include "jit/llvm/plan.h"

namespace tandem::jit {

// Pairs of 32-bit distances, each from its own place: of an instruction that may be refused, and of where its
// code goes then.
inline constexpr const char* kRefusals = ".tandem_refusals";

struct LiftedRegion {
  std::unique_ptr<llvm::LLVMContext> context;  // outlives the module
  std::unique_ptr<llvm::Module> module;
  std::vector<RegionExit> exits;
  RegionVectors vectors;
};

// name: of the function.
LiftedRegion lift(const RegionPlan& plan, const Layout& layout, const std::string& name);

class Lifter {
 public:
  static constexpr u32 kOften = 10000;  // branch weight of what mostly happens, against 1

  Lifter(const RegionPlan& plan, const Layout& layout, LiftedRegion& out, const std::string& name);
  void run();

 private:
  using Value = llvm::Value;
  using BasicBlock = llvm::BasicBlock;

  // base + (index << scale_log2) + disp, where the first two may be absent.
  struct Address {
    Value *base = nullptr, *index = nullptr;
    unsigned scale_log2 = 0;
    i64 disp = 0;
    std::optional<AddressKey> key;  // of base and index, to look up what is known
    bool placed = false;            // base is the code's page: checked where the region is entered
    u8 region = PlanBlock::kSoft;
    bool chases = false;  // a pointer that is loaded by itself
  };
  // The same as the host has it.
  struct HostAddress {
    Value *base = nullptr, *index = nullptr;
    i32 disp = 0;
    bool in_gs = false;
  };
  // Instructions of the host with their operands.
  struct HostCode {
    std::string text;
    std::vector<std::string> outputs, inputs;  // constraints
    std::vector<Value*> values;                // of the inputs
    std::vector<llvm::Type*> types;            // of the outputs
    bool has_effects = false;                  // others than on its outputs
  };
  // An operand of a string instruction: where its register points to in the host.
  struct StringRow {
    u8 reg;
    Value* addend;
  };
  // What becomes of an output.
  struct HostResult {
    // Rflags: number has the bits that are taken.
    enum class Kind : u8 { Gpr, Vector, Mask, Flag, Rflags };
    Kind kind;
    unsigned number;
  };

  // Of a run.
  struct RunAccess {
    u32 insn;
    bool has_carried;  // some instruction before it has set flags
    BasicBlock* refused;
  };
  // What is read of a register besides what is named: the part that is not written.
  struct OperandUse {
    bool reads = false, writes = false;
    bool is_used() const { return reads || writes; }
  };
  struct OperandUses {
    std::array<OperandUse, 16> gprs{};
    std::array<OperandUse, 32> vectors{};
    std::array<OperandUse, 8> masks{};
  };

  const PlanBlock& block() const { return plan_.blocks[block_number_]; }
  const isa::Insn& insn() const { return block().insns[insn_number_]; }
  const Decoded& decoded() const { return decoded_[block_number_][insn_number_]; }
  u8 region_of_access(bool second) const {
    return block().regions[insn_number_ + (second ? block().insns.size() : 0)];
  }

  void decode();
  void find_live_flags();
  // Arithmetic flags that are kept behind the current instruction.
  u32 live_behind() const {
    const std::vector<u32>& before = live_[block_number_];
    return insn_number_ + 1 < before.size() ? before[insn_number_ + 1] : kAllFlags;
  }
  Usage find_usage() const;
  void enter();
  void lift_block();
  void look_for_attention(PlaceInRegion next);
  void count_block();
  void lift_insn();
  void follow_insn(Facts& facts) const;

  // Ways out: lifter.cpp.
  BasicBlock* new_block(const char* name) { return BasicBlock::Create(context_, name, function_); }
  void branch_if(Value* condition, BasicBlock* likely, BasicBlock* unlikely);
  void leave(const RegionExit& exit, u32 flags);
  BasicBlock* site();
  void leave_to_site();
  void go_to(PlaceInRegion at);
  void go_to_block(u32 to);
  BasicBlock* way_to(PlaceInRegion at);
  Value* code_address(PlaceInRegion at);
  void check_for(u32 to, BasicBlock* otherwise);
  Value* constant(unsigned bits, u64 v) {
    return b_.getIntN(bits, bits >= 64 ? v : v & ((u64{1} << bits) - 1));
  }
  Value* bit(Value* v, unsigned n) { return b_.CreateTrunc(b_.CreateLShr(v, n), b_.getInt1Ty()); }
  Value* zero(Value* like) { return llvm::Constant::getNullValue(like->getType()); }

  // Memory: lift_memory.cpp.
  Address operand_address();
  Address stack_address(unsigned reg, i64 disp, bool second);
  Value* effective_address();  // of LEA
  Value* sum_of(const Address& a);
  Value* value_of(const AddressKey& key);
  void check(const Address& a);
  void check_region(Value* linear, u8 region, BasicBlock* otherwise);
  void check_placed(BasicBlock* otherwise);
  HostAddress host_address(const Address& a);
  static std::string text_of(const HostAddress& h, unsigned scale_log2, std::size_t first_operand);
  Value* load(const Address& a, unsigned size);
  Value* load_extended(const Address& a, unsigned size, unsigned to_size, bool sign);
  void store(const Address& a, Value* v);
  static void add_inputs(HostCode& code, const HostAddress& address);
  llvm::InlineAsm* assembly(const HostCode& code, const std::string& text,
                            const std::string& more_constraints, bool has_effects);
  std::vector<Value*> results_of(const HostCode& code, Value* result);
  static std::string byte_text(std::span<const u8> bytes);
  static std::string refusal_text(std::size_t label, const std::string& to);
  Value* call_refusable(const HostCode& code, const std::string& text, BasicBlock* on,
                        const std::vector<BasicBlock*>& refused);
  // The first instruction may be refused. Goes on behind it.
  Value* run_or(const HostCode& code, BasicBlock* refused);
  // kept: what the outputs are, each of a register that is an input too, so that it is as before where the
  // instruction is refused.
  std::vector<Value*> run_or_site(const HostCode& code, std::span<const HostResult> kept = {});
  std::vector<Value*> run(const HostCode& code);

  // Operands.
  Value* immediate(unsigned size) { return constant(8 * size, insn().imm); }
  Value* read_operand(unsigned n, unsigned size);
  Value* read_operand(unsigned n) { return read_operand(n, insn().size); }
  void write_operand(unsigned n, Value* v);

  // Integer instructions: lift_integer.cpp, lift_shift.cpp, lift_multiply.cpp.
  bool lift_integer();
  bool lift_arithmetic();
  bool lift_move();
  bool lift_bits();
  bool lift_flag_move();
  bool lift_conditional();
  bool lift_exchange();
  bool lift_shift();
  void shift_flags(Value* count, Value* r, Value* carry, Value* overflow);
  bool lift_double_shift();
  bool lift_rotate();
  bool lift_rotate_with_carry();
  bool lift_bmi_shift();
  bool lift_multiply();
  bool lift_divide();
  Value* condition(unsigned code);
  Value* even_condition(unsigned code);
  void result_flags(Value* r);
  void set(Flag f, Value* v) { state_->set_flag(f, v); }
  Value* get(Flag f) { return state_->flag(f); }
  void set_unless(Value* keep, Flag f, Value* v) { set(f, b_.CreateSelect(keep, get(f), v)); }
  Value* add_flags(Value* a, Value* b, Value* carry);
  Value* sub_flags(Value* a, Value* b, Value* borrow);
  void logic_flags(Value* r);
  void adjust_flag(Value* a, Value* b, Value* r);
  void sign_and_zero_conditions(Value* r);

  // Branches and the stack: lift_control.cpp.
  bool lift_stack();
  bool lift_branch();
  void push(Value* v, bool second);
  Value* pop(unsigned bytes);
  void go_to_target(Value* target, const std::vector<PlaceInRegion>& places);

  // The host's own instructions: lift_host.cpp.
  bool lift_tsc();
  void lift_as_host();
  void add_uses(u32 insn_number, OperandUses& uses) const;
  void name_operands(const OperandUses& uses, bool keep, HostCode& code, std::vector<HostResult>& results);
  void memory_for_host(HostCode& code);
  void flags_for_host(HostCode& code, std::vector<HostResult>& results);
  void take_registers(std::span<Value* const> values, std::span<const HostResult> results);
  void take_flags(std::span<Value* const> values, std::span<const HostResult> results);

  // x87 instructions that are not the host's own: lift_x87.cpp.
  bool lift_x87();
  void lift_load_of_control();
  void lift_conditional_x87(unsigned code);

  // Repeated string instructions: lift_string.cpp.
  bool lift_string();
  void look_at_direction();
  StringRow string_row(u8 reg);
  Value* load_elements(const StringRow& row, unsigned bytes);
  void skip_by_vectors(std::span<const StringRow> rows);
  void run_string(StringKind kind, std::span<const StringRow> rows);

  // Runs that carry: lift_run.cpp.
  u32 run_end() const;
  bool is_in_run(u32 insn_number, const Facts& facts) const;
  bool has_access(u32 insn_number) const;
  void lift_run(u32 end);
  void add_run_uses(u32 insn_number, OperandUses& uses) const;
  std::vector<RunAccess> add_run(u32 first, u32 end, HostCode& code);
  static void add_refusals(const std::vector<RunAccess>& accesses, HostCode& code);
  void leave_run(const RunAccess& access, std::span<Value* const> values,
                 std::span<const HostResult> results);

  const RegionPlan& plan_;
  const PlanFlow flow_;
  const Layout layout_;
  LiftedRegion& out_;
  llvm::LLVMContext& context_;
  llvm::IRBuilder<> b_;
  llvm::Function* function_ = nullptr;
  Usage usage_;
  std::unique_ptr<GuestState> state_;
  std::vector<std::vector<Decoded>> decoded_;
  std::vector<std::vector<u32>> live_;  // arithmetic flags that are kept before each instruction
  std::unique_ptr<FactsOfRegion> facts_;
  Facts now_;  // what is known before the present instruction
  std::vector<BasicBlock*> heads_;
  std::vector<Value*> keys_, addends_;  // of the TierFrame's regions
  Value* page_ = nullptr;
  u32 block_number_ = 0, insn_number_ = 0;
  BasicBlock* site_ = nullptr;  // of the present instruction
  bool ended_ = false;          // the present block has its way out
  // Even condition codes as the present block's last flags have them, where that is simpler than to ask the
  // flags.
  std::array<Value*, 8> conditions_{};
};

}  // namespace tandem::jit
