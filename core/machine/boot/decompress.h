// Decompression of a kernel's payload on the host: gzip, xz, lzma, bzip2, lz4 (legacy frames), zstd.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::machine {

// Nothing: not a format known here. Error: known, but damaged.
Result<std::optional<std::vector<u8>>> decompress(std::span<const u8> compressed);

}  // namespace tandem::machine
