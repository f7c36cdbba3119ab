// A private view of a machine's memory, where instructions are tried out.
#pragma once

#include <array>
#include <map>
#include <memory>

#include "core/mem/guest_memory.h"

namespace tandem::verify {

using Pages = std::map<u64, std::array<u8, kPageSize>>;  // by page of the memfd

class View {
 public:
  static Result<std::unique_ptr<View>> create(const mem::GuestMemory& original);

  mem::GuestMemory& memory() { return *memory_; }
  // As the original is now, but for pages that are kept.
  void reset();
  // What was written here since.
  Pages written() const;
  // From now on, reset() gives these pages what the original has in them at this moment; the others, what it
  // has then.
  void keep(const Pages& pages);

 private:
  View(const mem::GuestMemory& original, std::unique_ptr<mem::GuestMemory> memory)
      : original_(original), memory_(std::move(memory)) {}

  const mem::GuestMemory& original_;
  std::unique_ptr<mem::GuestMemory> memory_;
  Pages kept_;
};

}  // namespace tandem::verify
