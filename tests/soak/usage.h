// What this process uses of the host, and whether that grows.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "core/base/types.h"

namespace tandem::tests {

struct Resource {
  std::string_view name;
  u64 slack;  // how much more than in an earlier round is no leak
};

// Memory in bytes; the allocator keeps and splits what was freed, and the loader and the C library come to
// rest late. The peak is that of resident memory since the process began: blocks that are written to again
// and again are kept up to some 40 MiB.
inline constexpr std::array kResources{Resource{"resident", 4 * MiB},   Resource{"peak", 64 * MiB},
                                       Resource{"allocated", 64 * KiB}, Resource{"address-space", 64 * MiB},
                                       Resource{"mappings", 2},         Resource{"descriptors", 0},
                                       Resource{"threads", 0}};

using Usage = std::array<u64, kResources.size()>;  // in the order of kResources

Usage usage_now();

// Rounds before those that are compared: caches of the host's libraries fill.
inline constexpr int kWarmUp = 3;

// Follows usage from round to round.
class UsageLog {
 public:
  // Behind each round; prints what is in use. more: what else is to be said of the round. warm: all that
  // takes memory once has been done; the first such round behind the warm-up is what later ones are compared
  // with.
  void end_round(std::string_view more, bool warm);
  // Says what is in use now and was not then. Under a sanitizer, which keeps what was freed, says that it
  // can't know.
  bool has_grown() const;

 private:
  int round_ = 0;
  std::optional<Usage> first_;
  Usage last_{};
};

}  // namespace tandem::tests
