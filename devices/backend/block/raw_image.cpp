#include "devices/backend/block/raw_image.h"

#include <algorithm>

#include "core/base/bits.h"

namespace tandem::devices {

// A last sector that the file holds a part of reads as zero behind the end.
RawImage::RawImage(ImageFile file) : file_(std::move(file)), size_(align_up(file_.size(), kSectorSize)) {}

BlockStatus RawImage::discard(u64 offset, u64 length) {
  file_.punch(offset, length);
  return BlockStatus::Ok;
}

std::optional<HostPlace> RawImage::place(BlockOp op, u64 offset, u64) {
  const bool plain = op == BlockOp::Read || ((op == BlockOp::Write || op == BlockOp::Flush) && writable());
  return plain ? std::optional(HostPlace{file_.fd(), offset}) : std::nullopt;
}

u64 RawImage::next_data(u64 offset) { return std::min(file_.next_data(offset), size_); }

}  // namespace tandem::devices
