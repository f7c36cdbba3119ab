// Programs to be compiled: C without headers, the same for the same seed everywhere.
#pragma once

#include <cstdint>
#include <string>

namespace tandem::bench {

// `functions` functions of about 30 lines, of which later ones call earlier ones, and
//   unsigned run(unsigned x)
// which calls the last. Nothing in them is undefined, and all of them end soon.
std::string c_source(std::uint64_t seed, unsigned functions);

}  // namespace tandem::bench
