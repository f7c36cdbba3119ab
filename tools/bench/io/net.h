// Transfers over TCP, to and from the host.
#pragma once

#include <string>

#include "core/base/types.h"

namespace tandem::bench {

// The other end says with its first byte that it is there, and sends `bytes` or takes them and answers with a
// byte. Nanoseconds from the first byte on.
u64 receive(const std::string& address, u16 port, u64 bytes);
u64 send(const std::string& address, u16 port, u64 bytes);
// `count` questions and answers of one byte.
u64 ask(const std::string& address, u16 port, u64 count);

}  // namespace tandem::bench
