#include "core/semantics/host/code_arena.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace tandem::semantics {

namespace {

Error failed(const char* what) {
  return host_error(std::string("code memory: ") + what + ": " + std::strerror(errno));
}

}  // namespace

// Anonymous rather than of a memfd: for code in a file, perf looks for symbols in the file.
Result<std::unique_ptr<CodeArena>> CodeArena::create(u64 bytes) {
  const u64 size = (bytes + kPageMask) & ~kPageMask;
  void* write = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (write == MAP_FAILED) return failed("mmap");
  // An old size of 0 maps shared memory a second time (mremap(2)).
  void* execute = mremap(write, 0, size, MREMAP_MAYMOVE);
  if (execute == MAP_FAILED || mprotect(execute, size, PROT_READ | PROT_EXEC) != 0) {
    const Error error = failed("mremap");
    if (execute != MAP_FAILED) munmap(execute, size);
    munmap(write, size);
    return error;
  }
  return std::unique_ptr<CodeArena>(new CodeArena(static_cast<u8*>(write), static_cast<u8*>(execute), size));
}

CodeArena::~CodeArena() {
  munmap(write_, size_);
  munmap(execute_, size_);
}

const u8* CodeArena::append(std::span<const u8> code) {
  if (code.size() > size_ - used_) return nullptr;
  // SAFETY: code patch: the bytes are written before anybody has their address.
  std::memcpy(write_ + used_, code.data(), code.size());
  const u8* at = execute_ + used_;
  used_ = std::min(size_, (used_ + code.size() + kAlignment - 1) & ~(kAlignment - 1));
  return at;
}

}  // namespace tandem::semantics
