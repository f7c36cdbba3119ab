#include "devices/storage/dma_list.h"

#include <algorithm>

namespace tandem::devices {

bool DmaList::add(Gpa start, u64 length, DmaDirection direction) {
  Buffers more;
  for (u64 done = 0; done < length;) {
    const Gpa at = start + done;
    const u64 n = std::min(length - done, kPageSize - (raw(at) & kPageMask));
    u8* host = direction == DmaDirection::ToMemory ? memory_->host_for_write(at) : memory_->host(at);
    if (!host) return false;
    if (!more.empty() && static_cast<u8*>(more.back().iov_base) + more.back().iov_len == host)
      more.back().iov_len += n;
    else more.push_back({host, n});
    done += n;
  }
  buffers_.insert(buffers_.end(), more.begin(), more.end());
  pieces_.push_back({start, length});
  size_ += length;
  return true;
}

void DmaList::cut(u64 size) {
  buffers_ = slice(buffers_, 0, size);
  size_ = 0;
  for (Piece& p : pieces_) {
    p.length = std::min(p.length, size - size_);
    size_ += p.length;
  }
}

void DmaList::written() const {
  for (const Piece& p : pieces_)
    if (p.length) memory_->written(p.start, p.length);
}

}  // namespace tandem::devices
