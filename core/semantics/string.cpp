#include "core/semantics/string.h"

#include <algorithm>
#include <bit>

#include "core/semantics/io.h"
#include "core/semantics/string_host.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

u64 address_mask(const Insn& insn) { return ~u64{0} >> (64 - insn.address_size * 8); }

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
  return by_size(size, [&](auto element) {
    if (!mmu::read(cpu, linear, element)) return false;
    value = element;
    return true;
  });
}
bool write_element(Cpu& cpu, u64 linear, unsigned size, u64 value) {
  return by_size(size, [&](auto t) { return mmu::write(cpu, linear, static_cast<decltype(t)>(value)); });
}

template <class T>
void set_compare_flags(Cpu& cpu, u64 a, u64 b) {
  alu::sub<T>(cpu.flags, static_cast<T>(a), static_cast<T>(b));
}
void set_compare_flags(Cpu& cpu, unsigned size, u64 a, u64 b) {
  by_size(size, [&](auto t) { set_compare_flags<decltype(t)>(cpu, a, b); });
}

// REPNE ends with ZF set, REPE with ZF clear.
bool stops_at_equal(const Insn& insn) { return insn.prefixes & isa::kRepne; }

unsigned size_log2(const Insn& insn) { return static_cast<unsigned>(std::countr_zero(insn.size)); }

bool counts_down(const Cpu& cpu) { return cpu.state.rflags & kDf; }

// One operand of a run: elements from an index register on, in the order of the repetition.
struct Row {
  unsigned segment;
  u64 offset;  // of the first element
  u64 linear;  // its address, not checked yet
};

Row make_row(const Cpu& cpu, const Insn& insn, unsigned segment, unsigned gpr) {
  const bool long_code = cpu.mode.code_size == 8;
  const u64 offset = index_register(cpu, insn, gpr);
  const u64 base = long_code && segment < kFs ? 0 : cpu.state.segments[segment].base;
  return {segment, offset, long_code ? base + offset : static_cast<u32>(base + offset)};
}
Row source_row(const Cpu& cpu, const Insn& insn) { return make_row(cpu, insn, insn.segment, kRsi); }
Row destination_row(const Cpu& cpu, const Insn& insn) { return make_row(cpu, insn, kEs, kRdi); }

// How many elements lie in the page of the first, and before the offset wraps (where it does so right behind
// an element, that one is left out).
u64 room(const Cpu& cpu, const Insn& insn, const Row& row) {
  const u64 in_page = row.linear & kPageMask;
  if (!counts_down(cpu))
    return std::min(kPageSize - in_page, address_mask(insn) - row.offset) >> size_log2(insn);
  return in_page + insn.size > kPageSize ? 0 : (std::min(in_page, row.offset) >> size_log2(insn)) + 1;
}

// Host address of the first of n elements, room() at most; null where they must be taken one by one, be it
// because one of them faults.
template <mmu::Access access>
u8* host_row(Cpu& cpu, const Insn& insn, const Row& row, u64 n) {
  constexpr bool writes = access == mmu::Access::Write;
  // A flat address that the TLB has needs no check.
  if (cpu.mode.code_size == 8)
    if (u8* host = mmu::hit_page(writes ? cpu.bank->write : cpu.bank->read, row.linear)) [[likely]]
      return host;
  const unsigned bytes = static_cast<unsigned>(n * insn.size);
  const unsigned below = counts_down(cpu) ? bytes - insn.size : 0;
  u64 linear;
  if (!mmu::linearize(cpu, row.segment, row.offset - below, bytes, access, linear)) return nullptr;
  u8* host;
  if (!mmu::host_span(cpu, linear, bytes, access, host) || !host) return nullptr;
  return host + below;
}

i64 last_index(u64 taken, bool down) {
  return down ? 1 - static_cast<i64>(taken) : static_cast<i64>(taken) - 1;
}

// Single steps and data breakpoints are reported after each element (SDM vol. 3, 17.3.1.4).
bool steps(const Cpu& cpu) { return (cpu.state.rflags & kTf) || cpu.state.events.debug_traps; }

}  // namespace

// element(): one step, false on a fault. run(): at most count steps at once, inside a page; the number done,
// 0 where that can't be.
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
    const Row from = source_row(cpu, insn), to = destination_row(cpu, insn);
    const u64 n = std::min({count, room(cpu, insn, from), room(cpu, insn, to)});
    if (n == 0) return 0;
    u8* source_host = host_row<mmu::Access::Read>(cpu, insn, from, n);
    if (!source_host) return 0;
    u8* target_host = host_row<mmu::Access::Write>(cpu, insn, to, n);
    if (!target_host) return 0;
    copy_row(target_host, source_host, n, insn.size, counts_down(cpu));
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
    const Row to = destination_row(cpu, insn);
    const u64 n = std::min(count, room(cpu, insn, to));
    if (n == 0) return 0;
    u8* host = host_row<mmu::Access::Write>(cpu, insn, to, n);
    if (!host) return 0;
    by_size(insn.size, [&](auto t) {
      fill_row(host, n, static_cast<decltype(t)>(cpu.state.gpr[kRax]), counts_down(cpu));
    });
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
  static u64 run(Cpu& cpu, const Insn& insn, u64 count) {
    const Row row = destination_row(cpu, insn);
    const u64 n = std::min(count, room(cpu, insn, row));
    if (n == 0) return 0;
    const u8* host = host_row<mmu::Access::Read>(cpu, insn, row, n);
    if (!host) return 0;
    const u64 taken = by_size(insn.size, [&](auto t) { return scan<decltype(t)>(cpu, insn, host, n); });
    advance(cpu, insn, kRdi, taken);
    return taken;
  }
  // The flags are those of the last element as it is now: where another CPU has changed it in between, they
  // decide.
  template <class T>
  static u64 scan(Cpu& cpu, const Insn& insn, const u8* row, u64 n) {
    const bool down = counts_down(cpu);
    const T value = static_cast<T>(cpu.state.gpr[kRax]);
    const u64 taken = scan_row<T>(row, value, n, down, stops_at_equal(insn));
    set_compare_flags<T>(cpu, value, element_at<T>(row, last_index(taken, down)));
    return taken;
  }
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
  static u64 run(Cpu& cpu, const Insn& insn, u64 count) {
    const Row from = source_row(cpu, insn), at = destination_row(cpu, insn);
    const u64 n = std::min({count, room(cpu, insn, from), room(cpu, insn, at)});
    if (n == 0) return 0;
    const u8* b = host_row<mmu::Access::Read>(cpu, insn, at, n);
    if (!b) return 0;
    const u8* a = host_row<mmu::Access::Read>(cpu, insn, from, n);
    if (!a) return 0;
    const u64 taken = by_size(insn.size, [&](auto t) { return compare<decltype(t)>(cpu, insn, a, b, n); });
    advance(cpu, insn, kRsi, taken);
    advance(cpu, insn, kRdi, taken);
    return taken;
  }
  template <class T>
  static u64 compare(Cpu& cpu, const Insn& insn, const u8* a, const u8* b, u64 n) {
    const bool down = counts_down(cpu);
    const u64 taken = compare_rows<T>(a, b, n, down, stops_at_equal(insn));
    const i64 last = last_index(taken, down);
    set_compare_flags<T>(cpu, element_at<T>(a, last), element_at<T>(b, last));
    return taken;
  }
};

namespace {

template <class Kind>
bool ends(const Cpu& cpu, const Insn& insn) {
  if constexpr (!Kind::kCompares) return false;
  return cpu.flags.zf() == stops_at_equal(insn);
}

inline constexpr unsigned kElementsBetweenLooks = 4096;

}  // namespace

template <class Kind>
Step string_op(Cpu& cpu, const Insn& insn) {
  if (!(insn.prefixes & (isa::kRep | isa::kRepne)))
    return Kind::element(cpu, insn) ? Step::Next : Step::Fault;
  const bool runs = !(cpu.state.rflags & kTf);
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
