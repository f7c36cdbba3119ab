// Gathers and scatters in a hosted address space. The check is of the base: guards about its region are wider
// than an index of 32 bits leads. Where the host refuses an element, those before it are done and their mask
// bits clear, and the interpreter goes on from there.
#include "jit/base/rewrite.h"
#include "jit/base/translator.h"

namespace tandem::jit {

using isa::Insn;
using semantics::Vsib;

void Translator::gather(const Insn& insn, const Encoded& d) {
  if (!is_hosted()) return execute();
  const Vsib& vsib = static_cast<const semantics::HostInsn*>(insn.host)->vsib;
  if (vsib.index_size == 8) check_indices(vsib);
  rewrite(a_, d, gather_operand(insn, vsib));
}

// Goes to the site where one of 64 bits is more than 32. The state's copy of their register is out of date,
// and serves as a place to look at them.
void Translator::check_indices(const Vsib& vsib) {
  const i32 copy = address_of(&context_.state.vector.zmm[vsib.index]);
  flags_into_slot(kT0);
  held_ = kNoGroup;
  if (vsib.opmask) a_.store_zmm(at_address(copy), vsib.index);
  else a_.store_ymm(at_address(copy), vsib.index);
  for (unsigned n = 0; n < vsib.count; ++n) {
    const Mem index = at_address(copy + static_cast<i32>(8 * n));
    a_.load_signed32(kT0, index);
    a_.alu(Alu::Cmp, kT0, index);
    add_slow_path({a_.jump(Cc::Nz), static_cast<u16>(current_)});
  }
  flags_lost();
}

Mem Translator::gather_operand(const Insn& insn, const Vsib& vsib) {
  const u8 base = insn.base / 8;
  const bool in_state = base == kT0 || base == kT1;
  if (!is_in_gs() && in_state) free_t1();
  if (follows()) prepare_flags(kT0);
  else check_region(&insn, linear_form(insn), kT0);
  t0_addend_ = kNoGroup;
  const u8 index = vsib.index & 15;  // the rest of its number stays where it is
  Mem m{base, index, vsib.scale_log2, static_cast<i32>(insn.disp), is_in_gs()};
  if (in_state) a_.load(kT0, gpr(base));
  if (in_state || !is_in_gs()) m.base = kT0;
  if (is_in_gs()) return m;
  if (in_state) {
    a_.load(kT1, addend(share().group));
    a_.lea(kT0, Mem{kT0, kT1, 0, 0, false});
  } else {
    a_.load(kT0, addend(share().group));
    a_.lea(kT0, Mem{base, kT0, 0, 0, false});
  }
  return m;
}

}  // namespace tandem::jit
