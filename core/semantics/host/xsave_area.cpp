#include "core/semantics/host/xsave_area.h"

#include <algorithm>
#include <cstring>

#include "core/base/bits.h"
#include "core/cpu/cpuid_models.h"
#include "core/semantics/host/legacy_area.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

constexpr unsigned kAvx = 2, kOpmask = 5, kZmmHi256 = 6, kHi16Zmm = 7;
constexpr u32 kXsaveLeaf = 0xd;

// A component as pieces of the vector registers: `count` registers from `first`, bytes [from, from + size) of
// each.
struct Pieces {
  unsigned first, count, from, size;
};

Pieces pieces_of(const Cpu& cpu, unsigned index) {
  const unsigned low = xmm_count(cpu);
  switch (index) {
    case 1: return {0, low, 0, 16};
    case kAvx: return {0, low, 16, 16};
    case kZmmHi256: return {0, low, 32, 32};
    default: return {16, cpu.mode.code_size == 8 ? 16u : 0u, 0, 64};
  }
}

template <class F>
void for_each_piece(const Pieces& p, F f) {
  for (unsigned i = 0; i < p.count; ++i) f(p.first + i, i * p.size);
}

// size: whole words.
bool all_zero(const u8* bytes, unsigned size) {
  u64 any = 0;
  for (unsigned at = 0; at < size; at += sizeof any) any |= load_le<u64>(bytes + at);
  return !any;
}

bool in_use(const Cpu& cpu, unsigned index) {
  const VectorState& v = cpu.state.vector;
  if (index == 0) {
    const X87State initial;
    return std::memcmp(&v.x87, &initial, sizeof initial) != 0;
  }
  if (index == kOpmask) return std::any_of(std::begin(v.k), std::end(v.k), [](u64 k) { return k != 0; });
  const Pieces p = pieces_of(cpu, index);
  for (unsigned n = p.first; n < p.first + p.count; ++n)
    if (!all_zero(v.zmm[n].bytes + p.from, p.size)) return true;
  return false;
}

}  // namespace

XsaveLayout::XsaveLayout(const Cpu& cpu, u64 components, bool compacted) {
  for (unsigned i = kFirstExtended; i <= kLastExtended; ++i) {
    if (!(components >> i & 1)) continue;
    const CpuidResult r = cpuid(*cpu.model, kXsaveLeaf, i, {});
    const u32 next = r.ecx & 2 ? static_cast<u32>(align_up(end, 64)) : end;
    offset[i] = compacted ? next : r.ebx;
    size[i] = r.eax;
    end = std::max(end, offset[i] + size[i]);
  }
  end = std::min<u32>(end, kXsaveMaxBytes);
}

void write_component(const Cpu& cpu, unsigned index, u8* to) {
  const VectorState& v = cpu.state.vector;
  if (index == kOpmask) {
    std::memcpy(to, v.k, sizeof v.k);
    return;
  }
  const Pieces p = pieces_of(cpu, index);
  for_each_piece(p, [&](unsigned n, unsigned at) { std::memcpy(to + at, v.zmm[n].bytes + p.from, p.size); });
}

void read_component(Cpu& cpu, unsigned index, const u8* from) {
  VectorState& v = cpu.state.vector;
  if (index == kOpmask) {
    std::memcpy(v.k, from, sizeof v.k);
    return;
  }
  cpu.upper_vectors_written = true;
  const Pieces p = pieces_of(cpu, index);
  for_each_piece(p,
                 [&](unsigned n, unsigned at) { std::memcpy(v.zmm[n].bytes + p.from, from + at, p.size); });
}

void init_component(Cpu& cpu, unsigned index) {
  VectorState& v = cpu.state.vector;
  if (index == 0) {
    v.x87 = {};
  } else if (index == kOpmask) {
    std::fill(std::begin(v.k), std::end(v.k), 0);
  } else {
    const Pieces p = pieces_of(cpu, index);
    for_each_piece(p, [&](unsigned n, unsigned) { std::memset(v.zmm[n].bytes + p.from, 0, p.size); });
  }
}

u64 components_in_use(const Cpu& cpu) {
  u64 used = 0;
  for (unsigned i : {0u, 1u, kAvx, kOpmask, kZmmHi256, kHi16Zmm})
    if (in_use(cpu, i)) used |= u64{1} << i;
  return used;
}

}  // namespace tandem::semantics
