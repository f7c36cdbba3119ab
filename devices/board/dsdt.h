// The DSDT of the PC board, as AML.
#pragma once

#include <string>

#include "core/base/types.h"

namespace tandem::devices {

// pci_hole: where PCI's memory starts below 4 GiB.
std::string build_dsdt_body(u64 pci_hole, bool floppy);

}  // namespace tandem::devices
