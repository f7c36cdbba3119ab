// Mapping: holds a region of guest memory at its address; takes it away when destroyed.
#pragma once

#include "core/base/types.h"

namespace tandem::mem {

class GuestMemory;

class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& o) noexcept : memory_(o.memory_), start_(o.start_) { o.memory_ = nullptr; }
  Mapping& operator=(Mapping&& o) noexcept;
  ~Mapping() { release(); }
  void release();
  bool held() const { return memory_ != nullptr; }

 private:
  friend class GuestMemory;
  Mapping(GuestMemory& memory, Gpa start) : memory_(&memory), start_(start) {}
  GuestMemory* memory_ = nullptr;
  Gpa start_{};
};

}  // namespace tandem::mem
