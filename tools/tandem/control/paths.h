// Where control sockets are.
#pragma once

#include <string>

#include "core/base/result.h"

namespace tandem::tools {

// The folder of this user's control sockets: $XDG_RUNTIME_DIR/tandem, or /tmp/tandem-UID. Made where it is
// missing, readable by this user alone.
Result<std::string> control_folder();
// A guest's name, or a path with a slash.
Result<std::string> control_path(const std::string& name);

}  // namespace tandem::tools
