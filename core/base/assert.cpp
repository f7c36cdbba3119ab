#include "core/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace tandem {

void assert_failed(const char* what, std::source_location where) {
  std::fprintf(stderr, "tandem: internal error: %s (%s:%u)\n", what, where.file_name(), where.line());
  std::abort();
}

}  // namespace tandem
