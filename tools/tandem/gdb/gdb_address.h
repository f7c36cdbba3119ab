// gdb=: where a debugger may come, and how it is waited for.
#pragma once

#include <optional>
#include <string>

#include "core/base/result.h"
#include "core/debug/registers.h"

namespace tandem::tools {

struct GdbAddress {
  std::string host = "127.0.0.1", port;  // TCP
  std::string path;                      // or a Unix socket
  bool paused = false;                   // the guest begins when the debugger says so
  std::optional<debug::Arch> arch;       // how it is to see the CPUs; else by their state
};

// [HOST:]PORT or unix:PATH, then ,paused and ,arch=16, 32 or 64.
Result<GdbAddress> parse_gdb_address(const std::string& text);

}  // namespace tandem::tools
