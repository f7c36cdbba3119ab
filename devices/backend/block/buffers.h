// Scatter lists: pieces of host memory (a guest's RAM, or buffers) that one request reads into or writes
// from.
#pragma once

#include <sys/uio.h>

#include <span>
#include <vector>

#include "core/base/types.h"

namespace tandem::devices {

using Buffers = std::vector<iovec>;

inline iovec buffer(std::span<u8> bytes) { return {bytes.data(), bytes.size()}; }

u64 total_size(const Buffers& buffers);
// The part of `length` bytes from `offset` on, which must be in it.
Buffers slice(const Buffers& buffers, u64 offset, u64 length);
void fill_zero(const Buffers& buffers);
// As many bytes as both sides have.
void copy_to(const Buffers& to, std::span<const u8> from);
void copy_from(std::span<u8> to, const Buffers& from);

}  // namespace tandem::devices
