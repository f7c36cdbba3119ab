#include "tools/verify/excursion.h"

#include "jit/base/flag_use.h"

namespace tandem::verify {

using cpu::CpuState;

namespace {

constexpr u64 kAllFlags = cpu::kArithmeticFlags;

// What gives something else each time, or changes what is outside of the CPU.
bool is_of_this_moment(ZydisMnemonic m) {
  switch (m) {
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_RDTSCP:
    case ZYDIS_MNEMONIC_RDPMC:
    case ZYDIS_MNEMONIC_RDRAND:
    case ZYDIS_MNEMONIC_RDSEED:
    case ZYDIS_MNEMONIC_MONITOR:
    case ZYDIS_MNEMONIC_MWAIT: return true;
    default: return false;
  }
}

bool is_of_idt(ZydisMnemonic m) { return m == ZYDIS_MNEMONIC_LIDT || m == ZYDIS_MNEMONIC_SIDT; }

bool copies_flags(ZydisMnemonic m) {
  switch (m) {
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
    case ZYDIS_MNEMONIC_LAHF:
    case ZYDIS_MNEMONIC_SYSCALL:
    case ZYDIS_MNEMONIC_INT:
    case ZYDIS_MNEMONIC_INT1:
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_INTO: return true;
    default: return false;
  }
}

bool takes_copied_flags(ZydisMnemonic m) {
  switch (m) {
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFD:
    case ZYDIS_MNEMONIC_POPFQ:
    case ZYDIS_MNEMONIC_SAHF:
    case ZYDIS_MNEMONIC_SYSRET:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ: return true;
    default: return false;
  }
}

bool may_go_elsewhere(const ZydisDecodedInstruction& insn) {
  switch (insn.meta.category) {
    case ZYDIS_CATEGORY_COND_BR:
    case ZYDIS_CATEGORY_UNCOND_BR:
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
    case ZYDIS_CATEGORY_INTERRUPT: return true;
    default: return insn.mnemonic == ZYDIS_MNEMONIC_RSM;
  }
}

// Did a fault come instead of the instruction, whose handler then began?
bool has_faulted(const CpuState& before, const CpuState& after, const ZydisDecodedInstruction* insn) {
  if (!insn) return true;
  if (!may_go_elsewhere(*insn)) return after.rip != before.rip + insn->length;
  const bool by_itself = insn->meta.category == ZYDIS_CATEGORY_SYSCALL ||
                         insn->meta.category == ZYDIS_CATEGORY_INTERRUPT ||
                         insn->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
  return !by_itself && after.segments[cpu::kSs].dpl < before.segments[cpu::kSs].dpl;
}

// A fault may show flags that nobody was to read any more (jit/README.md).
void follow_flags(const CpuState& before, const CpuState& after, const ZydisDecodedInstruction* insn,
                  Excursion& e) {
  if (has_faulted(before, after, insn)) {
    e.undefined = e.copied = kAllFlags;
    return;
  }
  if (copies_flags(insn->mnemonic)) e.copied |= e.undefined;
  if (takes_copied_flags(insn->mnemonic)) e.undefined = e.copied;
  e.undefined = (e.undefined & ~u64{jit::flag_use(*insn).kills}) | jit::undefined_flags(*insn);
}

}  // namespace

Excursion Explorer::explore(Stepper& stepper, const CpuState& start, cpu::ExitSink& machine, unsigned most,
                            bool alone, const Each& each) {
  for (;;) {
    Excursion e;
    if (try_to_explore(stepper, start, machine, most, alone, each, e)) return e;
    most = e.done;  // so far it was good
  }
}

// False: the instruction behind e.done has spoilt all.
bool Explorer::try_to_explore(Stepper& stepper, const CpuState& start, cpu::ExitSink& machine, unsigned most,
                              bool alone, const Each& each, Excursion& e) {
  view_.reset();
  CpuState before = start;
  e.end = start;
  // Without an IDT, a fault shuts the CPU down.
  if (!alone) before.idtr.limit = 0;
  if (most && !stepper.start(before, machine)) most = 0;
  for (; e.done < most && before.activity == cpu::Activity::Running; ++e.done) {
    const std::vector<u8> bytes = code_.read(before);
    const auto insn = states::decode(before, bytes);
    const ZydisMnemonic m = insn ? insn->mnemonic : ZYDIS_MNEMONIC_INVALID;
    if (is_of_this_moment(m) || (insn && !stepper.does(*insn)) || (is_of_idt(m) && !alone)) break;
    if (each) each(before, bytes);
    if (stepper.step() == Stepper::Step::Spoilt || !stepper.state(e.end)) return false;
    follow_flags(before, e.end, insn ? &*insn : nullptr, e);
    before = e.end;
  }
  if (!alone) e.end.idtr = start.idtr;
  return true;
}

u64 Explorer::dead_flags(const CpuState& state) {
  constexpr unsigned kLookAhead = 64;  // instructions
  CpuState at = state;
  u64 unknown = kAllFlags, dead = 0;
  for (unsigned i = 0; i < kLookAhead && unknown; ++i) {
    const std::vector<u8> bytes = code_.read(at);
    const auto insn = states::decode(at, bytes);
    if (!insn || may_go_elsewhere(*insn) || copies_flags(insn->mnemonic)) break;
    const jit::FlagUse use = jit::flag_use(*insn);
    unknown &= ~u64{use.reads};
    dead |= unknown & use.kills;
    unknown &= ~u64{use.kills};
    at.rip += insn->length;
  }
  return dead;
}

}  // namespace tandem::verify
