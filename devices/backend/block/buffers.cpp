#include "devices/backend/block/buffers.h"

#include <algorithm>
#include <cstring>

namespace tandem::devices {

u64 total_size(const Buffers& buffers) {
  u64 total = 0;
  for (const iovec& v : buffers) total += v.iov_len;
  return total;
}

Buffers slice(const Buffers& buffers, u64 offset, u64 length) {
  Buffers part;
  for (const iovec& v : buffers) {
    if (length == 0) break;
    if (offset >= v.iov_len) {
      offset -= v.iov_len;
      continue;
    }
    const u64 n = std::min<u64>(length, v.iov_len - offset);
    part.push_back({static_cast<u8*>(v.iov_base) + offset, n});
    offset = 0;
    length -= n;
  }
  return part;
}

void fill_zero(const Buffers& buffers) {
  for (const iovec& v : buffers) std::memset(v.iov_base, 0, v.iov_len);
}

void copy_to(const Buffers& to, std::span<const u8> from) {
  for (const iovec& v : to) {
    if (from.empty()) return;
    const u64 n = std::min<u64>(v.iov_len, from.size());
    std::memcpy(v.iov_base, from.data(), n);
    from = from.subspan(n);
  }
}

void copy_from(std::span<u8> to, const Buffers& from) {
  for (const iovec& v : from) {
    if (to.empty()) return;
    const u64 n = std::min<u64>(v.iov_len, to.size());
    std::memcpy(to.data(), v.iov_base, n);
    to = to.subspan(n);
  }
}

}  // namespace tandem::devices
