// CpuState (with its LapicState) in snapshots.
#pragma once

#include "core/cpu/cpu_state.h"
#include "core/snapshot/archive.h"

namespace tandem::snapshot {

void save_cpu(StateWriter& writer, std::string_view section, const cpu::CpuState& state);
Result<void> load_cpu(StateReader& reader, std::string_view section, cpu::CpuState& state);

}  // namespace tandem::snapshot
