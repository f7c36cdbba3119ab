// When 64-bit user code goes to a KVM that runs nothing else: not before a program has stayed in user mode
// for a while, since going there and back costs as much as some hundred thousand instructions of translated
// code. Learns for each address space. Pure.
#pragma once

#include <unordered_map>

#include "core/base/types.h"

namespace tandem::hwassist {

class UserPolicy {
 public:
  // Instructions that the software engine runs before it is asked again.
  u64 slice() const { return short_slices_ ? kShortSlice : kLongSlice; }
  // After a slice: did it end in user mode, in this address space? True: go.
  bool go(bool in_user_code, u64 cr3);
  // How long the code ran natively, and how long it took to get there and back.
  void came_back(u64 cr3, i64 run_ns, i64 overhead_ns);

 private:
  static constexpr u64 kLongSlice = 100'000, kShortSlice = 4'000;
  static constexpr unsigned kPatience = 4;  // slices in user mode before a new address space goes
  static constexpr unsigned kMaxPatience = 4096;
  static constexpr std::size_t kMaxSpaces = 256;

  struct Space {
    unsigned patience = kPatience;
    unsigned streak = 0;
  };
  std::unordered_map<u64, Space> spaces_;  // by CR3
  u64 last_ = 0;
  bool short_slices_ = false;  // the last stay was worth it: an interrupt's handling is waited for
  unsigned short_left_ = 0;
};

}  // namespace tandem::hwassist
