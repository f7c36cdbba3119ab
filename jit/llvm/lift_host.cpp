// Instructions that stay the host's own: their bytes in inline assembly, with the guest's registers of these
// names as its operands.
#include <fmt/format.h>

#include <algorithm>

#include "core/isa/op.h"
#include "jit/base/flag_use.h"
#include "jit/base/rewrite.h"
#include "jit/llvm/host_text.h"
#include "jit/llvm/lifter.h"
#include "jit/llvm/usage.h"

namespace tandem::jit {

using isa::Op;
using llvm::Value;

namespace {

constexpr const char* kGprNames[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                     "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

// There is no condition for AF.
struct HostFlag {
  Flag flag;
  u32 bit;
  const char* condition;
};
constexpr HostFlag kHostFlags[] = {{Flag::Cf, cpu::kCf, "c"},
                                   {Flag::Pf, cpu::kPf, "p"},
                                   {Flag::Zf, cpu::kZf, "z"},
                                   {Flag::Sf, cpu::kSf, "s"},
                                   {Flag::Of, cpu::kOf, "o"}};

u32 flags_written_by(const isa::Insn& insn, const ZydisDecodedInstruction& d) {
  switch (insn.op) {
    case Op::BTS:
    case Op::BTR:
    case Op::BTC:
      return cpu::kCf;  // CPUs leave the others alone
    // Comparisons of vectors and masks clear what they don't tell; Zydis 4.0 has not all of that.
    case Op::HOST: return written_flags(d) ? kAllFlags : 0;
    default: return written_flags(d);
  }
}

// Of those, what is not always cleared. Zydis 4.0 has that right for vector instructions alone.
u32 flags_told_by(const isa::Insn& insn, const ZydisDecodedInstruction& d) {
  const u32 written = flags_written_by(insn, d);
  if (!written) return 0;
  if (insn.op == Op::SBB) return written;  // SDM vol. 2; Zydis 4.0 leaves AF open
  if (insn.op == Op::HOST) return written & d.cpu_flags->modified;
  return written & (d.cpu_flags->modified | ~u32{cpu::kAf});
}

bool is_whole_move(ZydisMnemonic m) {
  switch (m) {
    case ZYDIS_MNEMONIC_MOVAPS:
    case ZYDIS_MNEMONIC_MOVAPD:
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVDQA:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_MOVQ:
    case ZYDIS_MNEMONIC_MOVD:
    case ZYDIS_MNEMONIC_PSHUFD: return true;
    default: return false;
  }
}

}  // namespace

// Tier 1 translates them where the guest's counter is the host's but for an offset.
bool Lifter::lift_tsc() {
  const bool with_aux = insn().op == Op::RDTSCP;
  if (insn().op != Op::RDTSC && !with_aux) return false;
  llvm::Type *const type = b_.getInt64Ty(), *const half = b_.getInt32Ty();
  HostCode code;
  code.text = with_aux ? "rdtscp" : "rdtsc";
  code.outputs = {"={rax}", "={rdx}"};
  code.types = {type, type};
  if (with_aux) {
    code.outputs.push_back("={rcx}");
    code.types.push_back(type);
  }
  code.has_effects = true;
  const std::vector<Value*> values = run(code);
  Value* ticks = b_.CreateOr(values[0], b_.CreateShl(values[1], 32));
  for (const i64 offset : {layout_.host_tsc_offset, layout_.tsc_offset})
    ticks = b_.CreateAdd(ticks, state_->load_field(type, offset));
  state_->write(isa::gpr_offset(kAx), b_.CreateTrunc(ticks, half));
  state_->write(isa::gpr_offset(kDx), b_.CreateTrunc(b_.CreateLShr(ticks, 32), half));
  if (with_aux) state_->write(isa::gpr_offset(kCx), state_->load_field(half, layout_.tsc_aux));
  return true;
}

void Lifter::lift_as_host() {
  HostCode code;
  std::vector<HostResult> results;
  OperandUses uses;
  add_uses(insn_number_, uses);
  name_operands(uses, decoded().memory, code, results);
  // Of HOST: the sticky flags of MXCSR, the x87 stack.
  code.has_effects |=
      insn().op == Op::HOST || insn().op == Op::LFENCE || insn().op == Op::MFENCE || insn().op == Op::SFENCE;
  if (decoded().memory) memory_for_host(code);
  else code.text = byte_text(decoded().bytes);
  flags_for_host(code, results);
  const std::vector<Value*> values = decoded().memory ? run_or_site(code, results) : run(code);
  take_registers(values, results);
  take_flags(values, results);
}

// Registers that are named, also by the opcode alone.
void Lifter::add_uses(u32 insn_number, OperandUses& uses) const {
  const Decoded& d = decoded_[block_number_][insn_number];
  auto& [gprs, vectors, masks] = uses;
  const Op op = block().insns[insn_number].op;
  const bool legacy = d.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;
  const bool masked = is_masked(d);
  for (unsigned n = 0; n < d.insn.operand_count; ++n) {
    const ZydisDecodedOperand& o = d.operands[n];
    const bool reads = o.actions & (ZYDIS_OPERAND_ACTION_MASK_READ | ZYDIS_OPERAND_ACTION_CONDWRITE);
    const bool writes = o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    const bool may_keep = op == Op::BSF || op == Op::BSR;
    if (const auto reg = gpr_of(o)) {
      gprs[*reg].reads |= reads || (writes && (o.size < 32 || may_keep));
      gprs[*reg].writes |= writes;
    } else if (const auto vector = vector_of(o)) {
      const bool whole =
          (!legacy && !masked) ||
          (usage_.vector_bytes == 16 &&
           (is_whole_move(d.insn.mnemonic) || (d.memory && (d.insn.mnemonic == ZYDIS_MNEMONIC_MOVSS ||
                                                            d.insn.mnemonic == ZYDIS_MNEMONIC_MOVSD))));
      vectors[*vector].reads |= reads || (writes && !whole);
      vectors[*vector].writes |= writes;
    } else if (const auto mask = mask_of(o)) {
      masks[*mask].reads |= reads || (writes && masked);
      masks[*mask].writes |= writes;
    }
  }
}

// keep: outputs are inputs, too, so that they are as before where an access is refused.
void Lifter::name_operands(const OperandUses& uses, bool keep, HostCode& code,
                           std::vector<HostResult>& results) {
  const auto& [gprs, vectors, masks] = uses;
  const auto add = [&](const OperandUse& use, const std::string& name, HostResult::Kind kind, unsigned n,
                       Value* v) {
    if (use.writes) {
      code.outputs.push_back("={" + name + "}");
      code.types.push_back(v->getType());
      results.push_back({kind, n});
    }
    if (!use.reads && !keep) return;
    code.inputs.push_back("{" + name + "}");
    code.values.push_back(v);
  };
  for (unsigned n = 0; n < gprs.size(); ++n)
    if (gprs[n].is_used()) add(gprs[n], kGprNames[n], HostResult::Kind::Gpr, n, state_->gpr(n));
  const char letter = usage_.vector_bytes == 64 ? 'z' : usage_.vector_bytes == 32 ? 'y' : 'x';
  for (unsigned n = 0; n < vectors.size(); ++n)
    if (vectors[n].is_used())
      add(vectors[n], fmt::format("{}mm{}", letter, n), HostResult::Kind::Vector, n, state_->vector(n));
  for (unsigned n = 0; n < masks.size(); ++n)
    if (masks[n].is_used()) add(masks[n], fmt::format("k{}", n), HostResult::Kind::Mask, n, state_->mask(n));
}

// The operand by any registers where the instruction has a text, and writes no flags, which would come before
// them among the operands; otherwise by the guest's where that may be, so that a value stays in one register
// of the host.
void Lifter::memory_for_host(HostCode& code) {
  const Address a = operand_address();
  check(a);
  const HostAddress address = host_address(a);
  code.has_effects = true;
  const std::string operand = text_of(address, a.scale_log2, code.outputs.size() + code.inputs.size());
  const bool is_flagless = !flags_written_by(insn(), decoded().insn);
  if (const auto text = is_flagless ? vector_text(decoded(), operand) : std::nullopt) {
    code.text = *text;
    return add_inputs(code, address);
  }
  const auto is_free = [&](u8 reg) {
    const std::string name = fmt::format("{{{}}}", kGprNames[reg]);
    return reg != kSp && std::ranges::find(code.inputs, name) == code.inputs.end() &&
           std::ranges::find(code.outputs, "=" + name) == code.outputs.end();
  };
  Mem m{kNone, kNone, static_cast<u8>(a.scale_log2), address.disp, address.in_gs};
  const auto take = [&](Value* v, u8 guest, u8& reg) {
    if (!v) return;
    constexpr u8 kOthers[] = {k11, k10, k9, k8, kDi, kSi, kDx, kCx};
    reg = guest < 16 && is_free(guest) ? guest : *std::ranges::find_if(kOthers, is_free);
    code.inputs.push_back(fmt::format("{{{}}}", kGprNames[reg]));
    code.values.push_back(v);
  };
  take(address.base, insn().base / 8, m.base);
  take(a.index, insn().index / 8, m.index);
  Assembler assembler;
  rewrite(assembler, decoded().bytes, decoded().insn, m);
  code.text = byte_text(assembler.code());
}

// Into registers at once: behind an access that may be refused, the next thing is a block's end, and LLVM 19
// lets others of its instructions write the flags before a jump by an output that is a condition.
void Lifter::flags_for_host(HostCode& code, std::vector<HostResult>& results) {
  const u32 told = flags_told_by(insn(), decoded().insn) & live_behind();
  if (!told) return;
  const auto add = [&](const std::string& constraint, llvm::Type* type, HostResult result) {
    code.outputs.push_back(constraint);
    code.types.push_back(type);
    results.push_back(result);
    return code.outputs.size() - 1;
  };
  if (told & cpu::kAf) {
    const std::size_t n = add("=r", b_.getInt64Ty(), {HostResult::Kind::Rflags, told});
    code.text += fmt::format("\npushfq\npopq ${}", n);
    return;
  }
  for (const HostFlag& f : kHostFlags)
    if (told & f.bit) {
      const std::size_t n =
          add("=q", b_.getInt8Ty(), {HostResult::Kind::Flag, static_cast<unsigned>(f.flag)});
      code.text += fmt::format("\nset{} ${}", f.condition, n);
    }
}

void Lifter::take_registers(std::span<Value* const> values, std::span<const HostResult> results) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].kind == HostResult::Kind::Gpr) state_->set_gpr(results[i].number, values[i]);
    if (results[i].kind == HostResult::Kind::Vector) state_->set_vector(results[i].number, values[i]);
    if (results[i].kind == HostResult::Kind::Mask) state_->set_mask(results[i].number, values[i]);
  }
}

void Lifter::take_flags(std::span<Value* const> values, std::span<const HostResult> results) {
  const u32 written = flags_written_by(insn(), decoded().insn);
  if (written) conditions_ = {};
  for (const HostFlag& f : kHostFlags)
    if (written & f.bit) set(f.flag, b_.getFalse());
  if (written & cpu::kAf) set(Flag::Af, b_.getFalse());
  for (std::size_t i = 0; i < results.size(); ++i) {
    Value* const v = values[i];
    const unsigned n = results[i].number;
    if (results[i].kind == HostResult::Kind::Flag)
      set(static_cast<Flag>(n), b_.CreateTrunc(v, b_.getInt1Ty()));
    if (results[i].kind != HostResult::Kind::Rflags) continue;
    for (const HostFlag& f : kHostFlags)
      if (n & f.bit) set(f.flag, b_.CreateICmpNE(b_.CreateAnd(v, b_.getInt64(f.bit)), zero(v)));
    if (n & cpu::kAf) set(Flag::Af, bit(v, 4));
  }
}

}  // namespace tandem::jit
