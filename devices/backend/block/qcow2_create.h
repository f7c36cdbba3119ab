// New qcow2 files, and what is known about old ones.
#pragma once

#include "devices/backend/block/image.h"
#include "devices/backend/block/qcow2_format.h"

namespace tandem::devices {

struct Qcow2Options {
  u64 size = 0;
  std::string backing;  // as it is to stand in the file; empty: none
  ImageFormat backing_format = ImageFormat::Raw;
};
// Writes an empty image into an empty file.
Result<void> format_qcow2(ImageFile& file, const Qcow2Options& options);

struct Qcow2Faults {
  u64 damage = 0;  // clusters in use that the refcounts say are free, or broken tables: data will be lost
  u64 leaks = 0;   // clusters that nobody uses
};
// Follows all tables and compares with the refcounts.
Result<Qcow2Faults> check_qcow2(const ImageFile& file);

}  // namespace tandem::devices
