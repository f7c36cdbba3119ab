// Counters of a run as JSON.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/machine/machine.h"

namespace tandem::tools {

struct RunFigures {
  std::string engine;
  double seconds = 0;
};

// destination: a path, or - for standard error.
Result<void> write_stats(const std::string& destination, const machine::Machine& machine,
                         const std::map<std::string, u64>& counters, const RunFigures& figures);

}  // namespace tandem::tools
