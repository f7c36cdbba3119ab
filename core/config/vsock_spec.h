// What vsock= says.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::config {

struct VsockSpec {
  u64 cid = 3;       // the guest's address
  std::string path;  // of the host's socket

  bool operator==(const VsockSpec&) const = default;
};

// [cid=NUMBER,]path=PATH
Result<VsockSpec> parse_vsock_spec(std::string_view text);

}  // namespace tandem::config
