// VectorState <-> the XSAVE area of this host, in the standard format.
#pragma once

#include "core/cpu/cpu_state.h"

namespace tandem::tests {

// Components that the host enables and VectorState has.
u64 host_components();
void to_xsave(const cpu::VectorState& vector, u8* area);
void from_xsave(const u8* area, cpu::VectorState& vector);

}  // namespace tandem::tests
