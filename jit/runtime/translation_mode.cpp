#include "jit/runtime/translation_mode.h"

#include <algorithm>

#include "core/mmu/segment.h"
#include "core/semantics/host/availability.h"
#include "core/semantics/system.h"

namespace tandem::jit {

using interp::Context;
using mmu::Access;

namespace {

constexpr u64 kEndOf16Bits = 0x10000, kEndOf32Bits = u64{1} << 32;

// CS is written by no instruction of protected mode.
SegmentUse use_of(const Context& c, unsigned name) {
  const cpu::Segment& s = c.state.segments[name];
  const u64 read_end = c.tier.read_end[name];
  const u64 end = name == cpu::kCs ? read_end : std::min(read_end, c.tier.write_end[name]);
  if (c.mode.code_size == 2) return end >= kEndOf16Bits ? SegmentUse::Short : SegmentUse::Limited;
  if (end != kEndOf32Bits) return SegmentUse::Limited;
  // FS and GS mostly have bases, and code does not depend on whether they do.
  return s.base == 0 && name < cpu::kFs ? SegmentUse::Flat : SegmentUse::Unlimited;
}

bool is_flat_code(const Context& c) {
  const cpu::Segment& cs = c.state.segments[cpu::kCs];
  return c.mode.code_size == 8 || (c.mode.code_size == 4 && cs.base == 0 && cs.limit == 0xffffffff);
}

TranslationMode segment_bits(const Context& c) {
  TranslationMode bits = is_flat_code(c) ? 0 : kSegmentedMode;
  for (unsigned name = 0; name < cpu::kSegmentCount; ++name)
    bits |= static_cast<TranslationMode>(use_of(c, name)) << (kSegmentUseShift + 2 * name);
  return bits;
}

}  // namespace

bool reads_host_tsc(const Context& c) { return c.host_tsc_offset && semantics::tsc_allowed(c); }

SegmentUses::Origin SegmentUses::origin_of(const Context& c) {
  const bool base_matters = c.mode.code_size == 4;
  Origin o{.code_size = c.mode.code_size, .protected_mode = c.mode.protected_mode};
  for (unsigned name = 0; name < cpu::kSegmentCount; ++name) {
    const cpu::Segment& s = c.state.segments[name];
    o.segments[name] = s.limit | u64{s.type} << 32 | u64{s.present} << 40 |
                       u64{base_matters && name < cpu::kFs && s.base != 0} << 41;
  }
  return o;
}

void SegmentUses::follow(Context& c) {
  const Origin origin = origin_of(c);
  if (origin == origin_) return;
  origin_ = origin;
  ++changes_;
  for (unsigned name = 0; name < cpu::kSegmentCount; ++name) {
    c.tier.read_end[name] = mmu::offsets_end(c, name, Access::Read);
    c.tier.write_end[name] = mmu::offsets_end(c, name, Access::Write);
  }
  bits_ = segment_bits(c);
}

TranslationMode translation_mode(Context& c, bool hosted, const SegmentUses& uses) {
  using semantics::Unit;
  const TranslationMode segments = c.mode.code_size == 8 ? 0 : uses.bits();
  const bool may_be_hosted = !(segments & kSegmentedMode);
  return interp::mode_bits(c.mode) | static_cast<u32>(c.privilege) << 16 |
         static_cast<u32>(semantics::unit_available(c, Unit::Sse)) << 18 |
         static_cast<u32>(semantics::unit_available(c, Unit::Avx)) << 19 |
         static_cast<u32>(semantics::unit_available(c, Unit::Avx512)) << 20 |
         static_cast<u32>(semantics::unit_available(c, Unit::X87)) << 21 |
         static_cast<u32>(semantics::unit_available(c, Unit::Mmx)) << 22 |
         static_cast<u32>(reads_host_tsc(c)) << 25 | (hosted && may_be_hosted ? kHostedMode : 0) |
         (c.limited ? kLimitedMode : 0) | segments;
}

}  // namespace tandem::jit
