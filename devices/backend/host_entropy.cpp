#include "devices/backend/host_entropy.h"

#include <sys/random.h>

#include "core/base/assert.h"

namespace tandem::devices {

void host_entropy(std::span<u8> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = getrandom(bytes.data(), bytes.size(), 0);
    ensure(n > 0, "getrandom of the host");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

}  // namespace tandem::devices
