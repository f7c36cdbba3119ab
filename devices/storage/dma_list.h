// Guest memory as the host's: what a device's descriptors lead to, for a back end to work on without a copy.
#pragma once

#include <vector>

#include "core/mem/guest_memory.h"
#include "devices/backend/block/buffers.h"

namespace tandem::devices {

enum class DmaDirection : u8 { FromMemory, ToMemory };

class DmaList {
 public:
  explicit DmaList(mem::GuestMemory& memory) : memory_(&memory) {}

  // False, and nothing is added: part of it is no memory, or ROM that would be written.
  bool add(Gpa start, u64 length, DmaDirection direction);
  u64 size() const { return size_; }
  // Keeps the first `size` bytes.
  void cut(u64 size);
  const Buffers& buffers() const { return buffers_; }
  // After the bytes were changed: marks pages, drops translations.
  void written() const;
  void clear() { *this = DmaList(*memory_); }

 private:
  struct Piece {
    Gpa start;
    u64 length;
  };
  mem::GuestMemory* memory_;
  std::vector<Piece> pieces_;
  Buffers buffers_;
  u64 size_ = 0;
};

}  // namespace tandem::devices
