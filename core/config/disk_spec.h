// What one item of disk= says, in xl-disk-configuration(5)'s syntax.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::config {

enum class DiskBus : u8 { Ide, Ahci, Virtio, Xen, Floppy };

struct DiskSpec {
  std::string target;  // path; may be empty for a CD-ROM drive: no medium
  std::string format;  // empty: by the name
  std::string vdev = "vda";
  DiskBus bus = DiskBus::Virtio;
  unsigned unit = 0;  // a is 0
  bool read_only = false, cdrom = false, snapshot = false;

  bool operator==(const DiskSpec&) const = default;
};

// key=value and words, or the old form "target, format, vdev, access"; target= takes the rest of the text.
Result<DiskSpec> parse_disk_spec(std::string_view text);

}  // namespace tandem::config
