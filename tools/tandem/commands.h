// The commands of the tandem program. Each returns the process' exit status.
#pragma once

#include <span>

namespace tandem::tools {

using Arguments = std::span<const char* const>;

int run_command(Arguments arguments);
int batch_command(Arguments arguments);
int ctl_command(Arguments arguments);
int trace_command(Arguments arguments);
int probe_command(Arguments arguments);
int dis_command(Arguments arguments);
int img_command(Arguments arguments);

}  // namespace tandem::tools
