// How each instruction is translated.
#include <algorithm>

#include "core/isa/op.h"
#include "core/mmu/segment.h"
#include "core/semantics/host/availability.h"
#include "core/semantics/host/host_insn.h"
#include "core/semantics/host/run.h"
#include "core/semantics/system.h"
#include "jit/base/op_kinds.h"
#include "jit/base/translator.h"

namespace tandem::jit {

using isa::Insn;
using isa::Op;
using isa::OperandKind;

namespace {

constexpr unsigned kLongestInsn = 15;

enum class Kind : u8 { Other, User, Nop, Vector };

// What instructions are by their rows: User may run on the host as they are.
Kind kind_of(Op op) {
  if (conditional(op) == Conditional::Set || conditional(op) == Conditional::Move) return Kind::User;
  if (does_nothing(op)) return Kind::Nop;
  switch (op) {
    case Op::ADD:
    case Op::OR:
    case Op::ADC:
    case Op::SBB:
    case Op::AND:
    case Op::SUB:
    case Op::XOR:
    case Op::CMP:
    case Op::TEST:
    case Op::INC:
    case Op::DEC:
    case Op::NEG:
    case Op::NOT:
    case Op::MOV:
    case Op::MOVNTI:
    case Op::MOVBE:
    case Op::MOVZX:
    case Op::MOVSX:
    case Op::MOVSXD:
    case Op::XCHG:
    case Op::XADD:
    case Op::CMPXCHG:
    case Op::CMPXCHG8B:
    case Op::CMPXCHG16B:
    case Op::BSWAP:
    case Op::ROL:
    case Op::ROR:
    case Op::RCL:
    case Op::RCR:
    case Op::SHL:
    case Op::SHR:
    case Op::SAR:
    case Op::SHLD:
    case Op::SHRD:
    case Op::MUL:
    case Op::IMUL:
    case Op::IMUL_ONE:
    case Op::DIV:
    case Op::IDIV:
    case Op::BT:
    case Op::BTS:
    case Op::BTR:
    case Op::BTC:
    case Op::BSF:
    case Op::BSR:
    case Op::TZCNT:
    case Op::LZCNT:
    case Op::POPCNT:
    case Op::CRC32:
    case Op::ADCX:
    case Op::ADOX:
    case Op::ANDN:
    case Op::BEXTR:
    case Op::BLSI:
    case Op::BLSMSK:
    case Op::BLSR:
    case Op::BZHI:
    case Op::MULX:
    case Op::PDEP:
    case Op::PEXT:
    case Op::RORX:
    case Op::SARX:
    case Op::SHLX:
    case Op::SHRX:
    case Op::CBW:
    case Op::CWDE:
    case Op::CDQE:
    case Op::CWD:
    case Op::CDQ:
    case Op::CQO:
    case Op::LAHF:
    case Op::SAHF:
    case Op::CLC:
    case Op::STC:
    case Op::CMC:
    case Op::LFENCE:
    case Op::MFENCE:
    case Op::SFENCE: return Kind::User;
    case Op::VZEROUPPER:
    case Op::VZEROALL:
    case Op::HOST: return Kind::Vector;
    default: return Kind::Other;
  }
}

bool has_prefix(const Encoded& d, u8 prefix) {
  const auto prefixes = d.bytes.first(d.insn.prefix_count);
  return std::ranges::find(prefixes, prefix) != prefixes.end();
}

// Registers beyond the eighth, which VEX and EVEX name in every mode, and only 64-bit mode has.
bool names_high_register(const Encoding& insn, std::span<const u8> bytes) {
  const u8* v = bytes.data() + insn.vex_at;
  if (insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
    return v[0] == 0xc5 ? !(v[1] & 0x40) : (v[1] & 0xe0) != 0xe0 || !(v[2] & 0x40);
  }
  if (insn.encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX) return false;
  return (v[1] & 0xf0) != 0xf0 || !(v[2] & 0x40) || !(v[3] & 0x08);
}

// Would the host, in 64-bit mode, take the bytes of 32-bit code for something else (SDM vol. 2, 2.2.1, 2.3)?
bool is_other_in_64_bits(const Encoded& d) {
  const Encoding& insn = d.insn;
  if (insn.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY)
    return insn.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && insn.opcode == 0x82;
  const u8* v = d.bytes.data() + insn.vex_at;
  const bool w = v[0] != 0xc5 && (v[2] & 0x80);
  return (w && d.names_gpr32) || names_high_register(insn, d.bytes);
}

// The same bytes are another instruction on a CPU with more or fewer features (SDM vol. 2, TZCNT, LZCNT).
bool is_other_on_host(Op op, const Encoded& d) {
  switch (op) {
    case Op::BSF:
    case Op::BSR: return has_prefix(d, 0xf3);
    case Op::TZCNT: return !__builtin_cpu_supports("bmi");
    case Op::LZCNT: return !__builtin_cpu_supports("lzcnt");
    default: return false;
  }
}

// Bytes whose operands 16-bit code takes by other rules than the rest.
bool has_operand_size(Op op) {
  switch (op) {
    case Op::ADCX:
    case Op::ADOX:
    case Op::MOVNTI:
    case Op::CMPXCHG8B: return false;
    default: return true;
  }
}
// Guest registers, by their offset.
bool in_state(u8 offset) { return offset == isa::gpr_offset(kT0) || offset == isa::gpr_offset(kT1); }
bool names_any_in_state(const Insn& insn) {
  return names_gpr(insn, kT0) || names_gpr(insn, kT1) || in_state(insn.base) || in_state(insn.index);
}

bool is_fence(Op op) { return op == Op::LFENCE || op == Op::MFENCE || op == Op::SFENCE; }

}  // namespace

// In 16-bit code the prefix means 32 bits.
OperandPrefix Translator::operand_prefix(const Insn& insn, const Encoded& d) {
  if (d.insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || kind_of(insn.op) != Kind::User ||
      is_fence(insn.op))
    return OperandPrefix::Kept;
  const bool has = has_prefix(d, 0x66), needs = insn.size == 2;
  return has == needs ? OperandPrefix::Kept : needs ? OperandPrefix::Added : OperandPrefix::Dropped;
}

// Does a segment's base belong to the address?
bool Translator::is_based(const Insn& insn) const {
  return wide_ ? insn.address_form == isa::AddressForm::Based64 : insn.segment >= cpu::kFs;
}

SegmentUse Translator::use_of(unsigned segment) const { return segment_use(t_->mode, segment); }

// What code that knows no segments may access.
bool Translator::passes_unseen(unsigned segment) const {
  if (segment == cpu::kCs) return false;
  return use_of(segment) == (segment >= cpu::kFs ? SegmentUse::Unlimited : SegmentUse::Flat);
}
bool Translator::has_flat_stack() const {
  return wide_ || (context_.mode.stack_size == 4 && passes_unseen(cpu::kSs));
}

// Is the address known, but for a segment's base?
bool Translator::is_constant(const Insn& insn) const {
  return insn.index == isa::kZeroOffset && (insn.base == isa::kRipOffset || insn.base == isa::kZeroOffset);
}
u64 Translator::constant_of(const Insn& insn) const {
  const u64 address = static_cast<u64>(insn.disp) + (insn.base == isa::kRipOffset ? t_->rip : 0);
  return wide_ ? address : static_cast<u32>(address);
}

// Is base + disp the address as it is, but where 32 bits wrap, which a check notices then?
bool Translator::is_direct(const Insn& insn) const {
  constexpr i64 kNear = 64 * KiB;
  return insn.base != isa::kZeroOffset && insn.base != isa::kRipOffset && insn.index == isa::kZeroOffset &&
         !is_based(insn) && (wide_ || (insn.disp < kNear && insn.disp > -kNear));
}

// Is the memory operand an explicit one, that may be replaced?
bool Translator::can_be_rewritten(const Insn& insn, const Encoded& d) const {
  // MOV with an address instead of ModRM has 64 bits of it in 64-bit code.
  const bool by_address = !wide_ && insn.op == Op::MOV && (d.insn.opcode & 0xfc) == 0xa0;
  return options_.memory && d.memory->bytes && (d.insn.names_memory() || by_address) && d.memory->is_address;
}

// One for an access that looks at its segment. In 64-bit code it serves what is too rare for another way.
bool Translator::memory_is_segmented(const Insn& insn, const Encoded& d) const {
  if (!can_be_rewritten(insn, d)) return false;
  if (wide_) return insn.base != isa::kRipOffset && !names_any_in_state(insn);
  return !(d.memory->writes && insn.segment == cpu::kCs && context_.mode.protected_mode);
}

// An explicit operand whose address is formed with all bits out of ordinary registers.
bool Translator::memory_is_plain(const Insn& insn, const Encoded& d) const {
  if (!can_be_rewritten(insn, d) || insn.address_size != word_ || names_high_byte(insn)) return false;
  if (!wide_ && !passes_unseen(insn.segment)) return false;
  if (is_constant(insn) && !is_based(insn) && !is_placed(insn))
    return (constant_of(insn) & kPageMask) + d.memory->bytes <= kPageSize;
  if (insn.base == isa::kRipOffset) {
    if (is_based(insn) && t_->moves) return false;
    const u64 address =
        t_->moves ? t_->offset() + static_cast<u64>(insn.disp) : t_->rip + static_cast<u64>(insn.disp);
    return static_cast<u64>(static_cast<i64>(static_cast<i32>(address))) == address;
  }
  return !(in_state(insn.base) && in_state(insn.index));
}

Form Translator::host_form_of(const Insn& insn, const Encoded& d) const {
  using semantics::Unit;
  if (insn.op != Op::HOST)  // VZEROUPPER, VZEROALL
    return options_.vectors && semantics::unit_available(context_, Unit::Avx) ? Form::Copy : Form::Execute;
  const auto& h = *static_cast<const semantics::HostInsn*>(insn.host);
  const bool wanted = h.x87_state ? options_.x87 : options_.vectors;
  if (!wanted || !semantics::unit_available(context_, h.unit)) return Form::Execute;
  if (h.vsib.count) return gather_form_of(insn);
  // A mask may leave out elements; the check is of all of them, and the interpreter sees to what fails it.
  if (h.run == semantics::run_registers) return Form::Copy;
  return d.memory ? memory_form_of(insn, d) : Form::Execute;
}

// Where a region's guards stand for a check of each element.
Form Translator::gather_form_of(const Insn& insn) const {
  const bool by_register = insn.base != isa::kZeroOffset && insn.base != isa::kRipOffset;
  return regions_ && wide_ && by_register && !is_based(insn) ? Form::Gather : Form::Execute;
}

Form Translator::memory_form_of(const Insn& insn, const Encoded& d) const {
  if (memory_is_plain(insn, d)) return Form::Memory;
  return memory_is_segmented(insn, d) ? Form::SegmentedMemory : Form::Execute;
}

// Are both ways of a direct branch inside of CS?
bool Translator::branches_inside(const Insn& insn) const {
  if (wide_) return true;
  if (insn.size != 4 && code_size_ == 4) return false;
  return target_of(insn) <= t_->code_limit && next_of(insn) <= t_->code_limit;
}

Form Translator::lea_form_of(const Insn& insn) const {
  if (code_size_ == 2 || (!wide_ && insn.address_size == 2)) return Form::OffsetLea;
  if (is_constant(insn) && (insn.base == isa::kRipOffset || !wide_))
    return insn.address_size == word_ && insn.size != 2 ? Form::Lea : Form::Execute;
  return wide_ || insn.address_size == 4 ? Form::Lea : Form::Execute;
}

// Of what uses the stack, or branches by an operand: `plain` where no segment is looked at.
Form Translator::stack_form_of(const Insn& insn, const Encoded& d, Form plain, Form segmented) const {
  const bool flat = (has_flat_stack() || plain == Form::JumpIndirect) && t_->code_limit == ~u32{0};
  if (flat && insn.size == word_ && (!d.memory || memory_is_plain(insn, d))) return plain;
  if (wide_ || (d.memory && !memory_is_segmented(insn, d))) return Form::Execute;
  return options_.memory ? segmented : Form::Execute;
}

// POP to memory whose address is by the stack pointer sees it moved, which 16 bits may wrap.
Form Translator::pop_form_of(const Insn& insn, const Encoded& d) const {
  if (!d.memory) return stack_form_of(insn, d, Form::Pop, Form::SegmentedPop);
  const bool wraps = context_.mode.stack_size == 2 && insn.base == isa::gpr_offset(kSp);
  return !wide_ && !wraps && memory_is_segmented(insn, d) ? Form::SegmentedPopMemory : Form::Execute;
}

Form Translator::push_flags_form_of(const Insn& insn) const {
  if (wide_) return insn.size == word_ ? Form::PushFlags : Form::Execute;
  return options_.memory && !context_.mode.vm86 ? Form::SegmentedPushFlags : Form::Execute;
}

Form Translator::read_segment_form_of(const Insn& insn, const Encoded& d) const {
  if (insn.kind[0] == OperandKind::Gpr) return wide_ && insn.size == 2 ? Form::Execute : Form::ReadSegment;
  return memory_is_segmented(insn, d) ? Form::StoreSegment : Form::Execute;
}

// Where a selector says all of a segment, and modes stay as they are. The interrupt shadow of SS is the
// interpreter's.
Form Translator::load_segment_form_of(const Insn& insn, const Encoded& d) const {
  const unsigned segment = loaded_segment(insn);
  if (context_.mode.protected_mode || code_size_ != 2 || segment == cpu::kSs || segment == cpu::kCs ||
      !options_.memory)
    return Form::Execute;
  if (context_.mode.vm86 && use_of(segment) == SegmentUse::Limited) return Form::Execute;
  return !d.memory || memory_is_segmented(insn, d) ? Form::LoadSegment : Form::Execute;
}

Form Translator::string_form_of(const Insn& insn) const {
  if (!options_.memory) return Form::Execute;
  if (!(insn.prefixes & (isa::kRep | isa::kRepne))) return Form::String;
  const StringKind kind = string_kind(insn.op);
  const bool plain = wide_ && insn.address_size == 8 && !(insn.prefixes & isa::kRepne);
  if (kind == StringKind::Store) return plain ? Form::RepeatedString : Form::Execute;
  return plain && kind == StringKind::Move && insn.segment < cpu::kFs ? Form::RepeatedString : Form::Execute;
}

Form Translator::bit_string_form_of(const Insn& insn, const Encoded& d) const {
  const bool known = insn.base != isa::kRipOffset || !t_->moves;
  const bool plain = wide_ && insn.size >= 4 && insn.address_size == 8;
  return plain && known && can_be_rewritten(insn, d) && !names_any_in_state(insn) ? Form::BitString
                                                                                  : Form::Execute;
}

Form Translator::form_of(const Insn& insn, const Encoded& d) const {
  if (d.insn.length == 0 || is_other_on_host(insn.op, d) || (!wide_ && is_other_in_64_bits(d)))
    return Form::Execute;
  const bool branches_inside = isa::flow_of(insn.op) == isa::Flow::Branch && this->branches_inside(insn);
  switch (insn.op) {
    case Op::LEA: return lea_form_of(insn);
    case Op::PUSH: return stack_form_of(insn, d, Form::Push, Form::SegmentedPush);
    case Op::POP: return pop_form_of(insn, d);
    case Op::LEAVE: return stack_form_of(insn, d, Form::Leave, Form::SegmentedLeave);
    case Op::JMP: return branches_inside ? Form::Jump : Form::Execute;
    case Op::CALL:
      return branches_inside ? stack_form_of(insn, d, Form::Call, Form::SegmentedCall) : Form::Execute;
    case Op::JMP_INDIRECT: return stack_form_of(insn, d, Form::JumpIndirect, Form::SegmentedJumpIndirect);
    case Op::CALL_INDIRECT: return stack_form_of(insn, d, Form::CallIndirect, Form::SegmentedCallIndirect);
    case Op::RET: return stack_form_of(insn, d, Form::Return, Form::SegmentedReturn);
    case Op::PUSHF:
    case Op::PUSHFD:
    case Op::PUSHFQ: return push_flags_form_of(insn);
    case Op::PUSHA:
    case Op::PUSHAD: return options_.memory ? Form::PushAll : Form::Execute;
    case Op::POPA:
    case Op::POPAD: return options_.memory ? Form::PopAll : Form::Execute;
    case Op::PUSH_SEGMENT: return !wide_ && options_.memory ? Form::PushSegment : Form::Execute;
    case Op::MOV_FROM_SEGMENT: return read_segment_form_of(insn, d);
    case Op::MOV_TO_SEGMENT:
    case Op::POP_SEGMENT:
    case Op::LDS:
    case Op::LES:
    case Op::LFS:
    case Op::LGS:
    case Op::LSS: return load_segment_form_of(insn, d);
    case Op::XLAT: return options_.memory ? Form::Translate : Form::Execute;
    case Op::CLD:
    case Op::STD: return Form::SetFlag;
    case Op::CLI: return is_cpl_0() ? Form::SetFlag : Form::Execute;
    case Op::STI: return is_cpl_0() ? Form::Sti : Form::Execute;
    case Op::RDTSC:
    case Op::RDTSCP: return reads_host_tsc(context_) ? Form::ReadTsc : Form::Execute;
    case Op::SWAPGS: return is_cpl_0() ? Form::SwapGs : Form::Execute;
    default: break;
  }
  if (conditional(insn.op) == Conditional::Jump) return branches_inside ? Form::Condition : Form::Execute;
  if (is_string(insn.op)) return string_form_of(insn);
  if (branches_by_count(insn.op)) return branches_inside ? Form::Count : Form::Execute;
  switch (kind_of(insn.op)) {
    case Kind::Nop: return Form::Nothing;
    case Kind::Vector: return host_form_of(insn, d);
    case Kind::Other: return Form::Execute;
    case Kind::User: break;
  }
  if (code_size_ == 2 && (!has_operand_size(insn.op) || d.insn.length == kLongestInsn)) return Form::Execute;
  if (!d.memory) return Form::Copy;
  // A bit string reaches beyond its operand.
  const bool bit_string = insn.op == Op::BT || insn.op == Op::BTS || insn.op == Op::BTR || insn.op == Op::BTC;
  if (bit_string && insn.kind[1] == OperandKind::Gpr) return bit_string_form_of(insn, d);
  return memory_form_of(insn, d);
}

bool Translator::may_fault(const Insn& insn, Form form) {
  switch (form) {
    case Form::Nothing:
    case Form::Lea:
    case Form::OffsetLea:
    case Form::SetFlag:
    case Form::ReadSegment:
    case Form::SwapGs:
    case Form::ReadTsc: return false;
    default: break;
  }
  const bool quiet = kind_of(insn.op) == Kind::User && insn.op != Op::DIV && insn.op != Op::IDIV;
  return form != Form::Copy || !quiet;
}

}  // namespace tandem::jit
