// Listening TCP sockets.
#pragma once

#include <string>

#include "core/base/result.h"

namespace tandem::tools {

// A descriptor that listens there. Error: why it can't, with the place.
Result<int> listen_tcp(const std::string& host, const std::string& port);

}  // namespace tandem::tools
