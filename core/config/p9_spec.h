// What one item of p9= says.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace tandem::config {

struct P9Spec {
  std::string tag;   // what the guest mounts by
  std::string path;  // the folder
  bool read_only = false;

  bool operator==(const P9Spec&) const = default;
};

// tag=NAME,path=PATH[,readonly]
Result<P9Spec> parse_p9_spec(std::string_view text);

}  // namespace tandem::config
