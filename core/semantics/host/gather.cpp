// Gathers and scatters, element by element. An element that is done loses its mask bit, so that a fault can
// be repaired and the instruction started again (SDM vol. 2, VGATHERDPS).
#include <cstring>

#include "core/mmu/segment.h"
#include "core/semantics/host/run.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

class Elements {
 public:
  Elements(Cpu& cpu, const isa::Insn& insn, const Vsib& vsib)
      : cpu_(cpu), insn_(insn), vsib_(vsib), base_(mmu::effective_address(cpu, insn)) {}

  u8* data(unsigned i) { return vector(vsib_.data) + i * vsib_.element; }

  bool wanted(unsigned i) {
    if (vsib_.opmask) return cpu_.state.vector.k[vsib_.mask] >> i & 1;
    return vector(vsib_.mask)[(i + 1) * vsib_.element - 1] & 0x80;
  }
  void done(unsigned i) {
    if (vsib_.opmask) cpu_.state.vector.k[vsib_.mask] &= ~(u64{1} << i);
    else std::memset(vector(vsib_.mask) + i * vsib_.element, 0, vsib_.element);
  }
  void clear_mask() {
    if (vsib_.opmask) cpu_.state.vector.k[vsib_.mask] = 0;
    else cpu_.state.vector.zmm[vsib_.mask] = {};
  }
  void clear_above_data() {
    const unsigned used = vsib_.count * vsib_.element;
    std::memset(vector(vsib_.data) + used, 0, sizeof(Zmm) - used);
  }

  bool linear(unsigned i, mmu::Access access, u64& out) {
    const u8* at = vector(vsib_.index) + i * vsib_.index_size;
    const i64 index = vsib_.index_size == 8 ? load_le<i64>(at) : load_le<i32>(at);
    const u64 offset = base_ + (static_cast<u64>(index) << vsib_.scale_log2);
    return mmu::linearize(cpu_, insn_.segment, offset & low_mask(insn_.address_size * 8), vsib_.element,
                          access, out);
  }

 private:
  u8* vector(unsigned n) { return cpu_.state.vector.zmm[n].bytes; }

  Cpu& cpu_;
  const isa::Insn& insn_;
  const Vsib& vsib_;
  u64 base_;
};

template <class F>
Step for_each_wanted(Elements& e, const Vsib& vsib, F transfer) {
  for (unsigned i = 0; i < vsib.count; ++i) {
    if (!e.wanted(i)) continue;
    if (!transfer(i)) return Step::Fault;
    e.done(i);
  }
  e.clear_mask();
  return Step::Next;
}

}  // namespace

Step run_gather(Cpu& cpu, const isa::Insn& insn, const HostInsn& host) {
  cpu.upper_vectors_written = true;
  if (!enter(cpu, host)) return Step::Fault;
  Elements e(cpu, insn, host.vsib);
  const Step step = for_each_wanted(e, host.vsib, [&](unsigned i) {
    u64 linear;
    return e.linear(i, mmu::Access::Read, linear) &&
           mmu::read_bytes(cpu, linear, e.data(i), host.vsib.element);
  });
  if (step == Step::Next) e.clear_above_data();
  return step;
}

Step run_scatter(Cpu& cpu, const isa::Insn& insn, const HostInsn& host) {
  if (!enter(cpu, host)) return Step::Fault;
  Elements e(cpu, insn, host.vsib);
  return for_each_wanted(e, host.vsib, [&](unsigned i) {
    u64 linear;
    return e.linear(i, mmu::Access::Write, linear) &&
           mmu::write_bytes(cpu, linear, e.data(i), host.vsib.element);
  });
}

}  // namespace tandem::semantics
