// The interrupt controllers' state for people to read.
#pragma once

#include <string>

#include "devices/platform/ioapic.h"
#include "devices/platform/pic.h"

namespace tandem::devices {

// A line for each PIC, and for each pin of the I/O APIC that is in use.
std::string interrupt_text(const PicState& pic, const IoapicState& ioapic);

}  // namespace tandem::devices
