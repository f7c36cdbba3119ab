// What lock step found, as text.
#pragma once

#include <string>

#include "tools/lockstep/lockstep.h"

namespace tandem::lockstep {

Result<std::string> describe(Lockstep& machines, const Verdict& verdict);

}  // namespace tandem::lockstep
