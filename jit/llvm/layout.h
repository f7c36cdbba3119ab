// Where compiled code finds what it works on: distances in bytes from the address of the Context.
#pragma once

#include "core/interp/context.h"

namespace tandem::jit {

class Layout {
 public:
  // The same of any Context.
  explicit Layout(const interp::Context& c)
      : gprs_(from(c, c.state.gpr)),
        vectors_(from(c, c.state.vector.zmm)),
        masks_(from(c, c.state.vector.k)),
        segments_(from(c, &c.state.segments[0].base)),
        regions_(from(c, c.tier.regions)),
        rip(from(c, &c.state.rip)),
        rflags(from(c, &c.state.rflags)),
        remaining(from(c, &c.remaining)),
        requests(from(c, &c.requests)),
        flags(from(c, &c.tier.flags)),
        page(from(c, &c.tier.page)),
        upper_in_use(from(c, &c.tier.upper_in_use)),
        upper_cleared(from(c, &c.tier.upper_cleared)),
        host_tsc_offset(from(c, &c.tier.host_tsc_offset)),
        tsc_offset(from(c, &c.state.tsc_offset)),
        tsc_aux(from(c, &c.state.msr.tsc_aux)) {}

  i64 gpr(unsigned n) const { return gprs_ + static_cast<i64>(n * sizeof(u64)); }
  i64 vector(unsigned n) const { return vectors_ + static_cast<i64>(n * sizeof(cpu::VectorState{}.zmm[0])); }
  i64 mask(unsigned n) const { return masks_ + static_cast<i64>(n * sizeof(u64)); }
  i64 segment_base(unsigned n) const { return segments_ + static_cast<i64>(n * sizeof(cpu::Segment)); }
  i64 region_key(unsigned n) const { return of_region(n) + offsetof(interp::TierFrame::Region, key); }
  i64 region_addend(unsigned n) const { return of_region(n) + offsetof(interp::TierFrame::Region, addend); }

 private:
  static i64 from(const interp::Context& c, const void* field) {
    return static_cast<const u8*>(field) - reinterpret_cast<const u8*>(&c);
  }
  i64 of_region(unsigned n) const {
    return regions_ + static_cast<i64>(n * sizeof(interp::TierFrame::Region));
  }

  i64 gprs_, vectors_, masks_, segments_, regions_;

 public:
  i64 rip, rflags, remaining, requests, flags, page, upper_in_use, upper_cleared, host_tsc_offset, tsc_offset,
      tsc_aux;
};

}  // namespace tandem::jit
