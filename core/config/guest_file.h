// Guest files: xl.cfg(5)'s syntax, read as data.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/config/settings.h"

namespace tandem::config {

// Sets what `text` says. name: of the file, for messages. Unknown keys become warnings, one line each.
// Error: "name:line: what is wrong".
Result<void> parse_guest_file(std::string_view text, std::string_view name, Settings& settings,
                              std::vector<std::string>& warnings);

}  // namespace tandem::config
