#include "devices/backend/block/image.h"

#include <climits>

namespace tandem::devices {

bool Image::read_now(u64 offset, const Buffers& to) {
  const u64 length = total_size(to);
  if (to.size() > IOV_MAX) return false;
  const auto from = place(BlockOp::Read, offset, length);
  if (!from) return false;
  const ssize_t n =
      preadv2(from->fd, to.data(), static_cast<int>(to.size()), static_cast<off_t>(from->offset), RWF_NOWAIT);
  return n >= 0 && static_cast<u64>(n) == length;
}

}  // namespace tandem::devices
