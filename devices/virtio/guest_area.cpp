#include "devices/virtio/guest_area.h"

#include <algorithm>
#include <cstring>

namespace tandem::devices::virtio {

std::optional<GuestArea> GuestArea::find(mem::GuestMemory& memory, u64 start, u64 length, u64 alignment) {
  if (start % alignment || start + length < start) return std::nullopt;
  Buffers pieces;
  if (!append(memory, start, length, true, pieces) || pieces.size() != 1) return std::nullopt;
  return GuestArea(memory, static_cast<u8*>(pieces[0].iov_base));
}

bool append(const mem::GuestMemory& memory, u64 start, u64 length, bool writable, Buffers& to) {
  if (start + length < start) return false;
  while (length) {
    const u64 n = std::min(length, kPageSize - (start & kPageMask));
    u8* const host = writable ? memory.host_for_write(Gpa{start}) : memory.host(Gpa{start});
    if (!host) return false;
    if (!to.empty() && static_cast<u8*>(to.back().iov_base) + to.back().iov_len == host)
      to.back().iov_len += n;
    else to.push_back({host, n});
    start += n;
    length -= n;
  }
  return true;
}

namespace {

// Calls copy(host, bytes) for the pieces of `length` bytes from `offset` on.
template <class Copy>
void for_each_piece(const Buffers& buffers, u64 offset, u64 length, Copy copy) {
  for (const iovec& v : buffers) {
    if (length == 0) return;
    if (offset >= v.iov_len) {
      offset -= v.iov_len;
      continue;
    }
    const u64 n = std::min<u64>(length, v.iov_len - offset);
    copy(static_cast<u8*>(v.iov_base) + offset, n);
    offset = 0;
    length -= n;
  }
}

}  // namespace

void scatter(const Buffers& to, u64 offset, std::span<const u8> from) {
  for_each_piece(to, offset, from.size(), [&](u8* host, u64 n) {
    std::memcpy(host, from.data(), n);
    from = from.subspan(n);
  });
}

void gather(std::span<u8> to, const Buffers& from, u64 offset) {
  for_each_piece(from, offset, to.size(), [&](const u8* host, u64 n) {
    std::memcpy(to.data(), host, n);
    to = to.subspan(n);
  });
}

void written(mem::GuestMemory& memory, const Buffers& buffers, u64 length) {
  for (const iovec& v : buffers) {
    if (length == 0) return;
    const u64 n = std::min<u64>(length, v.iov_len);
    memory.written_at(static_cast<u64>(static_cast<u8*>(v.iov_base) - memory.base()), n);
    length -= n;
  }
}

}  // namespace tandem::devices::virtio
