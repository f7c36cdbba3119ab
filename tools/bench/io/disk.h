// Transfers from and to a block device.
#pragma once

#include <string>

#include "core/base/types.h"

namespace tandem::bench {

// Nanoseconds that it took to read or write `bytes` from the device's start, in order, past the page cache.
u64 read_in_order(const std::string& device, u64 bytes);
u64 write_in_order(const std::string& device, u64 bytes);
// The same through the page cache, which has none of it yet; writing ends when the device has it all.
u64 read_cached(const std::string& device, u64 bytes);
u64 write_cached(const std::string& device, u64 bytes);

// `count` blocks of 4 KiB from the start, one after the other.
u64 read_pieces_in_order(const std::string& device, u64 count);
// `count` blocks of 4 KiB, anywhere on the device, one after the other.
u64 read_anywhere(const std::string& device, u64 count);
u64 write_anywhere(const std::string& device, u64 count);
// The same with 16 under way.
u64 read_many_anywhere(const std::string& device, u64 count);

}  // namespace tandem::bench
