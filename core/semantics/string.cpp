#include "core/semantics/string.h"

#include <algorithm>

#include "core/semantics/io.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

u64 address_mask(const Insn& insn) { return low_mask(insn.address_size * 8); }

u64 index_register(const Cpu& cpu, const Insn& insn, unsigned gpr) {
  return cpu.state.gpr[gpr] & address_mask(insn);
}

void set_index_register(Cpu& cpu, const Insn& insn, unsigned gpr, u64 value) {
  const u64 m = address_mask(insn);
  cpu.state.gpr[gpr] = insn.address_size == 2 ? (cpu.state.gpr[gpr] & ~m) | (value & m) : value & m;
}

void advance(Cpu& cpu, const Insn& insn, unsigned gpr, u64 elements) {
  const u64 bytes = elements * insn.size;
  const u64 value = index_register(cpu, insn, gpr);
  set_index_register(cpu, insn, gpr, cpu.state.rflags & kDf ? value - bytes : value + bytes);
}

bool source(Cpu& cpu, const Insn& insn, unsigned size, u64& linear) {
  return mmu::linearize(cpu, insn.segment, index_register(cpu, insn, kRsi), size, mmu::Access::Read, linear);
}
bool destination(Cpu& cpu, const Insn& insn, unsigned size, mmu::Access access, u64& linear) {
  return mmu::linearize(cpu, kEs, index_register(cpu, insn, kRdi), size, access, linear);
}

bool read_element(Cpu& cpu, u64 linear, unsigned size, u64& value) {
  value = 0;
  switch (size) {
    case 1: return mmu::read<u8>(cpu, linear, reinterpret_cast<u8&>(value));
    case 2: return mmu::read<u16>(cpu, linear, reinterpret_cast<u16&>(value));
    case 4: return mmu::read<u32>(cpu, linear, reinterpret_cast<u32&>(value));
    default: return mmu::read<u64>(cpu, linear, value);
  }
}
bool write_element(Cpu& cpu, u64 linear, unsigned size, u64 value) {
  switch (size) {
    case 1: return mmu::write<u8>(cpu, linear, static_cast<u8>(value));
    case 2: return mmu::write<u16>(cpu, linear, static_cast<u16>(value));
    case 4: return mmu::write<u32>(cpu, linear, static_cast<u32>(value));
    default: return mmu::write<u64>(cpu, linear, value);
  }
}

void set_compare_flags(Cpu& cpu, unsigned size, u64 a, u64 b) {
  switch (size) {
    case 1: alu::sub<u8>(cpu.flags, static_cast<u8>(a), static_cast<u8>(b)); break;
    case 2: alu::sub<u16>(cpu.flags, static_cast<u16>(a), static_cast<u16>(b)); break;
    case 4: alu::sub<u32>(cpu.flags, static_cast<u32>(a), static_cast<u32>(b)); break;
    default: alu::sub<u64>(cpu.flags, a, b);
  }
}

u64 bytes_to_page_end(u64 linear) { return kPageSize - (linear & kPageMask); }

// How many elements, at most `count`, a forward run may do with host pointers: flat 64-bit addresses only,
// since there segmentation can't end a run. 0: go by elements.
bool may_run(const Cpu& cpu, const Insn& insn) {
  return cpu.mode.code_size == 8 && insn.address_size == 8 && !(cpu.state.rflags & (kDf | kTf));
}

// Single steps and data breakpoints are reported after each element (SDM vol. 3, 17.3.1.4).
bool steps(const Cpu& cpu) { return (cpu.state.rflags & kTf) || cpu.state.events.debug_traps; }

}  // namespace

// element(): one step, false on a fault. run(): many steps at once, the number done, 0 where that can't be.
struct Movs {
  static constexpr bool kCompares = false;
  static bool element(Cpu& cpu, const Insn& insn) {
    u64 from, to, value;
    if (!source(cpu, insn, insn.size, from) || !read_element(cpu, from, insn.size, value)) return false;
    if (!destination(cpu, insn, insn.size, mmu::Access::Write, to) ||
        !write_element(cpu, to, insn.size, value))
      return false;
    advance(cpu, insn, kRsi, 1);
    advance(cpu, insn, kRdi, 1);
    return true;
  }
  static u64 run(Cpu& cpu, const Insn& insn, u64 count) {
    u64 from, to;
    if (!source(cpu, insn, 1, from) || !destination(cpu, insn, 1, mmu::Access::Write, to)) return 0;
    const u64 n = std::min({count, bytes_to_page_end(from) / insn.size, bytes_to_page_end(to) / insn.size});
    const unsigned bytes = static_cast<unsigned>(n * insn.size);
    const u8* source_host;
    u8* target_host;
    if (n < 2 || !mmu::host_for_read(cpu, from, bytes, source_host) || !source_host) return 0;
    if (!mmu::host_for_write(cpu, to, bytes, target_host) || !target_host) return 0;
    // A destination a little above its source repeats a pattern: that needs steps in order.
    if (target_host > source_host && target_host < source_host + bytes) return 0;
    std::memmove(target_host, source_host, bytes);
    advance(cpu, insn, kRsi, n);
    advance(cpu, insn, kRdi, n);
    return n;
  }
};

struct Stos {
  static constexpr bool kCompares = false;
  static bool element(Cpu& cpu, const Insn& insn) {
    u64 to;
    if (!destination(cpu, insn, insn.size, mmu::Access::Write, to) ||
        !write_element(cpu, to, insn.size, cpu.state.gpr[kRax]))
      return false;
    advance(cpu, insn, kRdi, 1);
    return true;
  }
  static u64 run(Cpu& cpu, const Insn& insn, u64 count) {
    u64 to;
    if (!destination(cpu, insn, 1, mmu::Access::Write, to)) return 0;
    const u64 n = std::min(count, bytes_to_page_end(to) / insn.size);
    u8* host;
    if (n < 2 || !mmu::host_for_write(cpu, to, static_cast<unsigned>(n * insn.size), host) || !host) return 0;
    const u64 value = cpu.state.gpr[kRax];
    if (insn.size == 1) {
      std::memset(host, static_cast<u8>(value), n);
    } else {
      for (u64 i = 0; i < n; ++i) std::memcpy(host + i * insn.size, &value, insn.size);
    }
    advance(cpu, insn, kRdi, n);
    return n;
  }
};

struct Lods {
  static constexpr bool kCompares = false;
  static bool element(Cpu& cpu, const Insn& insn) {
    u64 from, value;
    if (!source(cpu, insn, insn.size, from) || !read_element(cpu, from, insn.size, value)) return false;
    switch (insn.size) {
      case 1: set_gpr<u8>(cpu, kRax, static_cast<u8>(value)); break;
      case 2: set_gpr<u16>(cpu, kRax, static_cast<u16>(value)); break;
      default: cpu.state.gpr[kRax] = value;
    }
    advance(cpu, insn, kRsi, 1);
    return true;
  }
  static u64 run(Cpu&, const Insn&, u64) { return 0; }
};

struct Scas {
  static constexpr bool kCompares = true;
  static bool element(Cpu& cpu, const Insn& insn) {
    u64 at, value;
    if (!destination(cpu, insn, insn.size, mmu::Access::Read, at) || !read_element(cpu, at, insn.size, value))
      return false;
    set_compare_flags(cpu, insn.size, cpu.state.gpr[kRax], value);
    advance(cpu, insn, kRdi, 1);
    return true;
  }
  static u64 run(Cpu&, const Insn&, u64) { return 0; }
};

struct Cmps {
  static constexpr bool kCompares = true;
  static bool element(Cpu& cpu, const Insn& insn) {
    u64 from, at, a, b;
    // Where both fault, CPUs report that of the second operand.
    if (!destination(cpu, insn, insn.size, mmu::Access::Read, at) || !read_element(cpu, at, insn.size, b))
      return false;
    if (!source(cpu, insn, insn.size, from) || !read_element(cpu, from, insn.size, a)) return false;
    set_compare_flags(cpu, insn.size, a, b);
    advance(cpu, insn, kRsi, 1);
    advance(cpu, insn, kRdi, 1);
    return true;
  }
  static u64 run(Cpu&, const Insn&, u64) { return 0; }
};

namespace {

// REPE and REPNE end with ZF, for the instructions that set it.
template <class Kind>
bool ends(const Cpu& cpu, const Insn& insn) {
  if constexpr (!Kind::kCompares) return false;
  return cpu.flags.zf() == ((insn.prefixes & isa::kRepne) != 0);
}

inline constexpr unsigned kElementsBetweenLooks = 4096;

}  // namespace

template <class Kind>
Step string_op(Cpu& cpu, const Insn& insn) {
  if (!(insn.prefixes & (isa::kRep | isa::kRepne)))
    return Kind::element(cpu, insn) ? Step::Next : Step::Fault;
  const bool runs = may_run(cpu, insn);
  u64 count = index_register(cpu, insn, kRcx);
  for (u64 since_look = 0; count != 0;) {
    u64 n = runs ? Kind::run(cpu, insn, count) : 0;
    if (n == 0) {
      if (!Kind::element(cpu, insn)) return Step::Fault;
      n = 1;
    }
    count -= n;
    set_index_register(cpu, insn, kRcx, count);
    if (ends<Kind>(cpu, insn)) return Step::Next;
    since_look += n;
    if (count == 0) break;
    if (steps(cpu)) return Step::Again;
    if (since_look >= kElementsBetweenLooks) {
      since_look = 0;
      if (cpu.requests.load(std::memory_order_relaxed)) return Step::Again;
    }
  }
  return Step::Next;
}

template Step string_op<Movs>(Cpu&, const Insn&);
template Step string_op<Stos>(Cpu&, const Insn&);
template Step string_op<Lods>(Cpu&, const Insn&);
template Step string_op<Scas>(Cpu&, const Insn&);
template Step string_op<Cmps>(Cpu&, const Insn&);

namespace {

// Repeats a port string instruction; each element may reach a device, so events are looked at every time.
template <class F>
Step repeat_io(Cpu& cpu, const Insn& insn, F element) {
  if (!(insn.prefixes & (isa::kRep | isa::kRepne))) return element() ? Step::EndBlock : Step::Fault;
  for (u64 count = index_register(cpu, insn, kRcx); count != 0;) {
    if (!element()) return Step::Fault;
    set_index_register(cpu, insn, kRcx, --count);
    if (count != 0 && (steps(cpu) || cpu.requests.load(std::memory_order_relaxed))) return Step::Again;
  }
  return Step::EndBlock;
}

}  // namespace

Step ins(Cpu& cpu, const Insn& insn) {
  const u16 port = get_gpr<u16>(cpu, kRdx);
  if (!port_allowed(cpu, port, insn.size)) return Step::Fault;
  return repeat_io(cpu, insn, [&] {
    u64 to;
    if (!destination(cpu, insn, insn.size, mmu::Access::Write, to) || !mmu::probe_write(cpu, to, insn.size))
      return false;
    if (!write_element(cpu, to, insn.size, port_read(cpu, port, insn.size))) return false;
    advance(cpu, insn, kRdi, 1);
    return true;
  });
}

Step outs(Cpu& cpu, const Insn& insn) {
  const u16 port = get_gpr<u16>(cpu, kRdx);
  if (!port_allowed(cpu, port, insn.size)) return Step::Fault;
  return repeat_io(cpu, insn, [&] {
    u64 from, value;
    if (!source(cpu, insn, insn.size, from) || !read_element(cpu, from, insn.size, value)) return false;
    port_write(cpu, port, insn.size, static_cast<u32>(value));
    advance(cpu, insn, kRsi, 1);
    return true;
  });
}

}  // namespace tandem::semantics
