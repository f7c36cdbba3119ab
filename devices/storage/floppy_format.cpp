#include "devices/storage/floppy_format.h"

#include <algorithm>
#include <iterator>

#include "devices/backend/block/block_backend.h"

namespace tandem::devices {

namespace {

// Smallest first.
constexpr FloppyFormat kFormats[] = {{40, 1, 8, 1},  {40, 1, 9, 1},  {40, 2, 8, 1},
                                     {40, 2, 9, 1},  {80, 2, 9, 3},  {80, 2, 15, 2},
                                     {80, 2, 18, 4}, {80, 2, 21, 4}, {80, 2, 36, 5}};

}  // namespace

std::optional<FloppyFormat> floppy_format(u64 bytes) {
  const auto* format = std::find_if(std::begin(kFormats), std::end(kFormats),
                                    [&](const FloppyFormat& f) { return f.count() * kSectorSize >= bytes; });
  if (bytes == 0 || format == std::end(kFormats)) return std::nullopt;
  return *format;
}

}  // namespace tandem::devices
