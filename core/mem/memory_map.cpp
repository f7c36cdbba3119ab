#include "core/mem/memory_map.h"

#include <algorithm>
#include <mutex>

#include "core/base/assert.h"

namespace tandem::mem {

namespace {

u64 moved(u64 offset, u64 by) { return offset == kNoMemory ? offset : offset + by; }

}  // namespace

MemoryMap::MemoryMap(u64 ram) {
  for (u64 at = kLegacyStart; at + kLegacyPiece <= std::min(ram, kLegacyEnd); at += kLegacyPiece)
    set_legacy(at, kLegacyPiece, {at, at});
}

Backing MemoryMap::region(u64 address) const {
  std::shared_lock lock(mutex_);
  for (const Region& r : regions_)
    if (address - r.start < r.length)
      return {moved(r.to.read, address - r.start), moved(r.to.write, address - r.start)};
  return {};
}

bool MemoryMap::set_legacy(u64 start, u64 length, Backing to) {
  ensure(start >= kLegacyStart && start + length <= kLegacyEnd && start % kLegacyPiece == 0 &&
             length % kLegacyPiece == 0,
         "a range of the legacy window");
  bool changed = false;
  for (u64 done = 0; done < length; done += kLegacyPiece) {
    Piece& p = pieces_[(start + done - kLegacyStart) / kLegacyPiece];
    const u64 read = moved(to.read, done), write = moved(to.write, done);
    changed |= p.read.exchange(read) != read;
    changed |= p.write.exchange(write) != write;
  }
  return changed;
}

bool MemoryMap::add_region(u64 start, u64 length, Backing to) {
  const u64 last = start + length - 1;
  if (length == 0 || last < start || (start < kLegacyEnd && last >= kLegacyStart)) return false;
  std::unique_lock lock(mutex_);
  for (const Region& r : regions_)
    if (start < r.start + r.length && r.start <= last) return false;
  regions_.push_back({start, length, to});
  return true;
}

std::optional<u64> MemoryMap::remove_region(u64 start) {
  std::unique_lock lock(mutex_);
  const auto found =
      std::find_if(regions_.begin(), regions_.end(), [&](const Region& r) { return r.start == start; });
  if (found == regions_.end()) return std::nullopt;
  const u64 length = found->length;
  regions_.erase(found);
  return length;
}

void MemoryMap::for_each_address(u64 offset, const std::function<void(u64)>& call) const {
  for (u64 i = 0; i < pieces_.size(); ++i) {
    const u64 read = pieces_[i].read.load();
    if (read != kNoMemory && offset - read < kLegacyPiece)
      call(kLegacyStart + i * kLegacyPiece + (offset - read));
  }
  std::shared_lock lock(mutex_);
  for (const Region& r : regions_)
    if (r.to.read != kNoMemory && offset - r.to.read < r.length) call(r.start + (offset - r.to.read));
}

std::vector<MemoryMap::Region> MemoryMap::regions() const {
  std::shared_lock lock(mutex_);
  return regions_;
}

}  // namespace tandem::mem
