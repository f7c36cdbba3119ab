// Memory for generated code that is never writable and executable at one address: one memfd, mapped twice.
#pragma once

#include <memory>
#include <span>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::semantics {

class CodeArena {
 public:
  // bytes: capacity, rounded up to pages; takes host memory only where code was appended.
  static Result<std::unique_ptr<CodeArena>> create(u64 bytes);
  ~CodeArena();
  CodeArena(const CodeArena&) = delete;
  CodeArena& operator=(const CodeArena&) = delete;

  static constexpr u64 kAlignment = 64;  // bytes

  // Address at which the copied code executes (aligned), or null where the arena is full.
  const u8* append(std::span<const u8> code);
  // Address that append() gives next.
  const u8* next() const { return execute_ + used_; }
  // Where code that was appended can be patched; nobody may run the bytes meanwhile but as one aligned store.
  u8* writable(const u8* code) { return write_ + (code - execute_); }
  u64 used() const { return used_; }
  u64 room() const { return size_ - used_; }
  // Forgets what was appended since used() was `mark`. None of it may run any more.
  void rewind(u64 mark) { used_ = mark; }
  bool contains(u64 address) const { return address - reinterpret_cast<u64>(execute_) < size_; }

 private:
  CodeArena(u8* write, u8* execute, u64 size) : write_(write), execute_(execute), size_(size) {}

  u8* write_;
  u8* execute_;
  u64 size_;
  u64 used_ = 0;
};

}  // namespace tandem::semantics
