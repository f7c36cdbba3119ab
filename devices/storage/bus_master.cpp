#include "devices/storage/bus_master.h"

#include <algorithm>
#include <array>

#include "core/base/bits.h"

namespace tandem::devices {

namespace {

// 1.2: regions of 64 KiB at most, in a table that does not cross a boundary of 64 KiB.
constexpr u64 kEntry = 8, kMaxEntries = 64 * KiB / kEntry;
constexpr u32 kEndOfTable = 0x80000000;

constexpr u64 kCommand = 0, kStatus = 2, kTable = 4;
constexpr u8 kCommandBits = 0x09, kCapableBits = 0x60;

}  // namespace

u8 BusMaster::read(u64 offset) const {
  if (offset == kCommand) return state_.command;
  if (offset == kStatus) return state_.status;
  if (offset >= kTable) return static_cast<u8>(state_.table >> 8 * (offset - kTable));
  return 0;
}

BusMaster::Request BusMaster::write(u64 offset, u8 value) {
  if (offset == kCommand) {
    const bool was = started();
    state_.command = value & kCommandBits;
    if (started() == was) return Request::None;
    if (started()) state_.status |= kActive;
    return started() ? Request::Start : Request::Stop;
  }
  if (offset == kStatus) {
    const u8 cleared = value & (kInterrupt | kError);
    state_.status = static_cast<u8>((state_.status & ~kCapableBits & ~cleared) | (value & kCapableBits));
  } else if (offset >= kTable) {
    const unsigned shift = static_cast<unsigned>(8 * (offset - kTable));
    state_.table = (state_.table & ~(0xffu << shift)) | static_cast<u32>(value) << shift;
    state_.table &= ~3u;
  }
  return Request::None;
}

void BusMaster::finish(bool left) {
  if (!left) state_.status &= static_cast<u8>(~kActive);
}

void BusMaster::fail() { state_.status = static_cast<u8>((state_.status & ~kActive) | kError); }

bool BusMaster::gather(const mem::GuestMemory& memory, u64 length, DmaDirection direction, DmaList& list,
                       bool& more) const {
  more = false;
  for (u64 i = 0; i < kMaxEntries; ++i) {
    std::array<u8, kEntry> entry;
    if (!memory.read(Gpa{state_.table + i * kEntry}, entry)) return false;
    const u32 address = load_le<u32>(entry.data()) & ~1u, what = load_le<u32>(entry.data() + 4);
    const u64 size = (what & 0xfffe) ? what & 0xfffe : 64 * KiB;
    const u64 wanted = std::min(size, length - list.size());
    if (wanted && !list.add(Gpa{address}, wanted, direction)) return false;
    more = wanted < size || !(what & kEndOfTable);
    if (list.size() == length) return true;
    if (what & kEndOfTable) break;
  }
  return true;
}

}  // namespace tandem::devices
