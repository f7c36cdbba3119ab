// Arguments of `tandem run`: [FILE.cfg] [--key value | --key=value]...
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/config/settings.h"

namespace tandem::config {

struct CommandLine {
  Settings settings;
  std::vector<std::string> warnings;
  bool print_config = false;
  bool help = false;
};

// Reads the guest file, if one is named, then lets the options win over it. A list's first option replaces
// the file's list, further ones add to it.
Result<CommandLine> parse_command_line(std::span<const char* const> arguments);

}  // namespace tandem::config
