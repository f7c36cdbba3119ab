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

}  // namespace

// Does a segment's base belong to the address?
bool Translator::is_based(const Insn& insn) const {
  return wide_ ? insn.address_form == isa::AddressForm::Based64 : insn.segment >= cpu::kFs;
}

// Is the address known, but for a segment's base?
bool Translator::is_constant(const Insn& insn) const {
  return insn.index == isa::kZeroOffset && (insn.base == isa::kRipOffset || insn.base == isa::kZeroOffset);
}
u64 Translator::constant_of(const Insn& insn) const {
  return cut(static_cast<u64>(insn.disp) + (insn.base == isa::kRipOffset ? t_->rip : 0));
}

// Is base + disp the address as it is, but where 32 bits wrap, which a check notices then?
bool Translator::is_direct(const Insn& insn) const {
  constexpr i64 kNear = 64 * KiB;
  return insn.base != isa::kZeroOffset && insn.base != isa::kRipOffset && insn.index == isa::kZeroOffset &&
         !is_based(insn) && (wide_ || (insn.disp < kNear && insn.disp > -kNear));
}

// An explicit operand whose address is formed with all bits out of ordinary registers.
bool Translator::memory_is_plain(const Insn& insn, const Encoded& d) const {
  if (!options_.memory || insn.address_size != word_ || d.memory->bytes == 0) return false;
  // MOV with an address instead of ModRM has 64 bits of it in 64-bit code.
  const bool by_address = !wide_ && insn.op == Op::MOV && (d.insn.opcode & 0xfc) == 0xa0;
  if (!d.insn.names_memory() && !by_address) return false;
  if (!d.memory->is_address || names_high_byte(insn)) return false;
  if (!wide_ && (insn.segment == cpu::kCs || !mmu::is_unlimited(context_.state.segments[insn.segment])))
    return false;
  if (is_constant(insn) && !is_based(insn) && !is_placed(insn))
    return (constant_of(insn) & kPageMask) + d.memory->bytes <= kPageSize;
  if (insn.base == isa::kRipOffset) {
    if (is_based(insn) && t_->moves) return false;
    const u64 address =
        t_->moves ? t_->offset() + static_cast<u64>(insn.disp) : t_->rip + static_cast<u64>(insn.disp);
    return static_cast<u64>(static_cast<i64>(static_cast<i32>(address))) == address;
  }
  const auto in_state = [](u8 offset) {
    return offset == isa::gpr_offset(kT0) || offset == isa::gpr_offset(kT1);
  };
  return !(in_state(insn.base) && in_state(insn.index));
}

Form Translator::host_form_of(const Insn& insn, const Encoded& d) const {
  using semantics::Unit;
  if (insn.op != Op::HOST)  // VZEROUPPER, VZEROALL
    return options_.vectors && semantics::unit_available(context_, Unit::Avx) ? Form::Copy : Form::Execute;
  const auto& h = *static_cast<const semantics::HostInsn*>(insn.host);
  const bool wanted = h.x87_state ? options_.x87 : options_.vectors;
  // A mask may leave out elements; the check is of all of them, and the interpreter sees to what fails it.
  if (!wanted || h.vsib.count || !semantics::unit_available(context_, h.unit)) return Form::Execute;
  if (h.run == semantics::run_registers) return Form::Copy;
  return d.memory && memory_is_plain(insn, d) ? Form::Memory : Form::Execute;
}

bool reads_host_tsc(const interp::Context& c) { return c.host_tsc_offset && semantics::tsc_allowed(c); }

Form Translator::form_of(const Insn& insn, const Encoded& d) const {
  if (d.insn.length == 0 || is_other_on_host(insn.op, d) || (!wide_ && is_other_in_64_bits(d)))
    return Form::Execute;
  const bool plain_stack = insn.size == word_;
  const bool plain_branch = wide_ || insn.size == 4;
  switch (insn.op) {
    case Op::LEA:
      if (is_constant(insn) && (insn.base == isa::kRipOffset || !wide_))
        return insn.address_size == word_ && insn.size != 2 ? Form::Lea : Form::Execute;
      return wide_ || insn.address_size == 4 ? Form::Lea : Form::Execute;
    case Op::PUSH: return plain_stack && (!d.memory || memory_is_plain(insn, d)) ? Form::Push : Form::Execute;
    case Op::POP: return plain_stack && !d.memory ? Form::Pop : Form::Execute;
    case Op::LEAVE: return plain_stack ? Form::Leave : Form::Execute;
    case Op::JMP: return plain_branch ? Form::Jump : Form::Execute;
    case Op::CALL: return plain_branch ? Form::Call : Form::Execute;
    case Op::JMP_INDIRECT:
      return plain_stack && (!d.memory || memory_is_plain(insn, d)) ? Form::JumpIndirect : Form::Execute;
    case Op::CALL_INDIRECT:
      return plain_stack && (!d.memory || memory_is_plain(insn, d)) ? Form::CallIndirect : Form::Execute;
    case Op::RET: return plain_stack ? Form::Return : Form::Execute;
    case Op::PUSHFQ: return wide_ && plain_stack ? Form::PushFlags : Form::Execute;
    case Op::MOV_FROM_SEGMENT:
      return wide_ && insn.kind[0] == OperandKind::Gpr && insn.size >= 4 ? Form::ReadSegment : Form::Execute;
    case Op::CLI: return context_.mode.cpl == 0 ? Form::Cli : Form::Execute;
    case Op::RDTSC:
    case Op::RDTSCP: return reads_host_tsc(context_) ? Form::ReadTsc : Form::Execute;
    case Op::SWAPGS: return context_.mode.cpl == 0 ? Form::SwapGs : Form::Execute;
    default: break;
  }
  if (conditional(insn.op) == Conditional::Jump) return plain_branch ? Form::Condition : Form::Execute;
  switch (kind_of(insn.op)) {
    case Kind::Nop: return Form::Nothing;
    case Kind::Vector: return host_form_of(insn, d);
    case Kind::Other: return Form::Execute;
    case Kind::User: break;
  }
  if (!d.memory) return Form::Copy;
  // A bit string reaches beyond its operand.
  const bool bit_string = insn.op == Op::BT || insn.op == Op::BTS || insn.op == Op::BTR || insn.op == Op::BTC;
  if (bit_string && insn.kind[1] == OperandKind::Gpr) return Form::Execute;
  return memory_is_plain(insn, d) ? Form::Memory : Form::Execute;
}

bool Translator::may_fault(const Insn& insn, Form form) {
  switch (form) {
    case Form::Nothing:
    case Form::Lea:
    case Form::Cli:
    case Form::ReadSegment:
    case Form::SwapGs:
    case Form::ReadTsc: return false;
    default: break;
  }
  const bool quiet = kind_of(insn.op) == Kind::User && insn.op != Op::DIV && insn.op != Op::IDIV;
  return form != Form::Copy || !quiet;
}

}  // namespace tandem::jit
