#include "core/base/low_memory.h"

#include <sys/mman.h>

namespace tandem {

void* map_low_memory(u64 bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

void unmap_low_memory(void* memory, u64 bytes) { munmap(memory, bytes); }

}  // namespace tandem
