// How a floppy disk of some size is laid out.
#pragma once

#include <optional>

#include "core/base/types.h"

namespace tandem::devices {

struct FloppyFormat {
  u32 cylinders = 0, heads = 0, sectors = 0;  // sectors a track
  u8 cmos_type = 0;                           // of the drive that takes it (Ralf Brown's list, CMOS 10h)

  u32 count() const { return cylinders * heads * sectors; }
};

// The smallest that takes so much; a short image reads as zeros behind its end. Nothing above 2880 KiB.
std::optional<FloppyFormat> floppy_format(u64 bytes);

}  // namespace tandem::devices
