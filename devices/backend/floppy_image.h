// FloppyImage: a raw image file of a floppy disk, in a format known by its size.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::devices {

struct FloppyFormat {
  u32 cylinders, heads, sectors;  // sectors a track
  u8 cmos_type;                   // of the drive that takes it (Ralf Brown's list, CMOS 10h)

  u32 count() const { return cylinders * heads * sectors; }
};

class FloppyImage {
 public:
  static constexpr u32 kSector = 512;

  // A file that can't be written is write protected. A short one reads as zeros at its end.
  static Result<std::unique_ptr<FloppyImage>> open(const std::string& path);
  ~FloppyImage();
  FloppyImage(const FloppyImage&) = delete;
  FloppyImage& operator=(const FloppyImage&) = delete;

  const FloppyFormat& format() const { return format_; }
  bool read_only() const { return read_only_; }
  // One sector, below format().count(). False: the host failed.
  bool read(u32 sector, std::span<u8, kSector> to);
  bool write(u32 sector, std::span<const u8, kSector> from);

 private:
  FloppyImage(int fd, bool read_only, const FloppyFormat& format)
      : fd_(fd), read_only_(read_only), format_(format) {}

  int fd_;
  bool read_only_;
  FloppyFormat format_;
};

}  // namespace tandem::devices
