#include "core/semantics/host/code_arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace tandem::semantics {

namespace {

constexpr u64 kAlignment = 16;

u8* map(int fd, u64 size, int protection) {
  void* p = mmap(nullptr, size, protection, MAP_SHARED, fd, 0);
  return p == MAP_FAILED ? nullptr : static_cast<u8*>(p);
}

Error failed(const char* what) {
  return host_error(std::string("code memory: ") + what + ": " + std::strerror(errno));
}

}  // namespace

Result<std::unique_ptr<CodeArena>> CodeArena::create(u64 bytes) {
  const u64 size = (bytes + kPageMask) & ~kPageMask;
  const int fd = memfd_create("tandem-code", MFD_CLOEXEC);
  if (fd < 0) return failed("memfd_create");
  u8* write = nullptr;
  u8* execute = nullptr;
  if (ftruncate(fd, static_cast<off_t>(size)) == 0) {
    write = map(fd, size, PROT_READ | PROT_WRITE);
    execute = map(fd, size, PROT_READ | PROT_EXEC);
  }
  const Error error = failed("mmap");
  close(fd);
  if (write && execute) return std::unique_ptr<CodeArena>(new CodeArena(write, execute, size));
  if (write) munmap(write, size);
  if (execute) munmap(execute, size);
  return error;
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
