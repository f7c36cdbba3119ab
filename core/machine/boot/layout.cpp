#include "core/machine/boot/layout.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/bits.h"

namespace tandem::machine {

namespace {
// The interrupt vector table, the BIOS data area and what a kernel's trampolines use.
constexpr u64 kFirstUsable = 0x1000;

Error no_room(u64 length) {
  return user_error(fmt::format("does not fit into the guest's memory (needs {} KiB more in one piece)",
                                length / KiB + (length % KiB != 0)));
}
}  // namespace

Layout::Layout(mem::GuestMemory& memory, std::span<const MemoryRange> map)
    : memory_(memory), map_(map.begin(), map.end()) {
  taken_.push_back({0, kFirstUsable});
}

bool Layout::is_free(u64 start, u64 length) const {
  const u64 end = start + length;
  if (end < start) return false;
  const bool ram = std::any_of(map_.begin(), map_.end(), [&](const MemoryRange& r) {
    return r.kind == MemoryKind::Ram && raw(r.start) <= start && end <= raw(r.start) + r.length;
  });
  return ram && std::none_of(taken_.begin(), taken_.end(),
                             [&](const Piece& p) { return start < p.end && p.start < end; });
}

Result<void> Layout::reserve(u64 start, u64 length) {
  if (length == 0) return {};
  if (!is_free(start, length)) {
    const u64 last = start + (length - 1);
    const bool beyond = last >= start && last >= memory_.size() && memory_.high_size() == 0;
    return user_error("does not fit into the guest's memory " +
                      (beyond ? fmt::format("(needs {} MiB)", last / MiB + 1)
                              : fmt::format("({:#x}..{:#x} is not free RAM)", start, last)));
  }
  taken_.push_back({start, start + length});
  return {};
}

Result<u64> Layout::allocate(u64 length, u64 align, u64 end) {
  length = std::max<u64>(length, 1);
  // Candidates end at the end of RAM or where something begins.
  std::vector<u64> ends = {end};
  for (const MemoryRange& r : map_) ends.push_back(raw(r.start) + r.length);
  for (const Piece& p : taken_) ends.push_back(p.start);
  std::sort(ends.rbegin(), ends.rend());
  for (u64 e : ends) {
    if (e > end || e < length) continue;
    const u64 start = (e - length) & ~(align - 1);
    if (!is_free(start, length)) continue;
    taken_.push_back({start, start + length});
    return start;
  }
  return no_room(length);
}

Result<u64> Layout::allocate_above(u64 start, u64 length, u64 align, u64 end) {
  length = std::max<u64>(length, 1);
  std::vector<u64> starts = {start};
  for (const MemoryRange& r : map_) starts.push_back(raw(r.start));
  for (const Piece& p : taken_) starts.push_back(p.end);
  std::sort(starts.begin(), starts.end());
  for (u64 s : starts) {
    const u64 at = (s + align - 1) & ~(align - 1);
    if (s < start || at < s || at > end || length > end - at || !is_free(at, length)) continue;
    taken_.push_back({at, at + length});
    return at;
  }
  return no_room(length);
}

Result<u64> Layout::put(std::span<const u8> bytes, u64 align, u64 end) {
  TANDEM_TRY_ASSIGN(at, allocate(bytes.size(), align, end));
  memory_.write(Gpa{at}, bytes);
  return at;
}

}  // namespace tandem::machine
