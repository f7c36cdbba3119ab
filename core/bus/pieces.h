// A memory access in pieces that a bus can carry: naturally aligned 8, 4, 2 or 1 bytes.
#pragma once

#include <cstring>

#include "core/bus/io.h"

namespace tandem::bus {

// Calls io(IoAccess&) for each piece; data: `size` bytes, read from or written to.
template <class F>
void mmio_in_pieces(VcpuId vcpu, IoDir dir, u64 physical, u8* data, unsigned size, F io) {
  for (unsigned done = 0; done < size;) {
    unsigned n = 8;
    while (n > size - done || (physical + done) % n) n /= 2;
    IoAccess piece{BusKind::Mmio, dir, static_cast<u8>(n), vcpu, physical + done, 0, 0};
    if (dir == IoDir::Write) std::memcpy(&piece.value, data + done, n);
    io(piece);
    if (dir == IoDir::Read) std::memcpy(data + done, &piece.value, n);
    done += n;
  }
}

}  // namespace tandem::bus
