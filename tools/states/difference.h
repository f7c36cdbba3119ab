// Where two states differ, as text.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/base/bits.h"
#include "core/mem/guest_memory.h"
#include "tools/states/state_fields.h"

namespace tandem::states {

// One thing that differs.
struct Change {
  std::string name;
  std::string first, second;
};

struct MemoryChange {
  Gpa address;  // a multiple of 8
  u64 first, second;
};

// allowed: whether a field may differ.
std::vector<Change> changed_fields(
    const cpu::CpuState& first, const cpu::CpuState& second,
    const std::function<bool(const StateField&)>& allowed = [](const StateField&) { return false; });
// Do registers of 64 bits, or RFLAGS, differ in these bits alone?
bool differ_only_in(u64 bits, const StateField& field, const cpu::CpuState& first,
                    const cpu::CpuState& second);

// Of a byte of main RAM; of other memory its offset from the end of RAM, far beyond all of that.
Gpa address_of(const mem::GuestMemory& memory, u64 offset);

// Calls with where and what, for each word of 8 bytes in which two pages differ.
template <class F>
void for_changed_words(const u8* first, const u8* second, F call) {
  for (u64 at = 0; at < kPageSize; at += 8) {
    const u64 x = load_le<u64>(first + at), y = load_le<u64>(second + at);
    if (x != y) call(at, x, y);
  }
}

// Fields that are zero are left out.
std::string text_of(const cpu::CpuState& state);
// A line each, with what the fields were in `before`, if that is given.
std::string text_of(const std::vector<Change>& fields, const cpu::CpuState* before);
std::string text_of(const std::vector<MemoryChange>& memory, u64 words);

}  // namespace tandem::states
