// Unix sockets by their paths.
#pragma once

#include <string>

#include "core/base/result.h"

namespace tandem::devices {

// A descriptor that listens there, for this user alone. Takes over a socket that nobody listens on any more.
// Error: the path is in use, or can't be.
Result<int> listen_at(const std::string& path);
// A descriptor of a connection to it. flags: of socket().
Result<int> connect_to(const std::string& path, int flags = 0);

}  // namespace tandem::devices
