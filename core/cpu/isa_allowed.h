// Which instruction sets a CPU model has.
#pragma once

#include <Zydis/Zydis.h>

namespace tandem::cpu {

struct CpuModel;

// True if instructions of this set exist on the model; others raise #UD.
bool isa_allowed(const CpuModel& model, ZydisISASet set);

}  // namespace tandem::cpu
